"""Damaged and hostile files of unfinished runs, comparisons and tunings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from recbole_kgif.cli.many_runs import Reporter
from recbole_kgif.experiments.optuna_search import ModelSearch
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.run_store import reset_run
from tests.cli.test_cli import TINY
from tests.conftest import TINY_FOLDER
from tests.experiments.tuning_helpers import run_trial
from tests.malformed.helpers import OUTPUT, outcome
from tests.malformed.test_checkpoints import OTHER_FILES
from tests.malformed.test_options import CONTENTS as OPTION_FILES
from tests.malformed.test_options import MADE
from tests.malformed.test_records import CONTENTS as RECORD_FILES
from tests.report.records_by_hand import record
from tests.training.test_training_state import Stopped, stop_after

# --- a training ---------------------------------------------------------------------

RESUME = [*TINY, f"--output={OUTPUT}", "--resume"]
STATES = ("config.yaml", "last.pth", "model.pth", "metrics.jsonl")


@pytest.fixture(scope="module")
def stopped(workplace: Path) -> Path:
    """The folder of a run that stopped after its first epoch."""
    shutil.copytree(TINY_FOLDER, workplace / "dataset" / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RECBOLE_KGIF_DATA", raising=False)
        stop_after("save_state", 1, patch)
        with pytest.raises(Stopped):
            main([*TINY, "--output=run"])
    return workplace / "run"


def resume(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    stopped: Path,
    name: str,
    content: bytes,
) -> tuple[int, str]:
    shutil.copytree(stopped, here / OUTPUT)
    (here / OUTPUT / name).write_bytes(content)
    return outcome(RESUME, here, capsys)


@pytest.mark.parametrize(
    "case",
    [
        *("text", "a list", "a number", "broken", "binary", "UTF-16", "NUL", "deep"),
        *("two documents", "an unknown anchor", "laughs", "a call", "an unknown tag"),
        *("a number as name", "a script as name", "a line break in a name"),
    ],
)
def test_settings_that_no_run_began_with(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path, case: str
) -> None:
    code, told = resume(here, capsys, stopped, "config.yaml", OPTION_FILES[case])
    assert code == 2
    assert "config.yaml" in told
    assert not list(here.parent.rglob(MADE))


def test_settings_with_a_huge_value(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path
) -> None:
    settings = (stopped / "config.yaml").read_bytes()
    laughs = ", ".join(OPTION_FILES["laughs"].decode().splitlines())
    content = settings.replace(b"epochs: 2", f"epochs: {{{laughs}}}".encode())
    assert content != settings
    code, told = resume(here, capsys, stopped, "config.yaml", content)
    assert code == 2
    assert "has epochs: " in told


@pytest.mark.parametrize("case", OTHER_FILES)
def test_a_file_that_is_no_state(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path, case: str
) -> None:
    code, told = resume(here, capsys, stopped, "last.pth", OTHER_FILES[case])
    assert code == 2
    assert "last.pth: " in told
    assert not list(here.parent.rglob("made"))


@pytest.mark.parametrize("fifth", range(5))
def test_a_state_that_is_cut_or_changed(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path, fifth: int
) -> None:
    content = (stopped / "last.pth").read_bytes()
    place = len(content) * fifth // 5
    assert resume(here, capsys, stopped, "last.pth", content[:place])[0] == 2
    shutil.rmtree(here / OUTPUT)
    changed = bytearray(content)
    changed[place] ^= 0x5A
    resume(here, capsys, stopped, "last.pth", changed)


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"{", b'{"epoch": 99}\n' * 5])
def test_the_lines_of_the_epochs_are_written_anew(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path, content: bytes
) -> None:
    assert resume(here, capsys, stopped, "metrics.jsonl", content)[0] == 0
    lines = (here / OUTPUT / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [0, 1]


@pytest.mark.parametrize("name", STATES)
def test_a_folder_in_place_of_a_file(
    here: Path, capsys: pytest.CaptureFixture[str], stopped: Path, name: str
) -> None:
    shutil.copytree(stopped, here / OUTPUT)
    (here / OUTPUT / name).unlink()
    (here / OUTPUT / name).mkdir()
    code, told = outcome(RESUME, here, capsys)
    assert code == 2
    assert name in told


# --- comparisons, studies and tunings -----------------------------------------------

Work = Callable[[], None]

OF_ALL = [a for a in TINY if "embedding_size" not in a]
COMMANDS = {
    "compare": ["compare", "--models=BPR,KGIF", "--seeds=1", *OF_ALL],
    "tune": ["tune", "--models=BPR", "--trials=2", *OF_ALL],
}


@pytest.fixture
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and trials end at once, with records of their own."""

    def run_missing(
        missing: Sequence[RunRequest], folder: Path, *_: Any
    ) -> list[object]:
        for request in missing:
            own = reset_run(folder, request)
            content = record(request.model, request.seed, request=request.to_json())
            (own / "result.json").write_text(json.dumps(content), "utf-8")
        return []

    def run_trials(searches: Sequence[ModelSearch], folder: Path, *_: Any) -> None:
        for search in searches:
            while run_trial(search, folder):
                pass

    monkeypatch.setattr(
        "recbole_kgif.experiments.parallel_runs._run_missing", run_missing
    )
    monkeypatch.setattr("recbole_kgif.experiments.tuning._run_trials", run_trials)
    reporter = Reporter(lambda *_: [], lambda _: "")
    monkeypatch.setattr("recbole_kgif.cli.compare._reporter", lambda: reporter)


def first_run(here: Path) -> Path:
    """The folder of the first run or trial."""
    return min(here.glob(f"{OUTPUT}/*/*/request.json")).parent


