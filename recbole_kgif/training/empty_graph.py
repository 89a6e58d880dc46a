"""Data sets whose knowledge graph has no triples left."""

from __future__ import annotations

from typing import Any

from recbole.data.dataloader import KnowledgeBasedDataLoader
from recbole.utils import KGDataLoaderState

from recbole_kgif.errors import UserError

# Models of RecBole whose loss takes a triple with each interaction, or in turn.
_LEARN_FROM_TRIPLES = frozenset({"CFKG", "CKE", "KGAT", "KTUP", "MKR"})


def check_runs_without_triples(model: str) -> None:
    """Refuse a model that cannot be trained without triples.

    Raises:
        UserError: RecBole would end each of its epochs before the first batch.
    """
    if model in _LEARN_FROM_TRIPLES:
        raise UserError(
            f"{model}: learns from triples, and the knowledge graph has none left"
        )


class InteractionLoader(KnowledgeBasedDataLoader):
    """A loader for knowledge-aware models that has interactions alone.

    RecBole cannot make a loader of no triples; so this one takes the place of one that
    was made while there were some.
    """

    def __init__(self, loader: KnowledgeBasedDataLoader):
        self.__dict__.update(vars(loader))

    def set_mode(self, state: KGDataLoaderState) -> None:
        """Enter the next part of the training, which must not need triples.

        Raises:
            UserError: it consists of triples alone.
        """
        if state == KGDataLoaderState.KG:
            raise UserError(
                "a part of the training has triples alone, and the knowledge graph has "
                "none left"
            )
        super().set_mode(KGDataLoaderState.RS)


def without_triples(dataset: Any, parts: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Take the triples out of a data set that is split already.

    Args:
        dataset: RecBole's data set with a knowledge graph, changed in place.
        parts: loaders of the training, validation and test interactions.

    Returns:
        The loaders of the same interactions without triples.
    """
    no_triples = dataset.kg_feat[:0]
    for holder in (dataset, *(part._dataset for part in parts)):
        holder.kg_feat = no_triples
    train, valid, test = parts
    if isinstance(train, KnowledgeBasedDataLoader):
        train = InteractionLoader(train)
    return train, valid, test
