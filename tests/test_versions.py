"""One seed gives the same metrics with every Python, NumPy and PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_kgif import register

pytestmark = pytest.mark.versions

OPTIONS: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id"],
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    },
    "embedding_size": 16,
    "kg_embedding_size": 16,
    "learning_rate": 0.01,
    "epochs": 3,
    "train_batch_size": 20_000,
    # User x item cells: all users and all items in one batch.
    "eval_batch_size": 2_000_000,
    "seed": 2020,
    "metrics": ["Recall", "NDCG", "MRR"],
    "topk": [20],
    "valid_metric": "NDCG@20",
    "show_progress": False,
    "state": "ERROR",
    "use_gpu": False,
    "gpu_id": "",
}

# Recall, NDCG and MRR at 20 on the test of ml-100k, measured with Python 3.11.7, NumPy
# 1.26.4 and PyTorch 2.13.0.
MEASURED: dict[str, tuple[float, float, float]] = {
    "BPR": (0.1015, 0.0895, 0.1676),
    "LightGCN": (0.2265, 0.1870, 0.3264),
    "CKE": (0.0952, 0.0802, 0.1567),
    "KGAT": (0.1194, 0.0800, 0.1247),
    "KGIN": (0.1569, 0.1184, 0.2050),
    "KGIF": (0.2424, 0.1901, 0.3147),
}

# One more hit of one user in 943 adds up to 0.001 to a mean, and rounding may turn
# the order of two scores.
TOLERANCE = 0.0015


@pytest.mark.parametrize("model", MEASURED)
def test_metrics_do_not_depend_on_versions(model: str, in_tmp_path: Path) -> None:
    register()
    from recbole.quick_start import run_recbole

    result = run_recbole(model, "ml-100k", config_dict=OPTIONS, saved=False)
    found = tuple(
        result["test_result"][name] for name in ("recall@20", "ndcg@20", "mrr@20")
    )
    assert found == pytest.approx(MEASURED[model], abs=TOLERANCE)
