"""A trained model in Python: its metrics, recommendations and explanations."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import pandas as pd

from recbole_kgif.common.files import AnyPath, new_folder
from recbole_kgif.data.data_frames import pair_texts
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.report.metric_names import title
from recbole_kgif.training.run_folder import CHECKPOINT_FILE, DATA_FOLDER, RESULT_FILE

if TYPE_CHECKING:
    from recbole_kgif.data.data_frames import Names
    from recbole_kgif.doctor.model_inspection import Inspection
    from recbole_kgif.explain.explainer import Explainer
    from recbole_kgif.explain.explanation_records import Explanation
    from recbole_kgif.recommend import Ids, Recommender
    from recbole_kgif.training.restore import Restored

_SHOWN_IDS = 5
_GROUPS = ("users", "items", "entities")


class FittedModel:
    """A trained model with its data. `fit` and `load` make it.

    Args:
        restored: the checkpoint and its data.
        record: the record of its run, empty where it is not known.
        has_own_data: whether `save` has to write the data too.

    Attributes:
        name: name of the model, such as "KGIF".
        dataset: name of the data set.
        record: everything that was measured, as ``result.json`` has it.
        has_own_data: whether `save` writes the data too.
    """

    def __init__(
        self, restored: Restored, record: Mapping[str, Any], has_own_data: bool
    ):
        self.name = str(restored.config["model"])
        self.dataset = str(restored.config["dataset"])
        self.record = record
        self._restored = restored
        self.has_own_data = has_own_data

    @property
    def users(self) -> list[str]:
        """Ids of all users."""
        return self._recommender.users

    @property
    def items(self) -> list[str]:
        """Ids of all items."""
        return self._recommender.items

    @property
    def metrics(self) -> pd.DataFrame:
        """Metrics of the best epoch: a row each, columns `validation` and `test`.

        A run of a tuning has no test.

        Raises:
            UserError: there is no record of the run.
        """
        if not self.record:
            raise UserError(
                f"there is no {RESULT_FILE} beside the checkpoint, so its metrics are "
                "not known; load a whole folder"
            )
        names = {"valid": "validation", "test": "test"}
        results = {names[n]: self.record[n] for n in names if n in self.record}
        return pd.DataFrame(results).rename(index=title).rename_axis("metric")

    def evaluate(self, interactions: pd.DataFrame) -> pd.DataFrame:
        """Metrics on new interactions of known users and items, by RecBole's evaluator.

        All items are ranked but those of the user's training and validation set; new
        interactions with these are left out.

        Args:
            interactions: columns `user_id` and `item_id`.

        Returns:
            A row a metric, column `value`.

        Raises:
            UserError: users or items are unknown, or all interactions are left out.
        """
        from recbole_kgif.training.candidates import TRAINING, VALIDATION
        from recbole_kgif.training.new_interactions import evaluate_interactions

        pairs = pair_texts("interactions", interactions)
        users, items = self._numbers(pairs)
        of_set = self._recommender.interactions.of_set
        known = (of_set[TRAINING] + of_set[VALIDATION]).tolil()
        is_new = ~np.asarray(known[users, items].todense(), dtype=bool).ravel()
        if not is_new.any():
            raise UserError(
                "interactions: all are in the training or the validation set already; "
                "give new ones"
            )
        seen = [set(row) for row in known.rows]
        result = evaluate_interactions(
            self._restored, users[is_new], items[is_new], seen
        )
        frame = pd.DataFrame({"value": result})
        return frame.rename(index=title).rename_axis("metric")

    def recommend(
        self, users: Optional[Ids] = None, k: int = 10, *, items: Optional[Ids] = None
    ) -> pd.DataFrame:
        """Rank the items that users have not interacted with.

        Args:
            users: the id of one user, ids of several, or None for all users.
            k: how many items a user gets.
            items: in place of users, ids of the items that one unknown user has
                interacted with: the result is that of a user of the graph.

        Returns:
            A row a user and item: `user_id`, `rank`, `item_id`, `name` and `score`; a
            column `approximate` is added where some users have no training interaction.

        Raises:
            UserError: a user or an item is unknown, `k` is below 1, both are given, or
                the model is not KGIF and items are given.
        """
        if items is None:
            return self._recommender.recommend(users, k)
        if users is not None:
            raise UserError("users and items are both given; give one of them")
        return self._recommender.recommend_from_items(items, k)

    def similar_items(self, item: object, k: int = 10) -> pd.DataFrame:
        """The items whose embeddings have the largest cosine with that of an item.

        Args:
            item: its id.
            k: how many items.

        Returns:
            A row an item: `rank`, `item_id`, `name` and `cosine`.

        Raises:
            UserError: the item is unknown, `k` is below 1, or the model is not KGIF.
        """
        return self._recommender.similar_items(item, k)

    def extend(
        self,
        interactions: Optional[pd.DataFrame] = None,
        triples: Optional[pd.DataFrame] = None,
        links: Optional[pd.DataFrame] = None,
        names: Optional[Names] = None,
    ) -> FittedModel:
        """Extend the model by new facts, without training.

        New users, items and entities have no vectors of their own: what is known of
        them is what the graph brings. An id that the model does not know is new.

        Args:
            interactions: columns `user_id` and `item_id`.
            triples: columns `head_id`, `relation_id` and `tail_id`; relations have to
                be known.
            links: columns `item_id` and `entity_id`; an item without a link is the
                entity of the same id.
            names: a frame with `name` and one of `user_id`, `item_id` and `entity_id`,
                or a list of them. Items in it may be in no interaction.

        Returns:
            The extended model; this one stays as it is. What people should know of the
            facts, such as a new item without a triple, is a warning.

        Raises:
            UserError: the model is not KGIF, a relation is unknown, or the frames hold
                what a data set cannot.
        """
        from recbole_kgif.extension.extended_model import extend_model, with_files
        from recbole_kgif.extension.new_facts import facts_of_frames

        facts = facts_of_frames(interactions, triples, links, names)
        extension = extend_model(self._restored, facts)
        for note in extension.merged.notes:
            warnings.warn(note, stacklevel=2)
        data_path = tempfile.mkdtemp(prefix="recbole_kgif-")
        try:
            restored = with_files(extension, self._restored, Path(data_path))
        except BaseException:
            shutil.rmtree(data_path, ignore_errors=True)
            raise
        extended = FittedModel(restored, {}, has_own_data=True)
        weakref.finalize(extended, shutil.rmtree, data_path, ignore_errors=True)
        return extended

    def explain(
        self,
        user: object,
        item: object,
        paths: int = 5,
        *,
        against: object = None,
        without: Sequence[object] = (),
    ) -> Explanation:
        """Explain the score of an item for a user by reasons that add up to it.

        In a notebook the explanation shows itself as a page, and as text where it is
        printed.

        Args:
            user: id of the user.
            item: id of the item, or its name.
            paths: how many paths of each reason.
            against: an item to compare with; the reasons then add up to the difference.
            without: training items of the user to leave out: the scores are propagated
                again without them.

        Raises:
            UserError: the user or an item is unknown, the user has no training
                interactions, or the model is neither KGIF with linear propagation nor
                KGAT.
        """
        from recbole_kgif.explain.user_view import Detail

        detail = Detail(n_paths=paths)
        if against is None:
            return self._explainer.explain(user, item, detail=detail, without=without)
        return self._explainer.compare(
            user, item, against, detail=detail, without=without
        )

    def embeddings(self, of: str = "items") -> pd.DataFrame:
        """The propagated embeddings of KGIF; scores contain their cosine.

        Args:
            of: "users", "items" or "entities". Entities with fewer than two neighbours
                are not in the model's graph, and so not among them.

        Returns:
            A row for each id, which is the index, and a column for each dimension.

        Raises:
            UserError: `of` is something else, or the model is not KGIF.
        """
        if of not in _GROUPS:
            raise UserError(f"embeddings({of!r}): {suggest(str(of), _GROUPS)}")
        if self.name != "KGIF":
            raise UserError(
                f"{self.name} has no embeddings of users, items and entities in one "
                "space; train KGIF"
            )
        import torch

        model, dataset = self._restored.model, self._restored.data.dataset
        with torch.no_grad():
            if of == "entities":
                fused, weights = model.fused_embeddings(), model.edge_weights()
                vectors = model.propagation(model.graph, weights, fused)
                vectors = vectors[model.n_users :]
                numbers = model.graph_nodes[model.n_users :] - model.n_users
                numbers = numbers.cpu().numpy()
                field = dataset.entity_field
            else:
                vectors = model()[_GROUPS.index(of)]
                numbers = np.arange(len(vectors))
                field = dataset.uid_field if of == "users" else dataset.iid_field
        ids = pd.Index(dataset.field2id_token[field][numbers], name=field)
        # The first is RecBole's padding.
        return pd.DataFrame(vectors.cpu().numpy(), index=ids).iloc[1:]

    def attention(self) -> pd.DataFrame:
        """The weight of each edge of the graph, in both directions.

        Returns:
            A row an edge: `head`, the node that gathers, `relation`, `tail` and
            `weight`; `head_kind` and `tail_kind` (user, item or entity), and `inverse`
            for a fact (tail, relation, head).

        Raises:
            UserError: the model is neither KGIF nor KGAT.
        """
        from recbole_kgif.explain.attention_table import attention_table

        return attention_table(self._restored)

    def inspect(self) -> Inspection:
        """Measure what the parts of KGIF do, each with a verdict and what to try.

        In a notebook the result shows itself as a page with figures, and as text where
        it is printed; `findings` is a data frame of it.

        Raises:
            UserError: the model is not KGIF.
        """
        from recbole_kgif.doctor.model_inspection import inspect_model

        return inspect_model(self._restored)

    def save(self, path: AnyPath) -> None:
        """Write the model into a new folder, for `load` and for the commands.

        It holds ``model.pth`` without pickled code, ``result.json``, and the data of
        data frames. The data of a named data set stay where they are.

        Args:
            path: the folder; it must not exist, or be empty.

        Raises:
            UserError: it holds something, or cannot be written.
        """
        from recbole_kgif.training import checkpoint
        from recbole_kgif.training.run_record import write_json

        with new_folder(Path(path)) as hidden:
            if self.has_own_data:
                copy = hidden / DATA_FOLDER / self.dataset
                shutil.copytree(self._restored.folder, copy)
            if self.record:
                write_json(hidden / RESULT_FILE, self.record)
            checkpoint.save(hidden / CHECKPOINT_FILE, self._restored.checkpoint)

    def __repr__(self) -> str:
        """Model, data set and its size."""
        n_users, n_items = len(self.users), len(self.items)
        return f"{self.name} on {self.dataset}: {n_users:,} users, {n_items:,} items"

    def _repr_html_(self) -> str:
        from markupsafe import escape

        table = self.metrics.to_html() if self.record else ""
        return f"<p>{escape(repr(self))}</p>{table}"

    @cached_property
    def _recommender(self) -> Recommender:
        from recbole_kgif.recommend import Recommender

        return Recommender(self._restored)

    @cached_property
    def _explainer(self) -> Explainer:
        from recbole_kgif.explain.explainer import Explainer

        return Explainer(self._restored)

    def _numbers(self, pairs: pd.DataFrame) -> list[Any]:
        """Numbers of users and of items; all that are unknown are named."""
        numbers, unknown = [], []
        for kind, field in (("users", "user_id"), ("items", "item_id")):
            found = pd.Index(getattr(self, kind)).get_indexer(pd.Index(pairs[field]))
            ids = pairs[field][found < 0].unique()
            if len(ids):
                shown = ", ".join(map(repr, ids[:_SHOWN_IDS]))
                more = ", ..." if len(ids) > _SHOWN_IDS else ""
                unknown.append(f"{len(ids):,} of the {kind} ({shown}{more})")
            numbers.append(found + 1)  # number 0 is RecBole's padding
        if unknown:
            raise UserError(
                f"interactions: {self.dataset} does not have {' and '.join(unknown)}; "
                "leave their rows out, or train with them"
            )
        return numbers
