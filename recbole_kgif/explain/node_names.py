"""Kind, id, name and description of the nodes of a graph."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Optional

import numpy as np

from recbole_kgif.data.names import fit_to_show, read_names
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.explain.path_graph import Graph, Integers
from recbole_kgif.explain.path_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Node,
)
from recbole_kgif.explain.relation_words import reads_backwards, what_it_is
from recbole_kgif.training.trained_model import TrainedModel

# Names of further items that a description of an entity lists.
_LISTED_NAMES = 1
_NEAREST = 3


def name_in(entity: str) -> Optional[str]:
    """An entity's id as its name, where it is a word and no code."""
    text = fit_to_show(entity.replace("_", " ")).strip()
    is_word = sum(map(str.isalpha, text)) > 2 and not any(map(str.isdigit, text))
    return text if is_word and "." not in text and ":" not in text else None


class NodeNames:
    """Ids and names of the nodes and relations of a graph.

    Names are those of the data set's files ``.user``, ``.item`` and ``.entity``, where
    they exist and have a column of names.

    Args:
        trained: the model beside its data set.
        folder: the data set's folder.
        graph: the graph.
        original: number of each node among all users and entities, shape: [n_nodes]
    """

    def __init__(
        self, trained: TrainedModel, folder: Path, graph: Graph, original: Integers
    ):
        self._graph = graph
        self._original = original
        dataset = trained.dataset
        fields = {
            USER: dataset.uid_field,
            ITEM: dataset.iid_field,
            ENTITY: dataset.entity_field,
        }
        self._relations = dataset.field2id_token[dataset.relation_field]
        self._tokens, self._names = {}, {}
        for kind, field in fields.items():
            self._tokens[kind] = dataset.field2id_token[field]
            self._names[kind] = read_names(
                folder / f"{trained.dataset_name}.{kind}",
                id_field=field,
                separator=trained.config["field_separator"],
            )

    def node(self, number: int, but: Collection[int] = ()) -> Node:
        """A node of the graph by its number.

        Args:
            number: its number.
            but: nodes that the description of an entity without a name leaves out.
        """
        graph, original = self._graph, int(self._original[number])
        kind = USER
        if number >= graph.n_users:
            original -= graph.n_users
            kind = ITEM if number < graph.n_users + graph.n_items else ENTITY
        token = str(self._tokens[kind][original])
        name = self._names[kind].get(token) or None
        if kind == ENTITY and name is None:
            name = name_in(token)
        is_described = kind == ENTITY and name is None
        return Node(
            kind, token, name, self._description(number, but) if is_described else None
        )

    def relation(self, number: int) -> tuple[str, bool]:
        """Name of a relation, and whether it is the inverse one."""
        is_inverse, fact = divmod(number, self._graph.n_relations)
        if fact == self._graph.n_relations - 1:
            return INTERACTION, bool(is_inverse)
        return str(self._relations[fact]), bool(is_inverse)

    def joined_items(
        self, entity: int, relation: int, but: Collection[int] = ()
    ) -> tuple[tuple[str, ...], int]:
        """The items that are related to an entity.

        Args:
            entity: number of the entity.
            relation: relation from the items to the entity.
            but: nodes that do not count.

        Returns:
            Names of a few of them, and the number of all.
        """
        graph = self._graph
        edges = graph.edges_of(entity)
        edges = edges[graph.relation[graph.reverse[edges]] == relation]
        items = np.unique(graph.tail[edges])
        items = items[(items >= graph.n_users) & ~np.isin(items, list(but))]
        items = items[items < graph.n_users + graph.n_items]
        # Those with the most edges are the best known.
        items = items[np.argsort(-graph.degree[items], kind="stable")]
        names = []
        for item in items[: _LISTED_NAMES * 8].tolist():
            token = str(self._tokens[ITEM][int(self._original[item]) - graph.n_users])
            if self._names[ITEM].get(token):
                names.append(self._names[ITEM][token])
        return tuple(names[:_LISTED_NAMES]), len(items)

    def _description(self, entity: int, but: Collection[int]) -> str:
        """What an entity is and whom it joins, by its most frequent relation."""
        graph = self._graph
        edges = graph.edges_of(entity)
        relations = graph.relation[graph.reverse[edges]]
        found, count = np.unique(relations, return_counts=True)
        relation = int(found[count.argmax()])
        name = self.relation(relation)
        what = what_it_is(*name)
        names, n_items = self.joined_items(entity, relation, but)
        if not n_items:
            return f"the same {what}"
        others = n_items - len(names)
        rest = f" and {others:,} more" if others else ""
        joined = f"{', '.join(names)}{rest}"
        if not names:
            joined = f"{others:,} {'item' if others == 1 else 'items'}"
        if reads_backwards(*name):
            return f"what has {joined} as {what}"
        return f"the {what} of {joined}"

    @cached_property
    def _items_by_name(self) -> dict[str, list[str]]:
        known = set(map(str, self._tokens[ITEM]))
        by_name: dict[str, list[str]] = {}
        for token, name in self._names[ITEM].items():
            if token in known and name:
                by_name.setdefault(name.casefold(), []).append(token)
        return by_name

    def item_named(self, text: str) -> Optional[str]:
        """Id of the item of a name, in any case; None where no item has it.

        Raises:
            UserError: several items have the name.
        """
        found = self._items_by_name.get(text.casefold(), [])
        if len(found) > 1:
            raise UserError(
                f"{len(found)} items are named {shown(text)}; give the id of one: "
                f"{', '.join(found[:5])}"
            )
        return found[0] if found else None

    def nearest_items(self, text: str) -> list[str]:
        """Names of items that are spelt alike, each with its id."""
        names = self._items_by_name
        near = difflib.get_close_matches(text.casefold(), names, n=_NEAREST)
        if not near:
            near = [name for name in names if text.casefold() in name][:_NEAREST]
        ids = [names[name][0] for name in near]
        return [f"{self._names[ITEM][token]} (item {token})" for token in ids]
