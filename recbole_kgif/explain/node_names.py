"""Kind, id, name and description of the nodes of a graph."""

from __future__ import annotations

import difflib
import itertools
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
from recbole_kgif.explain.relation_words import (
    FACT_WORD,
    counted,
    reads_backwards,
    what_it_is,
)
from recbole_kgif.training.trained_model import TrainedModel

# Names of further items that a description of an entity lists, and how many items are
# asked for one.
_LISTED_NAMES, _LOOKED_AT = 1, 10
# Facts that tell an item without a name.
_TOLD_FACTS = 2
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
        # What was asked before, as the same nodes occur in many explanations.
        self._items_of: dict[tuple[int, int], dict[int, None]] = {}
        self._main: dict[int, int] = {}
        self._told: dict[int, str] = {}
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
        kind = self._kind(number)
        token, name = self._token(kind, number), self._name(kind, number)
        description = None
        if kind == ENTITY and name is None:
            description = self._of_entity(number, but)
        elif kind == ITEM and name is None:
            description = self._of_item(number)
        return Node(kind, token, name, description)

    def _kind(self, number: int) -> str:
        graph = self._graph
        if number < graph.n_users:
            return USER
        return ITEM if number < graph.n_users + graph.n_items else ENTITY

    def _token(self, kind: str, number: int) -> str:
        before = 0 if kind == USER else self._graph.n_users
        return str(self._tokens[kind][int(self._original[number]) - before])

    def _name(self, kind: str, number: int) -> Optional[str]:
        token = self._token(kind, number)
        name = self._names[kind].get(token)
        return name or (name_in(token) if kind == ENTITY else None)

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
        items = self._items_at(entity, relation)
        names = (
            self._name(ITEM, item)
            for item in itertools.islice(items, _LOOKED_AT)
            if item not in but
        )
        listed = tuple(itertools.islice(filter(None, names), _LISTED_NAMES))
        return listed, len(items) - sum(node in items for node in but)

    def _items_at(self, entity: int, relation: int) -> dict[int, None]:
        """The items that are related to an entity, the best known first."""
        known = self._items_of.get((entity, relation))
        if known is not None:
            return known
        graph = self._graph
        edges = graph.edges_of(entity)
        edges = edges[graph.relation[graph.reverse[edges]] == relation]
        items = np.unique(graph.tail[edges])
        items = items[items >= graph.n_users]
        items = items[items < graph.n_users + graph.n_items]
        items = items[np.argsort(-graph.degree[items], kind="stable")]
        return self._items_of.setdefault(
            (entity, relation), dict.fromkeys(items.tolist())
        )

    def _of_entity(self, entity: int, but: Collection[int]) -> str:
        """What an entity is and whom it joins, by its most frequent relation."""
        relation = self._main_relation(entity)
        name = self.relation(relation)
        what = what_it_is(*name)
        names, n_items = self.joined_items(entity, relation, but)
        if not n_items:
            return f"the same {what}"
        others = n_items - len(names)
        rest = f" and {others:,} more" if others else ""
        joined = (
            f"{', '.join(names)}{rest}" if names else counted(others, "item", "items")
        )
        if reads_backwards(*name):
            return f"what has {joined} as {what}"
        return f"the {what} of {joined}"

    def _main_relation(self, entity: int) -> int:
        """The relation by which most nodes are related to an entity."""
        graph = self._graph
        if entity not in self._main:
            relations = graph.relation[graph.reverse[graph.edges_of(entity)]]
            self._main[entity] = int(np.bincount(relations).argmax())
        return self._main[entity]

    def _of_item(self, item: int) -> str:
        """An item by its id and what is known of it."""
        if item not in self._told:
            known = self._facts_in_words(item) or self._counts(item)
            known_of = f" ({', '.join(known)})" if known else ""
            self._told[item] = f"item {self._token(ITEM, item)}{known_of}"
        return self._told[item]

    def _facts_in_words(self, item: int) -> list[str]:
        """Facts of an item that have a word and an entity with a name."""
        graph = self._graph
        told: dict[str, str] = {}
        for edge in graph.edges_of(item).tolist():
            relation = self.relation(int(graph.relation[edge]))
            word = what_it_is(*relation)
            entity = int(graph.tail[edge])
            if self._kind(entity) != ENTITY or word in (*told, FACT_WORD):
                continue
            name = self._name(ENTITY, entity)
            if name and not reads_backwards(*relation):
                told[word] = f"{word} {name}"
            if len(told) == _TOLD_FACTS:
                break
        return list(told.values())

    def _counts(self, item: int) -> list[str]:
        """How many people chose an item, and how many facts it has."""
        graph = self._graph
        n_edges = int(graph.degree[item])
        n_people = int((graph.tail[graph.edges_of(item)] < graph.n_users).sum())
        people = f"chosen by {counted(n_people, 'person', 'people')}"
        facts = counted(n_edges - n_people, "fact", "facts")
        return [people] * bool(n_people) + [facts] * (n_edges > n_people)

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
