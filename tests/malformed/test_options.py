"""Damaged and hostile configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import TINY
from tests.malformed.helpers import OUTPUT, outcome

MADE = "made-by-a-file"
NESTED = "a: " + "[" * 500 + "]" * 500
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(b)}: &{chr(b)} [{', '.join([f'*{chr(b - 1)}'] * 9)}]"
    for b in range(ord("b"), ord("k"))
)

# The content of a configuration file: none of these is one that a run can be made with.
CONTENTS: dict[str, bytes] = {
    "text": b"just words",
    "a list": b"- topk\n- metrics\n",
    "a number": b"3",
    "broken": b"topk: [1",
    "a tab": b"topk:\n\t- 1\n",
    "binary": bytes(range(256)),
    "UTF-16": "topk: [1]".encode("utf-16"),
    "NUL": b"topk: [\0]",
    "an archive": b"PK\x03\x04",
    "two documents": b"a: 1\n---\nb: 2\n",
    "an unknown anchor": b"topk: *a",
    "deep": NESTED.encode(),
    "laughs": LAUGHS.encode(),
    "a call": f"topk: !!python/object/apply:os.mkdir [{MADE}]".encode(),
    "an unknown tag": b"topk: !run x",
    "unknown": b"topkk: [1]",
    "a number as name": b"3: 4",
    "a list as name": b"[1, 2]: 4",
    "a script as name": b"'<script>alert(1)</script>': 1",
    "a path as name": b"../../x: 1",
    "a line break in a name": b'"a\\nb\\e[31m": 1',
    "protocol": b"protocol: kgat-paper",
    "text for a number": b"epochs: many",
    "too small": b"epochs: 0",
    "negative": b"train_batch_size: -5",
    "no whole number": b"epochs: 1.5",
    "infinite": b"epochs: .inf",
    "not a number": b"learning_rate: .nan",
    "infinite rate": b"learning_rate: .inf",
    "seed beyond 64 bits": b"seed: 99999999999999999999999999",
    "no seed": b"seed: -1",
    "a date": b"epochs: 2024-05-12",
    "text for a truth value": b"fusion: 'yes'",
    "none for a number": b"epochs: ~",
    "none for a list": b"metrics: ~",
    "empty list": b"topk: []",
    "zero": b"topk: [0]",
    "text in a list": b"topk: [a]",
    "negative in a list": b"topk: [-1]",
    "a fraction in a list": b"topk: [1.5]",
    "a huge cutoff": b"topk: [1000000000]",
    "no such metric": b"metrics: [<script>]",
    "a number as metric": b"metrics: [3]",
    "no metrics": b"metrics: []",
    "no such metric to stop by": b"valid_metric: x",
    "stop by another cutoff": b"valid_metric: NDCG@9",
    "code as metric": f"valid_metric: __import__('os').mkdir('{MADE}')".encode(),
    "code as option": f"loss: __import__('os').mkdir('{MADE}')".encode(),
    "code as field": f"USER_ID_FIELD: __import__('os').mkdir('{MADE}')".encode(),
    "code in the split": f"eval_args: __import__('os').mkdir('{MADE}')".encode(),
    "no such mode": b"eval_args: {mode: half}",
    "a list for a mapping": b"eval_args: [1, 2]",
    "a path as part": b"benchmark_filename: [../../../x, valid, test]",
    "a missing part": b"benchmark_filename: [train, valid, tset]",
    "two parts": b"benchmark_filename: [train, test]",
    "numbers as parts": b"benchmark_filename: [1, 2, 3]",
    "text as parts": b"benchmark_filename: train",
    "a mapping as parts": b"benchmark_filename: {train: valid}",
    "two separators": b"field_separator: ab",
    "no separator": b"field_separator: ''",
    "a number as separator": b"field_separator: 3",
    "a number as field": b"USER_ID_FIELD: 5",
    "a list as field": b"USER_ID_FIELD: [a]",
    "no such field": b"ITEM_ID_FIELD: user",
    "one field for two things": b"ITEM_ID_FIELD: user_id",
    "a number as path": b"data_path: 3",
    "a list as path": b"data_path: [a]",
    "columns as text": b"load_col: inter",
    "columns of nothing": b"load_col: {inter: [nothing]}",
    "no negatives": b"n_negatives: 0",
    "no temperature": b"temperature: 0",
    "negative temperature": b"temperature: -1",
    "no size": b"embedding_size: 0",
    "half a size": b"embedding_size: 1.5",
    "layers": b"n_layers: -1",
    "an unknown loss": b"loss: <script>",
    "too much dropout": b"dropout: 1.5",
    "unknown items": b"unlinked_items: 3",
}


# Of a data set that RecBole splits.
CONTENTS_WITHOUT_PARTS: dict[str, bytes] = {
    "no such split": b"eval_args: {split: {XX: [1]}, mode: full}",
    "a split of words": b"eval_args: {split: {RS: [a, b]}, mode: full}",
    "a negative split": b"eval_args: {split: {RS: [-1, 1, 1]}, mode: full}",
    "nothing to train on": b"eval_args: {split: {RS: [0, 1, 1]}, mode: full}",
    "a split of one": b"eval_args: {split: {RS: [1]}, mode: full}",
    "two splits": b"eval_args: {split: {RS: [1], LS: test_only}, mode: full}",
    "a split that leaves out too much": b"eval_args: {split: {LS: all}, mode: full}",
    "a split that is no mapping": b"eval_args: {split: RS, mode: full}",
    "no such group": b"eval_args: {group_by: nothing, mode: full}",
    "no such order": b"eval_args: {order: up, mode: full}",
    "an order without times": b"eval_args: {order: TO, mode: full}",
    "no such mode": b"eval_args: {mode: half}",
    "no users left": b"user_inter_num_interval: '[99,inf)'",
    "no interval": b"user_inter_num_interval: 'from 2 on'",
    "no items left": b"item_inter_num_interval: '[99,inf)'",
    "a filter by nothing": b"val_interval: {nothing: '[1,2]'}",
    "code in a filter": f"val_interval: __import__('os').mkdir('{MADE}')".encode(),
    "code in an interval": (
        f"user_inter_num_interval: __import__('os').mkdir('{MADE}')".encode()
    ),
}

# The data set's own file, which a stranger may have made.
CONTENTS_OF_THE_DATA: dict[str, bytes] = {
    "text": b"just words",
    "binary": bytes(range(256)),
    "deep": NESTED.encode(),
    "laughs": LAUGHS.encode(),
    "a call": f"load_col: !!python/object/apply:os.mkdir [{MADE}]".encode(),
    "code": f"load_col: __import__('os').mkdir('{MADE}')".encode(),
    "code as another option": f"loss: __import__('os').mkdir('{MADE}')".encode(),
    "a checkpoint": b"checkpoint_dir: ../../x",
    "a path": b"data_path: ../../x",
    "epochs": b"epochs: 3",
    "a path as part": b"benchmark_filename: [../../../x, valid, test]",
    "numbers as parts": b"benchmark_filename: [1, 2, 3]",
    "a mapping as parts": b"benchmark_filename: {a: 1, b: 2, c: 3}",
    "one part": b"benchmark_filename: [train]",
    "a script as name": rb"'<script>\x1b[31m': [1]",
    "columns of nothing": b"load_col: {inter: [nothing]}",
    "columns of numbers": b"load_col: {inter: 3}",
    "no items of the links": b"load_col: {inter: [user_id, item_id], kg: [head_id, "
    b"relation_id, tail_id], link: [entity_id]}",
    "no heads": b"load_col: {inter: [user_id, item_id], kg: [relation_id, tail_id], "
    b"link: [item_id, entity_id]}",
    "columns as a list": b"load_col: [inter]",
    "a list for a mapping": b"eval_args: [1, 2]",
    "no such mode": b"eval_args: {mode: half}",
}


def refused(
    content: bytes,
    arguments: list[str],
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {line.split(b":")[0].strip() for line in content.splitlines()}
    kept = [a for a in TINY if a.split("=")[0][2:].encode() not in named]
    arguments = [*kept, *arguments, f"--output={OUTPUT}"]
    code, _ = outcome(arguments, here, capsys)
    assert code == 2
    assert not list(here.parent.rglob(MADE))


@pytest.mark.parametrize("case", CONTENTS)
def test_a_configuration_file_that_no_run_can_be_made_with(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (here / "a.yaml").write_bytes(CONTENTS[case])
    refused(CONTENTS[case], ["--config-files", "a.yaml"], here, capsys)


@pytest.mark.parametrize("case", CONTENTS_WITHOUT_PARTS)
def test_a_split_that_cannot_be_made(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    folder = here / "dataset/tiny"
    parts = [folder / f"tiny.{part}.inter" for part in ("train", "valid", "test")]
    lines = [line for part in parts for line in part.read_text("utf-8").splitlines()]
    (folder / "tiny.inter").write_text("\n".join(dict.fromkeys(lines)) + "\n", "utf-8")
    (here / "a.yaml").write_bytes(CONTENTS_WITHOUT_PARTS[case])
    arguments = ["--config-files", "a.yaml", "--benchmark_filename=~"]
    refused(CONTENTS_WITHOUT_PARTS[case], arguments, here, capsys)


@pytest.mark.parametrize("case", CONTENTS_OF_THE_DATA)
def test_a_file_that_the_data_set_brings_along(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (here / "dataset/tiny/tiny.yaml").write_bytes(CONTENTS_OF_THE_DATA[case])
    refused(CONTENTS_OF_THE_DATA[case], [], here, capsys)
