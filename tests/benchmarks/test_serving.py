from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
import serving_index
from serving_exports import write_random_export
from serving_load import MALFORMED, _is_good, _state
from synthetic import Counts

from recbole_kgif.serving.export_files import TENSORS
from recbole_kgif.serving.exported_model import ExportedModel

COUNTS = Counts(20, 30, 25, 3, 200, 240)


@pytest.fixture(scope="module")
def random_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random") / "export"
    write_random_export(folder, COUNTS)
    return folder


def test_a_random_export_is_one(random_export: Path) -> None:
    model = ExportedModel(random_export)
    assert (len(model.user_ids), len(model.item_ids)) == (COUNTS.users, COUNTS.items)
    walks = model.items.walks
    assert walks is not None
    # Every neighbour is shared, and only users are users' own neighbours.
    assert (np.diff(walks.transposed.indptr) > 1).all()
    own = model.users.own_neighbour
    assert own is not None and len(set(own[own >= 0])) == (own >= 0).sum() > 0
    for user in np.flatnonzero(own >= 0).tolist():
        row = walks.transposed[own[user]]
        assert set(row.indices) == set(model.users.history.of(user))
    assert len(model.recommend(k=5)) == 5 * COUNTS.users


def test_lists_are_measured(random_export: Path) -> None:
    measured = serving.measure_lists(random_export, 10)
    assert (measured["users"], measured["items"]) == (10, COUNTS.items)
    assert measured["vectors_cpu"] > 0 and measured["memory"] > 0
    assert measured["lists_cpu"] > 0 and measured["single_wall"] > 0


def by_sorting(_library: Any, vectors: Any) -> Any:
    """In place of a library, a search that misses nothing."""
    return lambda query: np.argsort(-(vectors @ query[0]))[:30]


def test_an_index_is_measured(
    random_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = {"numpy (sorted)": by_sorting, "missing_library": by_sorting}
    monkeypatch.setattr(serving_index, "_LIBRARIES", libraries)
    measured = serving_index.measure_index(random_export, 5)
    assert measured["recall"] == 1  # so few items are all scored
    assert 0 <= measured["median_difference"] <= measured["largest_difference"] < 0.1
    (library,) = measured["libraries"]
    assert library["recall_at_best"] == 1 and library["candidates"] == COUNTS.items


def test_the_state_of_an_export_is_seen(random_export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    assert _state(folder) == "none"
    shutil.copytree(random_export, folder)
    assert _state(folder) == "valid"
    (folder / TENSORS).write_bytes(b"")
    assert _state(folder) == "broken"


@pytest.mark.parametrize(
    ("status", "content", "is_good"),
    [
        (200, {"items": []}, True),
        (200, {"error": {}}, False),
        (404, {"error": {"message": "x"}}, True),
        (500, {"error": {"message": "Traceback"}}, False),
        (500, {"detail": "x"}, False),
    ],
)
def test_good_answers_are_told_from_bad(
    status: int, content: Any, is_good: bool
) -> None:
    assert _is_good(status, json.dumps(content).encode()) == is_good
    assert not _is_good(0, b"")


def test_the_report_is_written(
    random_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = {
        "rate": 200.0,
        "cpu_per_request": 0.002,
        "percentiles": {"50": 0.002, "95": 0.003, "99": 0.004},
        "paced_seconds": [0.001, 0.002],
        "paced_statuses": dict(Counter([200])),
        **dict.fromkeys(("requests", "malformed", "bad_answers", "traces"), 10),
        **dict.fromkeys(("throughput", "memory_before", "memory_after"), 1e9),
        "statuses": {200: 10},
    }
    killed = {"times": 2, "same": 2, "start_seconds": 1.0}
    exports = {"times": 2, "valid": 1, "none": 1, "broken": 0}
    monkeypatch.setattr(serving, "measure_service", lambda *_arguments: service)
    monkeypatch.setattr(serving, "kill_services", lambda *_arguments: killed)
    monkeypatch.setattr(serving, "kill_exports", lambda *_arguments: exports)
    monkeypatch.setattr(serving, "_LARGE", COUNTS)
    monkeypatch.setattr(serving, "run_in_fresh_process", lambda f, *given: f(*given))
    monkeypatch.setattr(serving_index, "_LIBRARIES", {"numpy (sorted)": by_sorting})
    words = ["--users=4", "--users-by-index=6", f"--output={tmp_path / 'out'}"]
    monkeypatch.setattr("sys.argv", ["serving.py", f"--export={random_export}", *words])
    serving.run()
    table = (tmp_path / "out/serving.md").read_text("utf-8")
    assert "| 20 items for a user |" in table and "99th percentile 4 ms" in table
    assert "by the index lists of 6 users" in table and "numpy (sorted) " in table
    assert len(MALFORMED) == 10
