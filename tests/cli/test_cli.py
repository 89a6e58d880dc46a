"""The command as a user starts it: exit codes, messages, files."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_kgif import __version__
from recbole_kgif.cli import COMMANDS, main
from tests.conftest import TINY_OPTIONS

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "run_recbole_kgif.py"
SHARED_RAW = CHECKOUT.parent / "shared" / "datasets" / "raw"

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# The smallest run of the tiny data set.
TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Start the script in a folder without any data but what a test puts there."""

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "RECBOLE_KGIF_DATA": ""}
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return start


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints, in this process."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    return lines[0]


# A third of a second by the clock of an idle machine, start of Python included.
MOST_HELP_SECONDS = 0.5


@pytest.fixture
def in_data(
    data_path: Path, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The tiny data set's folder, below the current one."""
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    return data_path / "tiny"


# --- running ------------------------------------------------------------------------


def _children_seconds() -> float:
    """Seconds of a CPU that ended processes took, whatever else the machine does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_answers_at_once_without_torch(run: Run) -> None:
    run("--help")  # compiles the modules, once an installation
    start = _children_seconds()
    process = run("--help")
    seconds = _children_seconds() - start
    assert process.returncode == 0
    for option in (
        "--model",
        "--dataset",
        "--config-files",
        "--source",
        "--seed",
        "--epochs",
        "--output",
        "--key=value",
    ):
        assert option in process.stdout
    assert seconds < MOST_HELP_SECONDS
    code = (
        "import sys; from recbole_kgif.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print({'torch', 'pandas', 'recbole'} & set(sys.modules))"
    )
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )
    assert modules.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "compare",
            ["--models", "--seeds", "--jobs", "--time-limit", "--options-from"],
        ),
        ("report", ["DIR", "--output"]),
        (
            "recommend",
            ["--checkpoint", "--users", "--cold-items", "--top-k", "--output"],
        ),
    ],
)
def test_help_of_a_command_answers_at_once(
    run: Run, command: str, options: list[str]
) -> None:
    start = _children_seconds()
    process = run(command, "--help")
    assert _children_seconds() - start < MOST_HELP_SECONDS
    assert process.returncode == 0
    assert all(option in process.stdout for option in options)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


def test_a_run_from_start_to_summary(run: Run, data_path: Path, tmp_path: Path) -> None:
    process = run(*TINY, "--output=out", "--seed=3", "--temperature=0.5")
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out/result.json").read_text("utf-8"))
    assert record["seed"] == record["configuration"]["seed"] == 3
    assert record["configuration"]["temperature"] == 0.5
    last = process.stdout.splitlines()[-1]
    assert last.startswith("KGIF tiny | valid: Recall@2 ")
    assert f"test: Recall@2 {record['test']['recall@2']:.4f}" in last
    assert "Traceback" not in process.stderr
    assert "Warning" not in process.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "out"}


def test_config_files_and_their_order(
    in_data: Path, in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.yaml").write_text("n_layers: 1\ntemperature: 0.3\nepochs: 9\n", "utf-8")
    Path("b.yaml").write_text("n_layers: 2\n", "utf-8")
    arguments = [*TINY, "--config-files", "a.yaml", "b.yaml", "--output=out"]
    assert main([a for a in arguments if "epochs" not in a] + ["--epochs", "1"]) == 0
    record = json.loads(Path("out/result.json").read_text("utf-8"))
    options = record["configuration"]
    assert (options["n_layers"], options["temperature"]) == (2, 0.3)
    assert len(record["epochs"]) == 1


def test_every_run_has_a_folder_of_its_own(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main([*TINY, "--epochs=1"]) == 0
    folders = sorted(Path("runs").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("KGIF-tiny-") for folder in folders)
    assert all((folder / "result.json").exists() for folder in folders)


def test_a_model_of_recbole_needs_no_knowledge_graph(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_data / "tiny.kg").unlink()
    (in_data / "tiny.link").unlink()
    names = ("embedding_size",)
    options = [a for a in TINY if not any(name in a for name in names)]
    assert main([*options, "--model=BPR", "--epochs=1"]) == 0
    assert "BPR tiny | valid: " in capsys.readouterr().out


def test_lastfm_from_its_raw_files(run: Run, tmp_path: Path) -> None:
    """A quick run of the main path on real data: everything but patience."""
    if not SHARED_RAW.exists():
        pytest.skip(f"the raw files of Last.FM are not in {SHARED_RAW}")
    process = run("--dataset=lastfm", "--epochs=5", "--output=out")
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out/result.json").read_text("utf-8"))
    data = record["data"]
    interactions = sum(
        data[f"{p}_interactions"] for p in ("training", "validation", "test")
    )
    assert interactions == 21_173
    assert (data["users"], data["items"]) == (1_872, 3_846)
    assert (data["triples"], data["relations"]) == (15_518, 60)
    # Popularity alone reaches 0.12 at 10 on a split of this kind.
    assert record["test"]["recall@10"] > 0.05
    valid = [epoch["valid"]["ndcg@20"] for epoch in record["epochs"]]
    assert valid[-1] > valid[0]


@pytest.mark.slow
def test_lastfm_with_all_defaults_is_above_the_tuned_kgat(
    run: Run, tmp_path: Path
) -> None:
    if not SHARED_RAW.exists():
        pytest.skip(f"the raw files of Last.FM are not in {SHARED_RAW}")
    process = run("--dataset=lastfm", "--output=out")
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out/result.json").read_text("utf-8"))
    assert record["seed"] == 2020
    # KGAT's, tuned, on this data and split, is 0.320.
    assert record["test"]["recall@20"] > 0.32


# --- mistakes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=KGFI"], "--model KGFI: no such model; did you mean"),
        (["--dataset=tinny"], "tiny"),
        (["--dataset=../tiny"], "is not a data set's name"),
        (["--embeding_size=8"], "did you mean embedding_size?"),
        (
            ["--embedding_size=-8"],
            "embedding_size=-8 is not allowed; it must be an int",
        ),
        (["--attention=kgat"], "it must be one of modulated, softmax, none"),
        (["--epochs=none"], "--epochs=none: epochs must be a number"),
        (["--seed"], "--seed: expected one argument"),
        (["--config-files", "none.yaml"], "none.yaml: cannot be read"),
        (["--config-files", "words.yaml"], "words.yaml: holds no `key: value` lines"),
        (["--config-files", "broken.yaml"], "broken.yaml: line 1: not valid YAML"),
        (["--output=words.yaml/out"], "--output words.yaml/out: cannot be written to"),
        (["--output=done"], "--output done: holds the result of a run already"),
        (["--source=nowhere"], "--source nowhere is not a folder"),
        (
            ["--topk=[100]", "--valid_metric=NDCG@100"],
            "topk=[100]: data set tiny has only 6 items",
        ),
        (["--topk=[1]"], "valid_metric=NDCG@3: is not computed with metrics="),
        (["extra"], "extra: not understood"),
        (["--modle", "BPR"], "--modle: no such argument; did you mean --model?"),
        (["--save_dataloaders=True"], "save_dataloaders=True: RecBole cannot store"),
        (["--valid_metric=NDCG@03"], "valid_metric=NDCG@03: is not computed with"),
        (["--load_col={'inter': ['user_id', 'item_id']}"], "lacks kg; add kg: [head"),
    ],
)
def test_a_bad_argument_is_told_in_one_line(
    in_data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    Path("words.yaml").write_text("just words", "utf-8")
    Path("broken.yaml").write_text("a: [1", "utf-8")
    Path("done").mkdir()
    Path("done/result.json").write_text("{}", "utf-8")
    before = set(Path().rglob("*"))
    named = {argument.split("=")[0] for argument in arguments}
    rest = [argument for argument in TINY if argument.split("=")[0] not in named]
    assert message in error_of([*rest, *arguments], capsys)
    left = {path for path in Path().rglob("*") if path not in before}
    assert not {path for path in left if path.name in ("result.json", "model.pth")}
    assert Path("done/result.json").read_text("utf-8") == "{}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare"], "the following arguments are required: --models"),
        (["compare", "--models=KGTA"], "did you mean KGAT"),
        (
            ["compare", "--models=BPR", "--seeds=0"],
            "argument --seeds: 0 is not a whole",
        ),
        (["compare", "--models=BPR", "--jobs=x"], "argument --jobs: x is not a whole"),
        (["compare", "--models=BPR", "--time-limit=0"], "--time-limit: 0 is not a num"),
        (["compare", "--models=BPR", "--seed=3"], "seed: a comparison sets it itself"),
        (["compare", "--models=BPR", "--epochs=0"], "epochs must be at least 1"),
        (["compare", "--models=BPR,CKE", "--reg_weights=[1]"], "--options-from DIR"),
        (["compare", "--models=BPR", "--dataset=none"], "none"),
        (["compare", "--models=BPR", "--output=words.yaml/x"], "cannot be written to"),
        (["report"], "the following arguments are required: DIR"),
        (["reprot"], "reprot: no such command; did you mean report"),
        (["lastfm"], "lastfm: no such command; known are ablate, compare,"),
        (["doctor", "--datset", "x"], "--datset: no such argument; did you mean --dat"),
        (["report", "nowhere"], "nowhere: holds neither"),
        (["report", ".", "--epochs=3"], "--epochs=3"),
    ],
)
def test_a_bad_argument_of_a_command_is_told_in_one_line(
    in_data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    Path("words.yaml").write_text("just words", "utf-8")
    before = set(Path().rglob("*"))
    if arguments[0] == "compare" and "--dataset" not in " ".join(arguments):
        arguments = [
            *arguments,
            *("--dataset=tiny", "--benchmark_filename=[train,valid,test]"),
        ]
    assert message in error_of(arguments, capsys)
    assert set(Path().rglob("*")) == before


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return change


def remove(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def write(file: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / file).write_bytes(content)

    return change


def test_a_refused_run_leaves_no_folder_of_its_own(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Path()
    theirs = here / "theirs"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("mine", "utf-8")
    for output in (["--output=new"], ["--output=theirs"], []):
        too_long = ["--topk=[100]", "--valid_metric=NDCG@100"]
        assert main([*TINY, *too_long, *output]) == 2
        assert "has only 6 items" in capsys.readouterr().err
    assert not (here / "new").exists()
    assert not list((here / "runs").iterdir())
    assert (theirs / "notes.txt").exists()
    assert not (theirs / "config.yaml").exists()


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (remove("tiny.kg"), ["tiny.kg"]),
        (remove("tiny.link"), ["tiny.link"]),
        (remove("tiny.valid.inter"), ["tiny.valid.inter"]),
        (replace("tiny.kg", "directed_by\tscott", "scott"), ["tiny.kg", "line 2"]),
        (
            write("tiny.train.inter", b"user_id:token\titem_id:token\n"),
            ["tiny.train.inter"],
        ),
        (write("tiny.train.inter", b""), ["tiny.train.inter"]),
        (replace("tiny.link", "alien\tm_alien\n", ""), ["tiny.", "alien"]),
        (
            write(
                "tiny.kg", b"head_id:token\trelation_id:token\ttail_id:token\n\xff\n"
            ),
            ["tiny.kg", "line 2", "UTF-8"],
        ),
        (replace("tiny.kg", "head_id:token", "head:token"), ["tiny.kg", "head_id"]),
        (replace("tiny.link", "brazil\tm_brazil", "brazil\tm_alien"), ["tiny.link"]),
    ],
)
def test_a_bad_file_is_told_in_one_line(
    in_data: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    names: list[str],
) -> None:
    spoil(in_data)
    error = error_of(TINY, capsys)
    assert all(name in error for name in names), error
    assert not Path("runs").exists()


def test_the_script_itself_exits_with_2_and_no_traceback(
    run: Run, data_path: Path
) -> None:
    shutil.rmtree(data_path / "tiny")
    process = run("--dataset=tiny")
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "Traceback" not in process.stderr
    assert process.stdout == ""


# What lists names reads them without any package.
WITH_PACKAGES = sorted(set(COMMANDS) - {"datasets", "models"})


@pytest.mark.parametrize("command", ["", *WITH_PACKAGES])
def test_a_python_without_the_packages_is_told_how_to_get_them(command: str) -> None:
    # -S leaves out the installed packages.
    process = subprocess.run(
        [sys.executable, "-S", str(SCRIPT), *filter(None, [command])],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: the module ") and "pip install -e ." in line
    assert process.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="such pipes are POSIX's")
@pytest.mark.parametrize("argument", ["--help", "--version", "--datset=tiny"])
def test_what_reads_the_output_may_close_it(argument: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, str(SCRIPT), argument],
        # Unbuffered, argparse would pass over it.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writer)
    if argument.startswith("--dat"):
        # All that there is to say goes to the other output.
        assert process.returncode == 2
        assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1
    else:
        assert (process.returncode, process.stderr) == (141, "")


def test_a_lost_process_is_not_taken_for_a_closed_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(_arguments: list[str]) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("recbole_kgif.cli._run", write)
    with pytest.raises(BrokenPipeError):
        main([])


def test_what_a_model_needs_besides_is_named(
    in_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As RecBole's NCL does where there is no faiss.
    def import_faiss(*_arguments: object, **_options: object) -> None:
        raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

    monkeypatch.setattr("recbole_kgif.training.run.run_experiment", import_faiss)
    error = error_of(TINY, capsys)
    assert error.startswith("error: the module faiss is not installed for ")
    assert "installed separately" in error


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        ((3, 11, 9), "pip install -e . in the checkout"),
        ((3, 12, 1), "run: pip install --no-deps recbole==1.2.1"),
    ],
)
def test_a_missing_recbole_is_answered_with_how_it_is_installed(
    version: tuple[int, ...],
    advice: str,
    in_data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def import_recbole(*_arguments: object, **_options: object) -> None:
        raise ModuleNotFoundError("No module named 'recbole'", name="recbole")

    monkeypatch.setattr("recbole_kgif.training.run.run_experiment", import_recbole)
    monkeypatch.setattr(sys, "version_info", version)
    error = error_of(TINY, capsys)
    assert error.startswith("error: the module recbole is not installed for ")
    assert advice in error


def test_a_missing_module_of_the_package_itself_is_no_mistake_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recbole_kgif.cli.COMMANDS", ("forgotten",))
    with pytest.raises(ModuleNotFoundError, match="forgotten"):
        main(["forgotten"])


def test_an_interrupted_run_says_so(
    in_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_kgif.experiments.planning.locate_dataset", interrupt)
    assert main(TINY) == 130
    assert capsys.readouterr().err == "interrupted\n"