def go_on(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> tuple[int, str]:
    return outcome([*COMMANDS[command], f"--output={OUTPUT}"], here, capsys)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["request.json", "result.json"])
@pytest.mark.parametrize("case", RECORD_FILES)
def test_a_file_that_is_no_record(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    case: str,
    name: str,
    command: str,
) -> None:
    assert go_on(here, capsys, command)[0] == 0
    own = first_run(here)
    (own / name).write_bytes(RECORD_FILES[case])
    code, told = go_on(here, capsys, command)
    # A comparison leaves what has ended to the report.
    assert code == 2 or (command == "compare" and name == "result.json")
    assert code == 0 or name in told


CHANGED_REQUESTS: dict[str, dict[str, Any]] = {
    "options as a list": {"options": []},
    "options as a text": {"options": "epochs"},
    "no options": {"options": None},
    "defaults as a number": {"defaults": 3},
    "files as a list": {"files": ["tiny.kg"]},
    "model options as a number": {"model_options": 3},
    "a list as model": {"model": []},
    "a path as data set": {"dataset": "../../x"},
    "a text as seed": {"seed": "x"},
    "a list as split seed": {"split_seed": [1]},
    "an escape sequence": {"options": {"epochs": "\x1b[31m\n"}},
    "a long value": {"options": {"epochs": "9" * 100_000}},
}
CHANGED_TRIALS: dict[str, dict[str, Any]] = {
    "parameters as a list": {"parameters": []},
    "parameters as a text": {"parameters": "x"},
    "no parameters": {"parameters": {}},
    "another parameter": {"parameters": {"<script>": 1}},
    "a list as value": {"parameters": {"learning_rate": [1]}},
    "beyond the space": {"parameters": {"learning_rate": 1e9, "weight_decay": -1}},
    "a space as a list": {"space": []},
    "a text as number": {"number": "x"},
    "a negative number": {"number": -1},
    "a huge number": {"number": 10**9},
}


@pytest.mark.parametrize(
    ("command", "case"),
    [
        *(("compare", case) for case in CHANGED_REQUESTS),
        *(("tune", case) for case in {**CHANGED_REQUESTS, **CHANGED_TRIALS}),
    ],
)
def test_a_request_with_other_content(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    command: str,
    case: str,
) -> None:
    assert go_on(here, capsys, command)[0] == 0
    path = first_run(here) / "request.json"
    changes = {**CHANGED_REQUESTS, **CHANGED_TRIALS}[case]
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps(content), "utf-8")
    code, told = go_on(here, capsys, command)
    assert code == 2, case
    assert first_run(here).name in told or "--storage: " in told, told


@pytest.mark.parametrize(
    "changes",
    [
        *({"valid": value} for value in (None, [], {}, {"ndcg@3": "x"})),
        *({"epochs": value} for value in (None, 3, [None], [{}])),
        *({"best_epoch": value} for value in (None, "x")),
        {"epochs": [{"training_seconds": "x"}]},
    ],
)
def test_a_trial_with_other_results(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    changes: dict[str, Any],
) -> None:
    assert go_on(here, capsys, "tune")[0] == 0
    path = first_run(here) / "result.json"
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps(content), "utf-8")
    code, told = go_on(here, capsys, "tune")
    assert code == 2
    assert "result.json: is not a record of a trial" in told


STORAGES: dict[str, bytes] = {
    "text": b"just words\n",
    "binary": bytes(range(256)) * 40,
    "half a line": b'{"op_code": 0, "worker_id": "a", ',
    "an unknown operation": b'{"op_code": 99, "worker_id": "a"}\n',
    "a list": b"[]\n",
    "an operation without its fields": b'{"op_code": 0, "worker_id": "a"}\n',
    "UTF-16": '{"op_code": 0}\n'.encode("utf-16"),
}


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
@pytest.mark.parametrize("case", STORAGES)
def test_a_storage_that_is_none(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    case: str,
    prefix: str,
) -> None:
    (here / OUTPUT).mkdir()
    (here / OUTPUT / "storage").write_bytes(STORAGES[case])
    arguments = [*COMMANDS["tune"], f"--output={OUTPUT}"]
    code, told = outcome(
        [*arguments, f"--storage={prefix}{OUTPUT}/storage"], here, capsys
    )
    assert code == 2
    assert "--storage: " in told
    assert (here / OUTPUT / "storage").read_bytes() == STORAGES[case]


# --- options of single models -------------------------------------------------------


@pytest.mark.parametrize("case", OPTION_FILES)
def test_options_of_a_model_that_no_run_can_be_made_with(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    case: str,
) -> None:
    (here / "own").mkdir()
    (here / "own/KGIF.yaml").write_bytes(OPTION_FILES[case])
    arguments = [*COMMANDS["compare"], "--options-from=own", f"--output={OUTPUT}"]
    code, told = outcome(arguments, here, capsys)
    # What takes RecBole or the model to judge is judged by the run.
    assert code == 0 or "KGIF.yaml" in told, told
    assert not list(here.parent.rglob(MADE))


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("KGIF.yaml", _folder),
        ("kgif.yaml", Path.touch),
        ("<script>.yaml", Path.touch),
        ("\x1b[31m.yaml", Path.touch),
        ("a\nb.yaml", Path.touch),
        (f"{'x' * 200}.yaml", Path.touch),
        ("KGIF.yml", Path.touch),
    ],
)
def test_a_folder_of_options_with_other_files(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_processes: None,
    name: str,
    make: Callable[[Path], None],
) -> None:
    (here / "own").mkdir()
    make(here / "own" / name)
    arguments = [*COMMANDS["compare"], "--options-from=own", f"--output={OUTPUT}"]
    assert outcome(arguments, here, capsys)[0] == 2
