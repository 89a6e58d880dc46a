"""The study and the files of a folder, whatever a killed process left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Optional

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.optuna_search import ModelSearch
from recbole_kgif.experiments.run_store import note_failure, reset_run
from recbole_kgif.experiments.study_storage import (
    open_storage,
    storage_errors_reported,
)
from recbole_kgif.experiments.trial_outcomes import outcome_of
from recbole_kgif.experiments.trial_requests import TrialRequest
from tests.experiments.tuning_helpers import (
    judge,
    record,
    run_trial,
    search,
    write_result,
)

# Beyond Optuna's ten random trials, so that its model of the good ones is used too.
MANY = 14


def judge_sometimes(request: TrialRequest) -> Optional[float]:
    return None if request.number % 5 == 3 else judge(request)


def run_all(going: ModelSearch, folder: Path, judged: Any = judge) -> None:
    while run_trial(going, folder, judged):
        pass


def test_defaults_and_published_settings_are_tried_first(tmp_path: Path) -> None:
    going = search(tmp_path, "KGAT", trials=4)
    run_all(going, tmp_path)
    parameters = [trial.parameters for trial in going.trials()]
    assert parameters[:2] == list(going.plan.starts)
    assert parameters[0]["layers"] == [64]
    assert parameters[1]["layers"] == [128, 64, 32]
    assert len(parameters) == 4
    for chosen in parameters:
        assert list(chosen) == list(going.plan.space)
        assert all(value in going.plan.space[name] for name, value in chosen.items())
    assert parameters[2] != parameters[3]


def test_it_finds_better_parameters_than_those_it_starts_from(tmp_path: Path) -> None:
    going = search(tmp_path, "BPR", trials=30)
    run_all(going, tmp_path)
    best = going.best()
    assert best is not None and best.outcome is not None
    assert best.outcome.value is not None
    start = going.trials()[0].outcome
    assert start is not None and start.value is not None
    # The default, 0.001, is judged 0.699; the best, 0.002, is judged 1.
    assert best.outcome.value > 0.9 > 0.7 > start.value


def test_built_again_after_every_trial_it_chooses_the_same(tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    going = search(whole, trials=MANY)
    run_all(going, whole, judge_sometimes)
    for _ in range(MANY):
        assert run_trial(search(pieces, trials=MANY), pieces, judge_sometimes)
    again = search(pieces, trials=MANY)
    assert not run_trial(again, pieces)
    assert again.trials() == going.trials()
    assert len({str(trial.parameters) for trial in going.trials()}) == MANY
    assert again.best() == going.best()
    other = search(tmp_path / "other", trials=3, seed=1)
    run_all(other, tmp_path / "other")
    assert other.trials()[1:] != going.trials()[1:3]


def test_a_trial_that_was_begun_is_run_again_by_the_same_parameters(
    tmp_path: Path,
) -> None:
    first = search(tmp_path)
    run_trial(first, tmp_path)
    request = first.next()
    assert request is not None
    own = reset_run(tmp_path, request)
    (own / "result.json.123").write_text("{", "utf-8")

    resumed = search(tmp_path)
    assert resumed.unfinished() == [request]
    assert [trial.outcome is None for trial in resumed.trials()] == [False, True]
    run_all(resumed, tmp_path)
    assert [trial.number for trial in resumed.trials()] == [0, 1, 2]
    assert resumed.trials()[1].parameters == request.parameters
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == [
        *("KGIF-0000", "KGIF-0001", "KGIF-0002"),
    ]
    assert not list(own.glob("*.123"))


def test_a_trial_killed_before_its_request_was_whole_is_chosen_again(
    tmp_path: Path,
) -> None:
    first = search(tmp_path)
    run_trial(first, tmp_path)
    request = first.next()
    assert request is not None
    own = tmp_path / "trials/KGIF-0001"
    own.mkdir()
    (own / ".request.json.123").write_text('{"model": "KG', "utf-8")
    resumed = search(tmp_path)
    assert resumed.unfinished() == []
    assert resumed.next() == request


def test_a_removed_trial_is_made_up_for(tmp_path: Path) -> None:
    run_all(search(tmp_path, "KGAT", trials=5), tmp_path)
    shutil.rmtree(tmp_path / "trials/KGAT-0001")
    shutil.rmtree(tmp_path / "trials/KGAT-0003")
    resumed = search(tmp_path, "KGAT", trials=5)
    requests = [resumed.next(), resumed.next(), resumed.next()]
    assert [r and r.number for r in requests] == [1, 3, None]
    assert requests[0] is not None
    assert requests[0].parameters == resumed.plan.starts[1]


def test_a_failed_trial_counts_and_is_not_run_again(tmp_path: Path) -> None:
    run_all(search(tmp_path, trials=5), tmp_path, judge_sometimes)
    again = search(tmp_path, trials=5)
    assert not run_trial(again, tmp_path)
    outcome = again.trials()[3].outcome
    assert outcome is not None
    assert (outcome.value, outcome.reason, outcome.seconds) == (
        None,
        "out of memory",
        1.5,
    )
    assert again.study.trials[3].state.name == "FAIL"
    assert sum(t.state.name == "COMPLETE" for t in again.study.trials) == 4


def test_more_trials_add_to_those_that_are_there(tmp_path: Path) -> None:
    run_all(search(tmp_path, "KGAT", trials=1), tmp_path)
    assert len(search(tmp_path, "KGAT", trials=1).trials()) == 1
    more = search(tmp_path, "KGAT", trials=4)
    run_all(more, tmp_path)
    whole = search(tmp_path / "whole", "KGAT", trials=4)
    run_all(whole, tmp_path / "whole")
    assert more.trials() == whole.trials()
    # Asked for fewer, it judges by the first.
    fewer = search(tmp_path, "KGAT", trials=2)
    assert not run_trial(fewer, tmp_path)
    assert fewer.trials() == whole.trials()[:2]


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("NDCG@3", [0.1, 0.3, 0.3], 1),
        ("GiniIndex@3", [0.3, 0.1, 0.2], 1),
        ("NDCG@3", [None, None, 0.0], 2),
        ("NDCG@3", [None, None, None], None),
    ],
)
def test_the_best_is_the_first_with_the_best_value(
    tmp_path: Path, metric: str, values: list[Optional[float]], best: Optional[int]
) -> None:
    options = {"valid_metric": metric, "metrics": [metric.split("@")[0]]}
    going = search(tmp_path, "BPR", **options)
    for value in values:
        request = going.next()
        assert request is not None
        own = reset_run(tmp_path, request)
        if value is None:
            note_failure(own, "why", 1)
        else:
            write_result(own, record(value, metric.lower()))
    found = search(tmp_path, "BPR", **options).best()
    assert (None if found is None else found.number) == best


def test_what_came_of_a_trial_is_read_from_its_files(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, "ndcg@3") is None
    write_result(tmp_path, record(float("nan")))
    outcome = outcome_of(tmp_path, "ndcg@3")
    assert outcome is not None
    assert outcome.value is None
    assert outcome.reason == "ndcg@3 is nan"
    write_result(tmp_path, record(0.5))
    outcome = outcome_of(tmp_path, "ndcg@3")
    assert outcome is not None
    # The second epoch was best; three were trained and two of them validated.
    assert (outcome.value, outcome.best_epoch, outcome.seconds) == (0.5, 2, 2.0)
    for damaged in ({"valid": {}}, {"valid": 3, "epochs": []}):
        write_result(tmp_path, damaged)
        with pytest.raises(
            UserError, match=r"result\.json: is not a record of a trial"
        ):
            outcome_of(tmp_path, "ndcg@3")


# --- a storage ----------------------------------------------------------------------


@pytest.fixture(params=["sqlite:///{}/study.db", "{}/study.journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def test_machines_share_the_trials_of_a_storage(tmp_path: Path, storage: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    here = search(one, trials=5, storage=storage)
    there = search(two, trials=5, storage=storage)
    for going, folder in ((here, one), (there, two), (there, two), (here, one)):
        assert run_trial(going, folder)
    begun = there.next()
    assert begun is not None
    reset_run(two, begun)
    assert not run_trial(here, one)  # the last one runs there
    assert not run_trial(search(one, trials=5, storage=storage), one)
    numbers = [
        sorted(path.name for path in (f / "trials").iterdir()) for f in (one, two)
    ]
    assert numbers == [
        ["KGIF-0000", "KGIF-0003"],
        ["KGIF-0001", "KGIF-0002", "KGIF-0004"],
    ]
    # Killed there, it goes on there; the other one hears of it.
    again = search(two, trials=5, storage=storage)
    assert again.unfinished() == [begun]
    run_all(again, two)
    assert here.trials() == again.trials()
    assert [trial.outcome is not None for trial in here.trials()] == [True] * 5
    assert here.best() == again.best()


def test_a_result_that_the_storage_was_not_told_of_is_told_later(
    tmp_path: Path, storage: str
) -> None:
    going = search(tmp_path, storage=storage)
    request = going.next()
    assert request is not None
    write_result(reset_run(tmp_path, request), record(0.25))
    (trial,) = search(tmp_path, storage=storage).trials()
    assert trial.outcome is not None
    assert trial.outcome.value == 0.25


def test_a_folder_can_move_into_a_storage(tmp_path: Path, storage: str) -> None:
    before = search(tmp_path)
    run_trial(before, tmp_path)
    moved = search(tmp_path, storage=storage)
    assert moved.trials() == before.trials()
    run_all(moved, tmp_path)
    run_all(before, tmp_path)
    assert len(moved.trials()) == 3


def test_a_trial_begun_too_late_is_withdrawn(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = search(tmp_path / "one", trials=2, storage=storage)
    there = search(tmp_path / "two", trials=2, storage=storage)
    run_all(there, tmp_path / "two")
    # It has looked just before the other one began the last trial.
    monkeypatch.setattr(here, "is_open", lambda: True)
    assert here.next() is None
    assert len(here.trials()) == 2
    more = search(tmp_path / "one", trials=3, storage=storage)
    request = more.next()
    assert request is not None
    assert more.next() is None
    assert len(more.trials()) == 3


def test_a_trial_that_the_storage_has_ended_is_not_run_again(
    tmp_path: Path, storage: str
) -> None:
    going = search(tmp_path, storage=storage)
    request = going.next()
    assert request is not None
    reset_run(tmp_path, request)
    going.study.tell(request.number, state=search(tmp_path).study.trials[0].state.FAIL)
    again = search(tmp_path, storage=storage)
    assert again.unfinished() == []
    (trial,) = again.trials()
    assert trial.outcome is not None
    assert trial.outcome.reason == "ended in the storage by other means"


def test_a_storage_with_other_settings_is_refused(tmp_path: Path, storage: str) -> None:
    run_trial(search(tmp_path / "one", storage=storage), tmp_path / "one")
    with pytest.raises(UserError, match="was begun with epochs=300, not with 5"):
        search(tmp_path / "two", storage=storage, epochs=5)


def test_a_storage_of_other_trials_is_refused(tmp_path: Path, storage: str) -> None:
    run_all(search(tmp_path / "one", storage=storage), tmp_path / "one")
    run_all(search(tmp_path / "two"), tmp_path / "two")
    own = tmp_path / "two/trials/KGIF-0002/request.json"
    request = json.loads(own.read_text("utf-8"))
    request["parameters"]["learning_rate"] = 0.00123
    own.write_text(json.dumps(request), "utf-8")
    with pytest.raises(
        UserError, match="trial 2 of its study tiny-KGIF is another one"
    ):
        search(tmp_path / "two", storage=storage)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/study.db",
        "nothing://host/base",
        "mysql+nothing://host/base",
        "/nowhere/at/all/journal",
    ],
)
def test_storages_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UserError) as raised:
        open_storage(url)
    assert str(raised.value).startswith("--storage: cannot be used (")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no\njournal\n", "utf-8")
    with pytest.raises(UserError, match="--storage: cannot be used"):
        open_storage(str(tmp_path / "file"))


def test_a_storage_that_fails_later_is_told_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    going = search(tmp_path, storage=url)
    (tmp_path / "study.db").write_bytes(b"no database at all" * 100)
    with (
        pytest.raises(UserError, match="--storage: failed") as raised,
        storage_errors_reported(),
    ):
        going.next()
    assert "\n" not in str(raised.value)
