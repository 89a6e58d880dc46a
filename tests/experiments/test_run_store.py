from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.run_store import (
    check_agreement,
    note_failure,
    remove_leftovers,
    reset_run,
    unfinished,
)

REQUEST = RunRequest(
    "KGIF", "tiny", 2020, 2020, {"topk": [2]}, {"layers": 1}, ["layers"], {"a.kg": "1"}
)


def finish(folder: Path, request: RunRequest) -> Path:
    own = reset_run(folder, request)
    text = json.dumps({"request": request.to_json()})
    (own / "result.json").write_text(text, "utf-8")
    return own


def test_a_run_is_unfinished_until_it_has_a_result(tmp_path: Path) -> None:
    assert unfinished(tmp_path, [REQUEST]) == [REQUEST]
    own = reset_run(tmp_path, REQUEST)
    note_failure(own, "why", 1.234)
    assert unfinished(tmp_path, [REQUEST]) == [REQUEST]
    assert json.loads((own / "failure.json").read_text("utf-8"))["reason"] == "why"
    finish(tmp_path, REQUEST)
    assert unfinished(tmp_path, [REQUEST]) == []
    assert not (own / "failure.json").exists()


def test_the_work_of_a_finished_run_is_removed_and_no_others(tmp_path: Path) -> None:
    done = finish(tmp_path, REQUEST)
    going = reset_run(tmp_path, dataclasses.replace(REQUEST, seed=2021))
    remove_leftovers(tmp_path)
    assert not (done / "work").exists()
    assert (going / "work").exists()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"options": {"topk": [3]}}, "topk=[2], not with [3]"),
        ({"options": {"topk": [2], "layers": 2}}, "layers=1, not with 2"),
        ({"defaults": {"layers": 5}}, "layers=1, not with 5"),
        ({"files": {"a.kg": "2"}}, "another content of a.kg"),
        ({"split_seed": 1}, "split_seed=2020, not with 1"),
        ({"dataset": "other"}, "dataset='tiny', not with 'other'"),
    ],
)
def test_a_finished_run_of_other_settings_is_not_mixed_in(
    tmp_path: Path, changes: dict[str, Any], difference: str
) -> None:
    finish(tmp_path, REQUEST)
    check_agreement(tmp_path, [REQUEST])
    with pytest.raises(UserError) as raised:
        check_agreement(tmp_path, [dataclasses.replace(REQUEST, **changes)])
    message = str(raised.value)
    assert "\n" not in message
    assert f"KGIF-2020 was run with {difference}; give another --output" in message


def test_settings_that_change_no_result_do_not_count(tmp_path: Path) -> None:
    finish(tmp_path, REQUEST)
    quiet = {"topk": [2], "state": "ERROR", "show_progress": False, "layers": 1}
    check_agreement(tmp_path, [dataclasses.replace(REQUEST, options=quiet)])


def test_other_models_need_only_agree_in_what_is_common(tmp_path: Path) -> None:
    finish(tmp_path, dataclasses.replace(REQUEST, model="CKE", options={"topk": [2]}))
    own_layers = dataclasses.replace(REQUEST, options={"topk": [2], "layers": 7})
    check_agreement(tmp_path, [own_layers])
    with pytest.raises(UserError, match="CKE-2020 was run with topk"):
        check_agreement(tmp_path, [dataclasses.replace(REQUEST, options={"topk": [9]})])


def test_a_failed_run_may_be_asked_for_with_other_settings(tmp_path: Path) -> None:
    note_failure(reset_run(tmp_path, REQUEST), "why", 1)
    check_agreement(tmp_path, [dataclasses.replace(REQUEST, options={"topk": [3]})])


def test_a_damaged_request_is_told_in_one_line(tmp_path: Path) -> None:
    own = finish(tmp_path, REQUEST)
    (own / "request.json").write_text('{"model": "KGIF"}', "utf-8")
    with pytest.raises(
        UserError, match=r"request\.json: lacks dataset, seed, "
    ) as told:
        check_agreement(tmp_path, [REQUEST])
    assert "\n" not in str(told.value)
