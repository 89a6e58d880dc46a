"""A metric that RecBole lacks, in RecBole's form."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from recbole.evaluator import register as recbole_register
from recbole.evaluator.base_metric import TopkMetric


class KGATNDCG(TopkMetric):
    """NDCG as the code of KGAT computes it, to be compared with its published figures.

    The ideal ranking has the retrieved test items alone at its top, those of the
    longest evaluated list, where NDCG's has all test items. So a test item that is not
    retrieved costs nothing, and the figure is never below NDCG. KGAT's cutoffs end at
    100: the published figures at 20 take the ideal from the first 100 items, which
    needs a ``topk`` that ends there, too.
    """

    def calculate_metric(self, dataobject: Any) -> dict[str, float]:
        """Means over users for each k of the configuration.

        Args:
            dataobject: what RecBole's evaluation has collected.
        """
        is_hit, _ = self.used_info(dataobject)
        means: dict[str, float] = self.topk_result(
            KGATNDCG.__name__.lower(), self.metric_info(is_hit)
        )
        return means

    def metric_info(
        self,
        pos_index: npt.NDArray[np.bool_],
        pos_len: Optional[npt.NDArray[np.int64]] = None,
    ) -> npt.NDArray[np.float64]:
        """Values of each user.

        Args:
            pos_index: whether the item at a place is a test item, best place first,
                shape: [n_users, longest list]
            pos_len: numbers of test items, which have no say.

        Returns:
            The metric at k = 1, 2, ..., shape: [n_users, longest list]
        """
        length = pos_index.shape[1]
        gains = 1 / np.log2(np.arange(2, length + 2))
        reached = np.cumsum(pos_index * gains, axis=1)
        ideal_of_hits = np.concatenate([[0.0], np.cumsum(gains)])
        hits = pos_index.sum(axis=1, keepdims=True)
        ideal = ideal_of_hits[np.minimum(hits, np.arange(1, length + 1))]
        return np.divide(reached, ideal, out=np.zeros_like(reached), where=ideal > 0)


def _add_to_recbole(metric: type[TopkMetric]) -> None:
    """Enter a metric where RecBole looks it up; RecBole lists its own at import."""
    name = metric.__name__.lower()
    recbole_register.metrics_dict[name] = metric
    recbole_register.metric_types[name] = metric.metric_type
    recbole_register.metric_information[name] = metric.metric_need


# Here, as `register` may run while this module is half imported.
_add_to_recbole(KGATNDCG)
