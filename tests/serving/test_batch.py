from __future__ import annotations

import importlib.util
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.serving import batch as batch_module
from recbole_kgif.serving.batch import SETTINGS, Batch, write_lists
from recbole_kgif.serving.export_files import new_export
from recbole_kgif.serving.pandas_function import RecommendInPandas
from tests.docs.page_parser import CHECKOUT
from tests.serving.conftest import Exported


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "USERS_OF_A_PART", 3)


def wanted(exported: Exported, users: Any = None, k: int = 4) -> pd.DataFrame:
    frame = exported.model.recommend(users, k)
    if "approximate" not in frame:
        frame["approximate"] = False
    return frame


def written(output: Path) -> pd.DataFrame:
    """All parts, in the order of their names."""
    parts = sorted(output.glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


def test_parts_together_are_the_lists_of_all_users(
    exported: Exported, tmp_path: Path
) -> None:
    batch = Batch(exported.folder, tmp_path / "lists", 4)
    assert list(write_lists(batch)) == [3, 3, 2]
    pd.testing.assert_frame_equal(written(batch.output), wanted(exported))


def test_what_was_ended_is_resumed(exported: Exported, tmp_path: Path) -> None:
    users = tuple(exported.model.user_ids[::-1])
    batch = Batch(exported.folder, tmp_path / "lists", 4, users)
    lists = write_lists(batch)
    assert next(lists) == 3
    lists.close()
    (batch.output / ".part-00001.parquet.99").write_bytes(b"unfinished")
    first = batch.part(0).stat().st_mtime_ns
    assert sum(write_lists(batch)) == len(users)
    assert batch.part(0).stat().st_mtime_ns == first
    pd.testing.assert_frame_equal(written(batch.output), wanted(exported, users))
    names = {path.name for path in batch.output.iterdir()}
    assert names == {SETTINGS, *(f"part-{n:05}.parquet" for n in range(3))}


def test_other_lists_are_not_mixed_with_these(
    exports: dict[str, Exported], tmp_path: Path
) -> None:
    folder = exports["trained"].folder
    batch = Batch(folder, tmp_path / "lists", 4)
    assert sum(write_lists(batch)) == 8
    others = [
        Batch(folder, batch.output, 5),
        Batch(folder, batch.output, 4, ("left_ann",)),
        Batch(exports["extended"].folder, batch.output, 4),
    ]
    for other in others:
        with pytest.raises(UserError, match="holds lists of another export"):
            list(write_lists(other))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").touch()
    with pytest.raises(UserError, match="holds other files"):
        list(write_lists(Batch(folder, tmp_path / "notes", 4)))
    with pytest.raises(UserError, match="user 'nobody' is not in"):
        list(write_lists(Batch(folder, tmp_path / "new", 4, ("nobody",))))
    assert not (tmp_path / "new").exists()


def test_several_processes_write_the_same_lists(
    exported: Exported, tmp_path: Path
) -> None:
    # They are started anew, and so have parts of the usual size.
    users = tuple(exported.model.user_ids)
    batch = Batch(exported.folder, tmp_path / "lists", 4, users[:3])
    assert list(write_lists(batch, jobs=2)) == [3]
    pd.testing.assert_frame_equal(written(batch.output), wanted(exported, users[:3]))


def test_processes_may_import_the_script_that_started_them() -> None:
    # As a process that is started anew does; it would exit with the help otherwise.
    runpy.run_path(str(CHECKOUT / "run_recbole_kgif.py"), run_name="__mp_main__")


def test_the_pandas_function_gives_the_same_rows(exported: Exported) -> None:
    users = pd.DataFrame({"user_id": exported.model.user_ids})
    frames = [users[:3], users[3:3], users[3:]]
    lists = list(RecommendInPandas(exported.folder, k=4)(iter(frames)))
    assert [frame["user_id"].nunique() for frame in lists] == [3, 0, 5]
    together = pd.concat(lists, ignore_index=True)
    pd.testing.assert_frame_equal(together, wanted(exported), check_dtype=False)
    names = [field.split()[0] for field in RecommendInPandas.SCHEMA.split(", ")]
    assert names == list(together.columns)


def test_the_pandas_function_reads_a_newer_export(
    exports: dict[str, Exported], tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    function = RecommendInPandas(folder, k=4)
    for name, user in (("trained", "left_ann"), ("extended", "zoe")):
        with new_export(folder) as hidden:
            shutil.copytree(exports[name].folder, hidden, dirs_exist_ok=True)
        (lists,) = function(iter([pd.DataFrame({"user_id": [user]})]))
        expected = wanted(exports[name], [user])
        pd.testing.assert_frame_equal(lists, expected, check_dtype=False)


HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_SPARK, reason="needs pyspark and Java")
def test_spark_gives_the_same_rows(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    try:
        users = spark.createDataFrame(
            [(user,) for user in exported.model.user_ids], "user_id string"
        )
        function = RecommendInPandas(str(exported.folder), k=4)
        lists = users.repartition(3).mapInPandas(function, function.SCHEMA).toPandas()
    finally:
        spark.stop()
    order = ["user_id", "rank"]
    found = lists.sort_values(order, ignore_index=True)
    expected = wanted(exported).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


# --- the command --------------------------------------------------------------------


def test_the_command_writes_parts_or_one_file(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["recommend", f"--export={exported.folder}", "--users=all", "--top-k=4"]
    assert main([*words, f"--output={tmp_path / 'lists'}", "--jobs=1"]) == 0
    assert capsys.readouterr().out == f"8 users: {tmp_path / 'lists'}\n"
    pd.testing.assert_frame_equal(written(tmp_path / "lists"), wanted(exported))
    assert main([*words, f"--output={tmp_path / 'lists.csv'}"]) == 0
    lists = pd.read_csv(tmp_path / "lists.csv", keep_default_na=False)
    assert lists["item_id"].tolist() == wanted(exported)["item_id"].tolist()
    np.testing.assert_allclose(lists["score"], wanted(exported)["score"])
    capsys.readouterr()
    assert main([*words[:2], "--users=left_ann", "--top-k=2"]) == 0
    assert capsys.readouterr().out.count("left_ann") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cold-items=left_elf"], "--cold-items: needs --checkpoint"),
        (["--users=all", "--jobs=2"], "--jobs: is for an --output that is a folder"),
        (["--users=all", "--jobs=2", "--output=a.csv"], "--jobs: is for an --output"),
        (["--users=all", "--source=x"], "are for --checkpoint"),
        (["--users=nobody"], "user 'nobody' is not in"),
    ],
)
def test_mistakes_are_reported(
    words: list[str],
    message: str,
    exported: Exported,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["recommend", f"--export={exported.folder}", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_jobs_need_an_export(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", "--checkpoint=x", "--users=all", "--jobs=2"]
    assert main(words) == 2
    assert "--jobs: needs --export" in capsys.readouterr().err
