"""The models that there are, by family."""

from __future__ import annotations

import argparse
import textwrap

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.options.models import KNOWLEDGE_FAMILY, known_models

_WIDTH = 79
# In the order of display; any other family of RecBole's comes at the end.
_FAMILIES = {
    KNOWLEDGE_FAMILY: "read the knowledge graph: all commands",
    "general_recommender": "interactions alone: train, compare, tune",
    "context_aware_recommender": "features of users and items: train",
    "sequential_recommender": "the order of interactions: train",
    "exlib_recommender": "need a package of their own: train",
}


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    _parser().parse_args(arguments)
    families: dict[str, list[str]] = {family: [] for family in _FAMILIES}
    for model, family in known_models().items():
        families.setdefault(family, []).append(model)
    for family, models in families.items():
        if not models:
            continue
        name = family.replace("_recommender", "").replace("_", "-")
        words = f" ({_FAMILIES[family]})" if family in _FAMILIES else ""
        print(f"{name}, {len(models)}{words}")
        names = ", ".join(sorted(models, key=lambda m: (m != "KGIF", m.lower())))
        print(textwrap.indent(textwrap.fill(names, _WIDTH - 2), "  "))
    return 0


def _parser() -> argparse.ArgumentParser:
    return ArgumentParser(
        prog="recbole-kgif models",
        description="List the models that --model and --models take: KGIF and those of "
        "the installed RecBole. They may be given in any case.",
    )
