"""The models that can be run, found in RecBole's files without importing it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Optional

from recbole_kgif.common.resources import resource
from recbole_kgif.errors import UserError, suggest

KNOWLEDGE_FAMILY = "knowledge_aware_recommender"

# Models of this package's own that read the graph and are not trained.
BASELINES = ("EntityEASE", "KernelRidge", "PageRank", "SharedEntities")

# The model that presets are for.
_OF_PRESETS = "KGIF"

# What ``--models all`` compares.
ALL_MODELS = (
    *("KGIF", "CFKG", "CKE", "KGAT", "KGCN", "KGIN", "KGNNLS", "KTUP", "MCCLK", "MKR"),
    *("RippleNet", "BPR", "LightGCN", "EASE"),
)

_COMPARABLE_FAMILIES = (KNOWLEDGE_FAMILY, "general_recommender")


def recbole_folder() -> Path:
    """Folder of the installed RecBole, found without importing it.

    Raises:
        UserError: RecBole is not installed.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the package recbole is missing; run pip install recbole-kgif")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def known_models() -> Mapping[str, str]:
    """Names of all models that can be run, each with its family in RecBole.

    A model is a class in a module of its lower-cased name. Its spelling is in the
    module, so only the modules' text is read.
    """
    own = ("KGIF", *presets(), *BASELINES)
    families = dict.fromkeys(own, KNOWLEDGE_FAMILY)
    for path in sorted((recbole_folder() / "model").glob("*_recommender/*.py")):
        names = re.findall(r"^class (\w+)", path.read_text("utf-8"), re.MULTILINE)
        families.update(
            (name, path.parent.name) for name in names if name.lower() == path.stem
        )
    return families


@cache
def presets() -> Mapping[str, Path]:
    """KGIF with other defaults, as models of their own: ``KGIF-NAME`` and its file."""
    paths = sorted(resource("properties/presets").glob("*.yaml"))
    return {f"{_OF_PRESETS}-{path.stem}": path for path in paths}


def base_model(name: str) -> str:
    """The model as RecBole knows it: KGIF for one of its presets."""
    return _OF_PRESETS if name in presets() else name


def title_of_model(name: str) -> str:
    """A model's name for a table: ``KGIF (paper)`` for ``KGIF-paper``."""
    if name not in presets():
        return name
    return f"{_OF_PRESETS} ({name[len(_OF_PRESETS) + 1 :]})"


def with_preset(models: Sequence[str], preset: Optional[str]) -> list[str]:
    """The models with KGIF replaced by a preset of it.

    Args:
        models: names of models.
        preset: the preset's name; None leaves the models as they are.

    Raises:
        UserError: there is no such preset, or KGIF is not among the models.
    """
    if preset is None:
        return list(models)
    name = f"{_OF_PRESETS}-{preset}"
    if name not in presets():
        known = [path.stem for path in presets().values()]
        raise UserError(f"--preset {preset}: there is none; {suggest(preset, known)}")
    if _OF_PRESETS not in models:
        raise UserError(
            f"--preset {preset}: is for {_OF_PRESETS}, and {', '.join(models)} "
            "is run; leave it out"
        )
    return [name if model == _OF_PRESETS else model for model in models]


def spelling_of(name: str) -> str:
    """A known name in its own spelling, also for KGIF:paper; any other as it is."""
    name = name.replace(":", "-")
    if name in known_models():
        return name
    by_lower = {known.lower(): known for known in known_models()}
    return by_lower.get(name.lower(), name)


def check_model(name: str) -> str:
    """The name as RecBole writes it, where such a model exists in any case.

    Raises:
        UserError: there is no such model; the message suggests similar names.
    """
    name = spelling_of(name)
    if name not in known_models():
        raise UserError(
            f"--model {name}: no such model; {suggest(name, known_models())}"
        )
    return name


def is_knowledge_aware(model: str) -> bool:
    """Whether a model that `check_model` has passed reads the knowledge graph."""
    return known_models()[model] == KNOWLEDGE_FAMILY


def parse_models(text: str) -> list[str]:
    """The models that ``--models`` names.

    Args:
        text: names, separated by commas, or "all".

    Raises:
        UserError: an unknown name, one that is listed twice, or a model of a kind that
            cannot be compared, such as a sequential one.
    """
    if text.lower() == "all":
        return list(ALL_MODELS)
    known = [
        name
        for name, family in known_models().items()
        if family in _COMPARABLE_FAMILIES
    ]
    models: list[str] = []
    for name in (spelling_of(part.strip()) for part in text.split(",")):
        if name not in known_models():
            raise UserError(f"--models {name}: no such model; {suggest(name, known)}")
        if name not in known:
            raise UserError(
                f"--models {name}: is neither knowledge-aware nor a general model, so "
                "it cannot be compared on the same interactions; leave it out"
            )
        if name in models:
            raise UserError(f"--models {text}: {name} is listed twice")
        models.append(name)
    return models
