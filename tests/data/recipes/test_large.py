"""Two million interactions and five million triples: run it with -m slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "wait4"), reason="memory cannot be measured"),
]

CHECKOUT = Path(__file__).resolve().parents[3]
USERS, ITEMS, ENTITIES, RELATIONS = 150_000, 100_000, 1_000_000, 60
INTERACTIONS, TRIPLES = 2_000_000, 5_000_000
MOST_BYTES = 4 * 2**30

Numbers = npt.NDArray[np.int64]


def interactions() -> tuple[Numbers, Numbers]:
    """Users, in order, and their items, the popular ones more often."""
    random = np.random.default_rng(1)
    pairs = np.empty(0, dtype=np.int64)
    while len(pairs) < INTERACTIONS:
        users = random.integers(USERS, size=INTERACTIONS)
        items = (random.beta(0.6, 2, INTERACTIONS) * ITEMS).astype(np.int64)
        pairs = np.unique(np.concatenate((pairs, users * ITEMS + items)))
    pairs = np.sort(random.permutation(pairs)[:INTERACTIONS])
    return pairs // ITEMS, pairs % ITEMS


def triples() -> tuple[list[int], list[int], list[int]]:
    random = np.random.default_rng(2)
    of_items = random.random(TRIPLES) < 0.6
    heads = random.integers(np.where(of_items, ITEMS, ENTITIES))
    relations, tails = (random.integers(n, size=TRIPLES) for n in (RELATIONS, ENTITIES))
    return heads.tolist(), relations.tolist(), tails.tolist()


def write_kgat(folder: Path) -> list[str]:
    users, items = interactions()
    in_test = np.random.default_rng(3).random(len(users)) < 0.2
    for name, part in (("train", ~in_test), ("test", in_test)):
        own, starts = np.unique(users[part], return_index=True)
        rows = np.split(items[part], starts[1:])
        with (folder / f"{name}.txt").open("w") as file:
            for user, row in zip(own.tolist(), rows):
                file.write(f"{user} {' '.join(map(str, row.tolist()))}\n")
    with (folder / "kg_final.txt").open("w") as file:
        file.writelines(f"{h} {r} {t}\n" for h, r, t in zip(*triples()))
    with (folder / "entity_list.txt").open("w") as file:
        file.write("org_id remap_id\n")
        file.writelines(f"m.{n:08d} {n}\n" for n in range(ENTITIES))
    return [f"--kgat={folder}"]


def write_plain(folder: Path) -> list[str]:
    users, items = interactions()
    with (folder / "interactions.csv").open("w") as file:
        file.write("user,item,rating,timestamp\n")
        file.writelines(_lines_of_interactions(users, items))
    with (folder / "triples.tsv").open("w") as file:
        file.write("head\trelation\ttail\n")
        file.writelines(
            f"m.{h:08d}\thttp://example.org/relation/{r}\tm.{t:08d}\n"
            for h, r, t in zip(*triples())
        )
    with (folder / "links.csv").open("w") as file:
        file.write("item,entity\n")
        file.writelines(f"B00{n:07d},m.{n:08d}\n" for n in range(ITEMS))
    return [
        f"--interactions={folder}/interactions.csv",
        *(f"--triples={folder}/triples.tsv", f"--links={folder}/links.csv"),
        "--split=time",
    ]


def _lines_of_interactions(users: Numbers, items: Numbers) -> Iterator[str]:
    times = np.random.default_rng(4).integers(10**9, size=len(users)).tolist()
    for user, item, time in zip(users.tolist(), items.tolist(), times):
        yield f"reviewer-{user:07d},B00{item:07d},{1 + item % 5},{time}\n"


@pytest.mark.parametrize("write", [write_kgat, write_plain])
def test_a_large_data_set_needs_less_than_four_gibibytes(
    tmp_path: Path, write: Callable[[Path], list[str]]
) -> None:
    arguments = write(tmp_path)
    script = str(CHECKOUT / "run_recbole_kgif.py")
    process = subprocess.Popen(
        [
            *(sys.executable, script, "prepare", "--name=large"),
            *("--output=dataset", *arguments),
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    most_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = usage.ru_utime + usage.ru_stime
    print(f"{most_bytes / 2**30:.2f} GiB, {seconds:.0f} s of a processor")
    assert most_bytes < MOST_BYTES
    record = (tmp_path / "dataset/large/provenance.json").read_text("utf-8")
    counts = json.loads(record)["counts"]
    assert counts["triples"] == TRIPLES - _repeated(triples())
    # Every item is in a triple or left out with its interactions, which are few.
    kept = sum(counts[part] for part in ("train", "valid", "test"))
    assert kept > INTERACTIONS * 0.9


def _repeated(columns: tuple[list[int], list[int], list[int]]) -> int:
    heads, relations, tails = (np.array(column, dtype=np.int64) for column in columns)
    keys = (heads * RELATIONS + relations) * ENTITIES + tails
    return TRIPLES - len(np.unique(keys))
