"""The variants of an ablation: what each removes, and simpler recommenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recbole_kgif.errors import UserError, suggest

FULL = "full"
PAPER = "paper"
LIGHTGCN = "lightgcn"


@dataclass(frozen=True)
class Variant:
    """A model with options, and perhaps a changed graph, under a name of its own.

    Attributes:
        name: Its name, also that of its runs.
        words: What it is, for a report.
        model: Name of the model.
        options: Options that make the variant; they override all others.
        kept: Share of the triples that are kept.
        replaced: Share of those that get a random tail.
        is_trained: Whether the model is trained, in epochs and with a seed.
    """

    name: str
    words: str
    model: str = "KGIF"
    options: Mapping[str, Any] = field(default_factory=dict)
    kept: float = 1.0
    replaced: float = 0.0
    is_trained: bool = True


ABLATION: tuple[Variant, ...] = (
    Variant(FULL, "KGIF as it is"),
    Variant(
        "without-fusion",
        "KGIF without the fusion of nodes with their relations",
        options={"fusion": False},
    ),
    Variant(
        "without-projection",
        "KGIF without dynamic projection: nodes are the same under all relations",
        options={"dynamic_projection": False},
    ),
    Variant(
        "without-attention",
        "KGIF without attention: edges are weighted by degrees alone",
        options={"attention": "none"},
    ),
    Variant(
        "without-graph",
        "KGIF on interactions alone: no triples, so items share users and nothing else",
        kept=0.0,
    ),
    Variant(
        "without-walks",
        "KGIF without the direct walks in its score",
        options={"walks": False},
    ),
    Variant(
        "without-knowledge-loss",
        "KGIF trained by recommendation alone",
        options={"knowledge_weight": 0},
    ),
    Variant(
        "bpr",
        "KGIF with the loss BPR in place of softmax",
        options={"loss": "bpr"},
    ),
    Variant(
        PAPER,
        "KGIF in the form of the paper's text, with defaults of its own",
        model=f"KGIF-{PAPER}",
    ),
    Variant(
        LIGHTGCN,
        "LightGCN with the objective of KGIF: KGIF without triples, attention, fusion, "
        "walks and knowledge loss",
        options={
            "attention": "none",
            "fusion": False,
            "walks": False,
            "knowledge_weight": 0,
        },
        kept=0.0,
    ),
    Variant(
        "popularity",
        "the number of an item's training interactions",
        model="Pop",
        is_trained=False,
    ),
    Variant(
        "item-knn",
        "cosine of items by their users, RecBole's ItemKNN",
        model="ItemKNN",
        is_trained=False,
    ),
    Variant(
        "shared-entities",
        "cosine of the rarity-weighted (relation, entity) sets of the user's training "
        "items and the candidate, plus popularity by a weight chosen in validation",
        model="SharedEntities",
        is_trained=False,
    ),
)


def parse_variants(text: str) -> list[Variant]:
    """The variants that ``--variants`` names.

    Args:
        text: names, separated by commas, or "all".

    Raises:
        UserError: a name is unknown or listed twice, or the full model is missing.
    """
    names = parse_names("--variants", text, [variant.name for variant in ABLATION])
    return [variant for variant in ABLATION if variant.name in names]


def variants_of_preset(
    variants: Sequence[Variant], preset: Mapping[str, Any]
) -> list[Variant]:
    """The variants of a preset of KGIF.

    Args:
        variants: those of KGIF.
        preset: the preset's options.

    Returns:
        Those whose options are not all the preset's own, without the preset itself.
        Where the preset leaves the attention to the knowledge loss, a variant without
        that loss differentiates it, and LightGCN's variant has the aggregation of
        LightGCN.
    """
    found = []
    for variant in variants:
        own = dict(variant.options)
        if preset and variant.name == PAPER:
            continue
        if own and own.items() <= {name: preset.get(name) for name in own}.items():
            continue
        if own.get("knowledge_weight") == 0 and "attention_update" in preset:
            own["attention_update"] = "step"
        if variant.name == LIGHTGCN and "propagation" in preset:
            own.update(propagation="linear", layer_sizes=[])
        found.append(replace(variant, options=own))
    return found


def parse_names(option: str, text: str, known: Sequence[str]) -> list[str]:
    """Names from a given list, among them `FULL`, with which all are compared.

    Args:
        option: the option that takes them, for the message.
        text: names, separated by commas, or "all".
        known: all names.

    Raises:
        UserError: a name is unknown or listed twice, or `FULL` is missing.
    """
    if text == "all":
        return list(known)
    names: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name not in known:
            raise UserError(f"{option} {name}: there is none; {suggest(name, known)}")
        if name in names:
            raise UserError(f"{option} {text}: {name} is listed twice")
        names.append(name)
    if FULL not in names:
        raise UserError(
            f"{option} {text}: {FULL} is missing, with which the others are compared; "
            "add it"
        )
    return names
