"""Kind, id and name of the nodes of a graph."""

from __future__ import annotations

from pathlib import Path

from recbole_kgif.data.names import read_names
from recbole_kgif.explain.explanation_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Node,
)
from recbole_kgif.explain.path_graph import Graph, Integers
from recbole_kgif.training.trained_model import TrainedModel


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

    def node(self, number: int) -> Node:
        """A node of the graph by its number."""
        graph, original = self._graph, int(self._original[number])
        kind = USER
        if number >= graph.n_users:
            original -= graph.n_users
            kind = ITEM if number < graph.n_users + graph.n_items else ENTITY
        token = str(self._tokens[kind][original])
        return Node(kind, token, self._names[kind].get(token) or None)

    def relation(self, number: int) -> tuple[str, bool]:
        """Name of a relation, and whether it is the inverse one."""
        is_inverse, fact = divmod(number, self._graph.n_relations)
        if fact == self._graph.n_relations - 1:
            return INTERACTION, bool(is_inverse)
        return str(self._relations[fact]), bool(is_inverse)
