"""Corruption of a knowledge graph: triples removed, or given a false tail."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recbole_kgif.errors import UserError

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TripleChange:
    """How the triples of a data set are changed.

    Attributes:
        kept: Share of the triples that are kept, in [0, 1].
        replaced: Share of those that get another tail, in [0, 1].
        seed: Seed of the choice.
    """

    kept: float
    replaced: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse shares out of range."""
        for name, share in (("kept", self.kept), ("replaced", self.replaced)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name}={share}: a share is in [0, 1]")

    def to_json(self) -> dict[str, Any]:
        """The change as JSON values."""
        return asdict(self)

    def number_kept(self, n_triples: int) -> int:
        """Number of triples that are kept."""
        return round(self.kept * n_triples)


def changed_triples(triples: Ids, n_entities: int, change: TripleChange) -> Ids:
    """The triples that are left, in their order, some with another tail.

    Of one seed, what stays at a smaller share stays at a larger one, too, and what is
    replaced at a smaller share is replaced by the same at a larger one. The process's
    own random numbers are left alone.

    Args:
        triples: ids of head, relation and tail, shape: [n_triples, 3]
        n_entities: number of entities, padding included; new tails are drawn uniformly
            from all but the padding, which is 0. One may be the former by chance.
        change: what is done.

    Returns:
        Ids of head, relation and tail, shape: [n_kept, 3]
    """
    random = np.random.default_rng(change.seed)
    order = random.permutation(len(triples))
    new_tails = random.integers(1, n_entities, len(triples))
    kept = order[: change.number_kept(len(triples))]
    replaced = kept[: round(change.replaced * len(kept))]
    result = triples.copy()
    result[replaced, 2] = new_tails[replaced]
    return result[np.sort(kept)]


def change_knowledge_graph(dataset: Any, change: TripleChange) -> None:
    """Change the triples of RecBole's data set in place, and nothing else of it.

    Its ids are given already, so they stay as they are, also those of entities and
    relations without a triple.

    Args:
        dataset: RecBole's data set with a knowledge graph, not yet split.
        change: what is done.

    Raises:
        UserError: the triples are stored in both directions, which would be changed
            independently of each other.
    """
    if dataset.kg_reverse_r:
        raise UserError(
            "kg_reverse_r=True: a triple would be changed in one of its two "
            "directions; leave it out"
        )
    fields = [
        dataset.head_entity_field,
        dataset.relation_field,
        dataset.tail_entity_field,
    ]
    table = dataset.kg_feat[fields]
    triples = changed_triples(
        table.to_numpy(dtype=np.int64), dataset.entity_num, change
    )
    dataset.kg_feat = type(table)(triples, columns=fields)
