"""Damaged and hostile checkpoints and lists of users, for `recommend`."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_kgif.training.tensorfile import write_tensors
from tests.malformed.helpers import OUTPUT, outcome
from tests.training.test_tensorfile import MakesFolder

RECOMMEND = ["recommend", f"--output={OUTPUT}/a.csv"]


def recommend(
    here: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    if not any(argument.startswith("--users") for argument in arguments):
        arguments = (*arguments, "--users=all")
    return outcome([*RECOMMEND, "--checkpoint=model.pth", *arguments], here, capsys)


# --- files that are no checkpoint ---------------------------------------------------


def archive(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


OTHER_FILES: dict[str, bytes] = {
    "empty": b"",
    "text": b"model",
    "zeros": bytes(5000),
    "a bomb": archive(archive__data=bytes(20_000_000)),
    "an archive of nothing": archive(),
    "an archive of something": archive(a=b"x"),
    "an archive with paths": archive(**{".._.._x": b"x"}),
    "a nested archive": archive(a=archive(b=bytes(1000))),
    "a pickle": pickle.dumps({"format": "recbole_kgif checkpoint"}),
    "a list": saved([1, 2]),
    "a number": saved(3),
    "a tensor": saved(torch.zeros(3)),
    "an empty dictionary": saved({}),
    "a model": saved(torch.nn.Linear(2, 2)),
    "weights": saved(torch.nn.Linear(2, 2).state_dict()),
    "deep": saved({"a": [[[[[[[[]]]]]]]]}),
    "a hostile pickle": saved({"format": MakesFolder(Path("made"))}),
    "an old hostile pickle": saved(
        MakesFolder(Path("made")), _use_new_zipfile_serialization=False
    ),
    "a bare hostile pickle": pickle.dumps(MakesFolder(Path("made"))),
}


@pytest.mark.parametrize("case", OTHER_FILES)
def test_a_file_that_is_no_checkpoint(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (here / "model.pth").write_bytes(OTHER_FILES[case])
    code, told = recommend(here, capsys)
    assert code == 2
    assert "model.pth: " in told


@pytest.mark.parametrize("tenth", range(10))
def test_a_checkpoint_that_is_cut_or_changed(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, tenth: int
) -> None:
    place = len(checkpoint) * tenth // 10
    (here / "model.pth").write_bytes(checkpoint[:place])
    assert recommend(here, capsys)[0] == 2
    changed = bytearray(checkpoint)
    changed[place] ^= 0x5A
    (here / "model.pth").write_bytes(changed)
    recommend(here, capsys)


# --- checkpoints with other content -------------------------------------------------

CODE = "__import__('os').mkdir('made')"

CHANGES: dict[str, dict[str, Any]] = {
    "no format": {"format": None},
    "a hostile name": {"model": "<script>alert(1)</script>"},
    "a path as model": {"model": "../../x"},
    "a line break in the model": {"model": "KGIF\nx"},
    "a path as data set": {"dataset": "../../x"},
    "a long name": {"dataset": "x" * 5000},
    "an escape in the data set": {"dataset": "\x1b[31mtiny"},
    "no options": {"options": {}},
    "no parameters": {"state_dict": {}},
    "no figures of the data": {"data": {"counts": {}, "ids": {}}},
    "a negative seed": {"split_seed": -1},
    "a huge seed": {"split_seed": 2**70},
}

CHANGED_OPTIONS: dict[str, dict[str, Any]] = {
    "a huge embedding": {"embedding_size": 10**12},
    "a negative embedding": {"embedding_size": -1},
    "a text as embedding": {"embedding_size": "8"},
    "many layers": {"n_layers": 10**9},
    "many negatives": {"n_negatives": -1},
    "an unknown attention": {"attention": "<script>"},
    "code as loss": {"loss": CODE},
    "code as field": {"USER_ID_FIELD": CODE},
    "code as metric": {"valid_metric": CODE},
    "code in a list": {"metrics": [CODE]},
    "a number as field": {"USER_ID_FIELD": 5},
    "a list as field": {"USER_ID_FIELD": ["user_id"]},
    "a list as head": {"HEAD_ENTITY_ID_FIELD": [1]},
    "paths as parts": {"benchmark_filename": ["../../../x", "valid", "test"]},
    "numbers as parts": {"benchmark_filename": [1, 2, 3]},
    "a number for the parts": {"benchmark_filename": 3},
    "a text for the parts": {"benchmark_filename": "abc"},
    "no parts": {"benchmark_filename": None},
    "a long separator": {"field_separator": "ab"},
    "a number as separator": {"field_separator": 3},
    "no separator": {"field_separator": None},
    "no columns": {"load_col": {"inter": ["nothing"]}},
    "columns of text": {"load_col": "inter"},
    "no such split": {"eval_args": {"split": {"XX": 1}}},
    "no evaluation": {"eval_args": None},
    "a text as evaluation": {"eval_args": CODE},
    "no cutoffs": {"topk": []},
    "a huge cutoff": {"topk": [10**18]},
    "a text as cutoff": {"topk": [CODE]},
    "no metrics": {"metrics": []},
    "a number as metrics": {"metrics": 3},
    "a huge batch": {"eval_batch_size": 10**18},
    "no batch": {"eval_batch_size": 0},
    "a text as batch": {"eval_batch_size": "many"},
    "a device": {"gpu_id": CODE},
    "a text for a truth value": {"use_gpu": CODE},
    "an unknown encoding": {"encoding": "x"},
    "a hostile encoding": {"encoding": 3},
    "files to read": {"preload_weight": {"user_id": "../../x"}},
    "more columns": {"additional_feat_suffix": ["../../x"]},
    "a path as suffix": {"additional_feat_suffix": "../../x"},
    "normalised": {"normalize_field": ["<script>"]},
    "a filter": {"val_interval": {"rating": CODE}},
    "a filter of users": {"user_inter_num_interval": "[99,inf)"},
}


def write_changed(
    here: Path, checkpoint: bytes, changes: dict[str, Any], options: dict[str, Any]
) -> None:
    content = torch.load(io.BytesIO(checkpoint), weights_only=True)
    content.update(changes)
    if options:
        content["options"] = {**content["options"], **options}
    write_tensors(here / "model.pth", content)


@pytest.mark.parametrize("case", CHANGES)
def test_a_checkpoint_with_other_content(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, case: str
) -> None:
    write_changed(here, checkpoint, CHANGES[case], {})
    code, told = recommend(here, capsys)
    assert code == 2, case
    assert told


@pytest.mark.parametrize("case", CHANGED_OPTIONS)
def test_a_checkpoint_with_other_options(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, case: str
) -> None:
    write_changed(here, checkpoint, {}, CHANGED_OPTIONS[case])
    recommend(here, capsys)
    assert not list(here.parent.rglob("made"))


# --- users --------------------------------------------------------------------------

USERS: dict[str, bytes] = {
    "empty": b"",
    "line ends": b"\n\r\n\n",
    "NUL": b"ann\0\n",
    "UTF-16": "ann\n".encode("utf-16"),
    "Latin-1": b"ann\n\xe9\n",
    "byte-order mark": b"\xef\xbb\xbfann\n",
    "old Mac line ends": b"ann\rbob\r",
    "binary": bytes(range(256)) * 4,
    "an archive": archive(a=b"ann"),
    "a script": b"<script>alert(1)</script>\n",
    "a path": b"../../x\n",
    "an escape sequence": b"\x1b[31mann\n",
    "a huge id": b"9" * 1_000_000,
    "a formula": b"=1+1\n",
    "two columns": b"ann\tbob\n",
}


@pytest.mark.parametrize("case", USERS)
def test_a_list_of_users_that_names_nobody(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, case: str
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    (here / "users.txt").write_bytes(USERS[case])
    code, told = recommend(here, capsys, "--users=users.txt")
    assert code == 2
    assert "users.txt" in told


def test_more_ids_than_a_file_name_has_room_for(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    ids = ",".join(["ann", "bob"] * 2000)
    assert recommend(here, capsys, f"--users={ids}")[0] == 0


@pytest.mark.parametrize("option", ["--output", "--checkpoint", "--source"])
def test_a_name_that_is_too_long_for_the_system(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, option: str
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    code, told = recommend(here, capsys, f"{option}={'x' * 300}.csv")
    assert code == 2
    # Since Python 3.14 such a file does not exist; before, asking for it is an error.
    refusals = ("too long", "is not a folder", "does not exist")
    assert any(refusal in told for refusal in refusals)
