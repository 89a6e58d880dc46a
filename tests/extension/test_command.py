from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from recbole_kgif.cli import main
from tests.extension.conftest import (
    NEW_INTERACTIONS,
    NEW_NAMES,
    NEW_TRIPLES,
    Extended,
)


@pytest.fixture
def files(in_tmp_path: Path) -> list[str]:
    """The new facts as files, and the arguments that name them."""
    frames = {
        "interactions": NEW_INTERACTIONS,
        "triples": NEW_TRIPLES,
        "names": NEW_NAMES,
    }
    for name, frame in frames.items():
        frame.to_csv(f"{name}.csv", index=False)
    return [f"--{name}={name}.csv" for name in frames]


def test_files_give_the_model_of_the_same_frames(
    files: list[str],
    saved: Path,
    extended: Extended,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["extend", f"--checkpoint={saved}", "--output=new", *files]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "new: 1 user, 2 items, 1 entity, 4 interactions, 4 triples" in printed
    assert "note: 1 of the new items ('void') have no triple and no inter" in printed
    # The data are found beside the model.
    command = ["recommend", "--checkpoint=new", "--users=zoe", "--output=zoe.csv"]
    assert main(command) == 0
    frame = pd.read_csv("zoe.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(
        frame, extended.after.recommend("zoe", k=20), check_dtype=False, rtol=1e-5
    )
    capsys.readouterr()
    for command, expected in (
        (["explain", "--user=zoe", "--item=sequel"], "being new in the catalogue"),
        (["inspect"], "KGIF"),
        (["extend", "--interactions=more.csv", "--output=newer"], "new: 1 user, 0 it"),
    ):
        Path("more.csv").write_text("user,item\nyan,sequel\n", "utf-8")
        assert main([command[0], "--checkpoint=new", *command[1:]]) == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "triples",
            "head,relation,tail\nsequel,directed_by,left_scott\na,shot_in,b\n",
            "triples.csv, line 3: the model was trained without the relation 'shot_in'",
        ),
        ("triples", "head,relation,tail\nsequel,directed_by\n", "line 2: 2 fields"),
        ("triples", "head,relation,tail\nNA,directed_by,x\n", "line 2: the entity id"),
        ("interactions", "user,item\n", "interactions.csv holds no interaction"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    file: str,
    content: str,
    message: str,
    files: list[str],
    saved: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(f"{file}.csv").write_text(content, "utf-8")
    before = sorted(Path().iterdir())
    assert main(["extend", f"--checkpoint={saved}", "--output=new", *files]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to extend by; give --interactions, --triples or both"),
        (["--names=names.csv", "--head-column=h"], "--head-column: needs --triples"),
        (["--names=names.csv", "--output=."], "--output .: exists and is not an empty"),
    ],
)
def test_arguments_without_effect_are_refused(
    arguments: list[str],
    message: str,
    files: list[str],
    saved: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["extend", f"--checkpoint={saved}", "--output=new", *arguments]
    assert main(command) == 2
    assert message in capsys.readouterr().err
