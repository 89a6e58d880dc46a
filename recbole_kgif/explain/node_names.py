"""The nodes of a graph as people know them: kind, id and name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kgif.data.names import read_names
from recbole_kgif.explain.explanation_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Node,
)
from recbole_kgif.explain.path_graph import Graph, Integers


class NodeNames:
    """Ids and names of the nodes and relations of a graph.

    Names are those of the data set's files ``.user``, ``.item`` and ``.entity``, where
    they are there and have a column of names.

    Args:
        dataset: RecBole's data set.
        name: its name.
        folder: where its files lie.
        separator: the character between two fields of a line.
        graph: the graph.
        former: number of each node among all users and entities, shape: [n_nodes]
    """

    def __init__(
        self,
        dataset: Any,
        name: str,
        folder: Path,
        separator: str,
        graph: Graph,
        former: Integers,
    ):
        self._graph = graph
        self._former = former
        self._fields = {
            USER: dataset.uid_field,
            ITEM: dataset.iid_field,
            ENTITY: dataset.entity_field,
        }
        self._tokens = {
            kind: dataset.field2id_token[field] for kind, field in self._fields.items()
        }
        self._relations = dataset.field2id_token[dataset.relation_field]
        self._names: dict[str, Mapping[str, str]] = {
            kind: read_names(
                folder / f"{name}.{kind}", id_field=field, separator=separator
            )
            for kind, field in self._fields.items()
        }

    def node(self, number: int) -> Node:
        """A node of the graph by its number."""
        n_users = self._graph.n_users
        original = int(self._former[number])
        if number < n_users:
            return self._node(USER, original)
        if number < n_users + self._graph.n_items:
            return self._node(ITEM, original - n_users)
        return self._node(ENTITY, original - n_users)

    def _node(self, kind: str, number: int) -> Node:
        token = str(self._tokens[kind][number])
        return Node(kind, token, self._names[kind].get(token) or None)

    def relation(self, number: int) -> tuple[str, bool]:
        """Name of a relation, and whether it is the inverse one."""
        is_inverse = number >= self._graph.n_relations
        own = number - self._graph.n_relations if is_inverse else number
        if own == self._graph.interaction:
            return INTERACTION, is_inverse
        return str(self._relations[own]), is_inverse
