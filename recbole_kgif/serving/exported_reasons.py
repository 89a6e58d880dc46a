"""The tree of reasons for a score, from the arrays of an export.

A score is the sum of the parts of the items that somebody has chosen, of the user's own
vector, of the item's bias and of what a new item gets from known ones. The part of a
chosen item is the sum of three: similarity by the vectors; the neighbours that both
items share, each named; and what the filter of the walks adds, mostly below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.serving.exported_scores import (
    Askers,
    Floats,
    Integers,
    ItemScores,
)
from recbole_kgif.serving.exported_walks import Walks


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """The exact parts of the scores of some items for one asker.

    Attributes:
        chosen: rows of the items of the asker, shape: [n_chosen]
        similarity: by chosen item, shape: [n_chosen, n_items]
        shared: by chosen item, shape: [n_chosen, n_items]
        filtered: by chosen item, shape: [n_chosen, n_items]
        own: of the asker's own vector, shape: [n_items]
        bias: shape: [n_items]
        predicted: what new items get from known ones, shape: [n_items]
        offset: what is added for new items, shape: [n_items]
        links: rows of X of the chosen items; None without walks, shape: [n_chosen,
            n_neighbours]
        link_scale: what the products of two rows of X are multiplied by, shape:
            [n_items]
    """

    chosen: Integers
    similarity: Floats
    shared: Floats
    filtered: Floats
    own: Floats
    bias: Floats
    predicted: Floats
    offset: Floats
    links: Optional[csr_matrix]
    link_scale: Floats

    @property
    def of_chosen(self) -> Floats:
        """The part of each chosen item, shape: [n_chosen, n_items]."""
        return self.similarity + self.shared + self.filtered

    @property
    def total(self) -> Floats:
        """The scores, shape: [n_items]."""
        rest = self.own + self.bias + self.predicted + self.offset
        total: Floats = self.of_chosen.sum(axis=0) + rest
        return total


def score_parts(
    items: ItemScores,
    asker: Askers,
    weights: Floats,
    contribution: Floats,
    asked: Sequence[int],
) -> ScoreParts:
    """Take scores apart.

    Args:
        items: the items.
        asker: one user or visitor.
        weights: weight of each item of the asker in its vector, shape: [n_chosen]
        contribution: what items bring to a vector, shape: [n_all_items, d]
        asked: rows of the items to explain.
    """
    rows, form = list(asked), items.form
    chosen = asker.history.indices.astype(np.int64)
    # The rest of a new item's score is predicted from known items.
    is_new = items.is_new[rows]
    left = np.where(is_new, form.new_item_own, 1.0)
    scaled = items.scaled_vectors[rows].T * left
    if form.similarity == "cosine":
        scaled = scaled / max(float(np.linalg.norm(asker.vectors[0])), 1e-12)
    similarity = weights[:, None] * (contribution[chosen] @ scaled)
    links = None if items.walks is None else _links(items.walks, asker)
    scale = left * form.walk_weight * float(asker.walk_factor[0])
    shared = filtered = np.zeros((len(chosen), len(rows)))
    if items.walks is not None:
        selected = np.zeros((len(items.bias), len(rows)))
        selected[rows, np.arange(len(rows))] = scale
        filtered = links @ (items.walks.transposed @ items.walks.filtered(selected))
        shared = (links @ items.walks.matrix[rows].T).toarray() * scale
        filtered = filtered - shared
    mixed, offset = np.zeros((2, len(rows)))
    if is_new.any():
        scores = items.learned_scores(asker)[:, ~items.is_new]
        position = np.cumsum(items.is_new)[rows] - 1
        mixed[is_new] = items.borrowed_scores(scores, asker)[0, position[is_new]]
    offset[is_new] = form.new_item_offset
    return ScoreParts(
        chosen=chosen,
        similarity=similarity,
        shared=shared,
        filtered=filtered,
        own=asker.vectors[0] @ scaled - similarity.sum(axis=0),
        bias=items.bias[rows] * left,
        predicted=mixed,
        offset=offset,
        links=links,
        link_scale=scale,
    )


def _links(walks: Walks, asker: Askers) -> csr_matrix:
    """Rows of X of an asker's items, without the asker: [n_chosen, n_neighbours]."""
    links = walks.matrix[asker.history.indices].copy()
    links.data[links.indices == asker.own_neighbour[0]] = 0
    return links


def shared_neighbours(
    walks: Optional[Walks], parts: ScoreParts, place: tuple[int, int], row: int
) -> tuple[Integers, Floats]:
    """What each neighbour of a chosen item and an explained one adds to the score.

    Args:
        walks: those of the items.
        parts: the parts of the score.
        place: position of the chosen item, and of the explained one, in the parts.
        row: the explained item.

    Returns:
        Columns of X and their values, the largest first.
    """
    if walks is None or parts.links is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    both: Any = parts.links[place[0]].multiply(walks.matrix[row]).tocsr()
    values = parts.link_scale[place[1]] * both.data
    order = np.argsort(-np.abs(values), kind="stable")
    return both.indices[order].astype(np.int64), values[order]
