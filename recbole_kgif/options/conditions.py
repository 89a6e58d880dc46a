"""The conditions of a robustness study: what is done to the knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recbole_kgif.errors import UserError
from recbole_kgif.options.models import KNOWLEDGE_FAMILY, known_models, parse_models
from recbole_kgif.options.variants import FULL, Variant, parse_names


@dataclass(frozen=True)
class Condition:
    """A state of the knowledge graph.

    Attributes:
        name: Its name.
        removed: Share of the triples that are taken away.
        replaced: Share of the triples that get a random tail.
    """

    name: str
    removed: float
    replaced: float

    @property
    def words(self) -> str:
        """What is done, for the head of a column."""
        if self.replaced:
            return f"{self.replaced:.0%} replaced"
        return f"{self.removed:.0%} removed"

    def variant(self, model: str) -> Variant:
        """A model under this condition."""
        return Variant(
            f"{model}-{self.name}",
            f"{model}, {self.words}",
            model=model,
            kept=1 - self.removed,
            replaced=self.replaced,
        )


CONDITIONS: tuple[Condition, ...] = (
    Condition(FULL, 0.0, 0.0),
    Condition("removed-25", 0.25, 0.0),
    Condition("removed-50", 0.5, 0.0),
    Condition("removed-75", 0.75, 0.0),
    Condition("removed-100", 1.0, 0.0),
    Condition("replaced-50", 0.0, 0.5),
    Condition("replaced-100", 0.0, 1.0),
)


def parse_conditions(text: str) -> list[Condition]:
    """The conditions that ``--conditions`` names.

    Args:
        text: names, separated by commas, or "all".

    Raises:
        UserError: a name is unknown or listed twice, or the full graph is missing.
    """
    names = parse_names("--conditions", text, [c.name for c in CONDITIONS])
    return [condition for condition in CONDITIONS if condition.name in names]


def parse_knowledge_models(text: str) -> list[str]:
    """The models that ``--models`` names.

    Args:
        text: names, separated by commas.

    Raises:
        UserError: an unknown name, one that is listed twice, or a model without a
            knowledge graph.
    """
    if text == "all":
        raise UserError("--models all: each model is run many times; name some")
    models = parse_models(text)
    for model in models:
        if known_models()[model] != KNOWLEDGE_FAMILY:
            raise UserError(
                f"--models {model}: uses no knowledge graph, so nothing done to it "
                "changes the model; leave it out"
            )
    return models


def variants_of(
    models: Sequence[str], conditions: Sequence[Condition]
) -> list[Variant]:
    """Every model under every condition, a condition of all models before the next."""
    return [condition.variant(model) for condition in conditions for model in models]
