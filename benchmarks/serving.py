"""Scores, service and lists for all users from an export: time, memory, robustness.

Times are of the processor, because other programs may share it; wall times are in the
JSON. What is under load is measured by the wall.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_report import (
    COLOURS,
    Report,
    add_output_argument,
    format_bytes,
    format_seconds,
    prepare_output,
    run_as_script,
    write_report,
)
from matplotlib.axes import Axes
from measurement import current_memory, environment, peak_memory, run_in_fresh_process
from serving_exports import write_random_export
from serving_index import measure_index
from serving_load import (
    MALFORMED,
    Load,
    kill_exports,
    kill_services,
    lists_of,
    send,
    serving,
)
from synthetic import Counts

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import positive
from recbole_kgif.serving.export_files import MANIFEST
from recbole_kgif.serving.exported_model import ExportedModel

_LARGE = Counts(100_000, 100_000, 150_000, 40, 3_000_000, 2_000_000)
_K = 20
_ASKED = 100
_RATE, _PACED = 200.0, 4_000
_REQUESTS, _EVERY = 10_000, 10
_KILLS = 20
# Users of the plain matrix product, whose result has to fit in memory.
_PRODUCT_USERS = 100


def measure_lists(folder: Path, n_users: int, by_index: bool = False) -> dict[str, Any]:
    """Load an export, rank items for users one by one, and for all of them together.

    Args:
        folder: of the export.
        n_users: how many users get lists.
        by_index: whether lists are made by the index of the export.
    """
    start = time.perf_counter()
    model = ExportedModel(folder, by_index=by_index)
    load_seconds = time.perf_counter() - start
    users = np.linspace(0, len(model.user_ids) - 1, n_users).astype(np.int64)
    asked = users[np.linspace(0, n_users - 1, _ASKED).astype(np.int64)]
    single = [
        _seconds(lambda u=u: list(model.ranked(np.array([u]), _K))) for u in asked
    ]
    vectors = model.items.scaled_vectors
    of_vectors = [_seconds(lambda u=u: vectors @ model.users.vectors[u]) for u in asked]
    half = len(users) // 2
    first = _seconds(lambda: _lists(model, users[:half]))
    memory_half = current_memory()
    second = _seconds(lambda: _lists(model, users[half:]))
    memory, peak = current_memory(), peak_memory()
    some = users[:_PRODUCT_USERS]
    product = _seconds(lambda: model.users.vectors[some] @ vectors.T)
    return {
        "load_seconds": load_seconds,
        "users": len(users),
        "all_users": len(model.user_ids),
        "items": len(model.item_ids),
        "walk_entries": 0
        if model.items.walks is None
        else model.items.walks.matrix.nnz,
        "single_cpu": float(np.median([cpu for cpu, _ in single])),
        "single_wall": float(np.median([wall for _, wall in single])),
        "vectors_cpu": float(np.median([cpu for cpu, _ in of_vectors])),
        "lists_cpu": (first[0] + second[0]) / len(users),
        "lists_wall": (first[1] + second[1]) / len(users),
        "product_cpu": product[0] / len(some),
        "memory_half": memory_half,
        "memory": memory,
        "peak_memory": peak,
    }


def _lists(model: ExportedModel, users: Any) -> int:
    return sum(len(items) for items, _ in model.ranked(users, _K))


def _seconds(call: Any) -> tuple[float, float]:
    """Processor's and wall time of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure_service(export: Path, log: Path) -> dict[str, Any]:
    """A service under a steady load, then under many requests, some malformed."""
    users = ExportedModel(export).user_ids
    with serving(export, log) as server:
        send(server, lists_of(users, 500))
        cpu = server.cpu_seconds()
        paced = send(server, lists_of(users, _PACED), _RATE)
        cpu = server.cpu_seconds() - cpu
        before = server.memory()
        mixed = lists_of(users, _REQUESTS)
        for number in range(0, _REQUESTS, _EVERY):
            mixed[number] = MALFORMED[number // _EVERY % len(MALFORMED)]
        start = time.perf_counter()
        answered = send(server, mixed)
        seconds = time.perf_counter() - start
        after = server.memory()
        has_ended = server.process.poll() is not None
    return {
        "rate": _RATE,
        "cpu_per_request": cpu / _PACED,
        "percentiles": _percentiles(paced),
        "paced_seconds": sorted(paced.seconds),
        "paced_statuses": dict(paced.statuses),
        "requests": _REQUESTS,
        "malformed": _REQUESTS // _EVERY,
        "throughput": _REQUESTS / seconds,
        "statuses": dict(answered.statuses),
        "bad_answers": answered.bad_answers,
        "has_ended": has_ended,
        "memory_before": before,
        "memory_after": after,
        "traces": log.read_text("utf-8").count("Traceback"),
    }


def _percentiles(load: Load) -> dict[str, float]:
    return {
        str(share): float(np.percentile(load.seconds, share)) for share in (50, 95, 99)
    }


def run() -> None:
    """Measure, and write the report."""
    arguments = _parser().parse_args()
    if not (arguments.export / MANIFEST).is_file():
        raise UserError(f"--export {arguments.export}: holds no {MANIFEST}")
    output = prepare_output(arguments.output)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "service.log"
        log.touch()
        n_users = len(ExportedModel(arguments.export).user_ids)
        values: dict[str, Any] = {"environment": environment()}
        values["small"] = run_in_fresh_process(measure_lists, arguments.export, n_users)
        values["service"] = measure_service(arguments.export, log)
        values["killed_services"] = kill_services(arguments.export, log, _KILLS)
        values["killed_exports"] = kill_exports(arguments.export, _KILLS)
        counts = Counts(
            **{
                key: max(20, round(n * arguments.scale))
                for key, n in vars(_LARGE).items()
            }
            | {"relations": _LARGE.relations}
        )
        large = folder / "large"
        write_random_export(large, counts)
        values["large"] = run_in_fresh_process(measure_lists, large, arguments.users)
        values["by_index"] = run_in_fresh_process(
            measure_lists, large, arguments.users_by_index, True
        )
        values["index"] = run_in_fresh_process(measure_index, large, _ASKED)
    write_report(output, _report(values), lambda axes: _draw(axes, values))


def _report(values: dict[str, Any]) -> Report:
    small, large, service = values["small"], values["large"], values["service"]
    times = service["percentiles"]
    killed, exports = values["killed_services"], values["killed_exports"]
    columns = small, large, values["by_index"]
    rows = [
        ("load", *_seconds_of(columns, "load_seconds")),
        ("20 items for a user", *_seconds_of(columns, "single_cpu")),
        ("the product of the vectors alone", *_seconds_of(columns, "vectors_cpu")),
        ("20 items for a user, many together", *_seconds_of(columns, "lists_cpu")),
        (
            "times the plain matrix product of the vectors",
            # The vectors of both columns on the right are the same.
            *(
                f"{each['lists_cpu'] / exact['product_cpu']:.1f}"
                for each, exact in zip(columns, (small, large, large))
            ),
        ),
        ("memory after half of the lists", *_memory(columns, "memory_half")),
        ("memory after all of them", *_memory(columns, "memory")),
        ("peak memory", *_memory(columns, "peak_memory")),
    ]
    notes = (
        f"Service of the left export, {service['rate']:.0f} requests a second over "
        f"eight connections, client on the same machine: median "
        f"{format_seconds(times['50'])}, 99th percentile "
        f"{format_seconds(times['99'])}, answers {service['paced_statuses']}; the "
        f"service uses {format_seconds(service['cpu_per_request'])} of the processor "
        "for each.",
        f"{service['requests']:,} requests, of which {service['malformed']:,} "
        f"malformed, as fast as they are answered: {service['throughput']:.0f} a "
        f"second; answers {service['statuses']}; {service['bad_answers']} without the "
        f"right form; {service['traces']} traces in the log; memory "
        f"{format_bytes(service['memory_before'])} before, "
        f"{format_bytes(service['memory_after'])} after.",
        f"Services killed under load {killed['times']} times: {killed['same']} starts "
        "gave the answers of the first; a start takes "
        f"{format_seconds(killed['start_seconds'])}. Exports killed while they were "
        f"written {exports['times']} times: {exports['valid']} times a valid export "
        f"was there, {exports['none']} times none, {exports['broken']} times a broken "
        "one.",
        *_index_notes(values["index"]),
    )
    header = tuple(
        f"{each['items']:,} items, {each['walk_entries']:,} entries of X, "
        f"{kind} lists of {each['users']:,} users"
        for each, kind in zip(columns, ("exact", "exact", "by the index"))
    )
    return Report(
        name="serving",
        title="From an export: lists, service, all users",
        introduction="Lists of 20 by NumPy and SciPy on one core, medians of "
        f"{_ASKED} users; seconds of the processor, load by the wall. The columns on "
        "the right are a random graph of 3 million triples (times `--scale`).",
        header=("", *header),
        rows=rows,
        notes=notes,
        values=values,
    )


def _index_notes(index: dict[str, Any]) -> tuple[str, ...]:
    """What the index changes, and what libraries for near vectors would find."""
    libraries = (
        f"{each['library']} {each['version']}: {format_seconds(each['search_cpu'])}, "
        f"{each['recall_at_best']:.1%}, built in "
        f"{format_seconds(each['build_seconds'])}"
        for each in index["libraries"]
    )
    return (
        f"The index beside exact lists of the same {index['users']} users: recall@20 "
        f"{index['recall']:.4f}, {index['same_lists']:.0%} of the lists the same in "
        "the same order, scores that differ by "
        f"{index['median_difference']:.1g} (median of the largest of a list) and "
        f"{index['largest_difference']:.1g} at most; a list takes "
        f"{format_seconds(index['index_cpu'])} in place of "
        f"{format_seconds(index['exact_cpu'])}, together with others "
        f"{format_seconds(index['together_cpu'])}. Its product that screens all items "
        f"takes {format_seconds(index['screening_cpu'])} of that.",
        f"What libraries take to find the {index['found']:,} largest products of the "
        "vectors, bias included, and how many items of the exact lists these have, "
        f"joined with the {index['found']:,} items of the strongest direct walks: "
        f"{'; '.join(libraries) or 'none is installed'}.",
    )


def _seconds_of(columns: Sequence[dict[str, Any]], name: str) -> Iterator[str]:
    return (format_seconds(each[name]) for each in columns)


def _memory(columns: Sequence[dict[str, Any]], name: str) -> Iterator[str]:
    return (format_bytes(each[name]) for each in columns)


def _draw(axes: Sequence[Axes], values: dict[str, Any]) -> None:
    seconds = np.array(values["service"]["paced_seconds"])
    share = 100 * np.arange(1, len(seconds) + 1) / len(seconds)
    axes[0].plot(1000 * seconds, share, color=COLOURS[0])
    axes[0].set_xscale("log")
    axes[0].set_xlabel("milliseconds")
    axes[0].set_ylabel("% of the requests answered")


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False, description=__doc__)
    parser.add_argument(
        "--export",
        type=Path,
        required=True,
        metavar="DIR",
        help="what export has written, such as that of ml-100k",
    )
    parser.add_argument(
        "--scale",
        type=positive,
        default=1.0,
        metavar="FACTOR",
        help="size of the random graph (default: 1, which is 100,000 items)",
    )
    parser.add_argument(
        "--users",
        type=int,
        default=200,
        metavar="COUNT",
        help="users of the random graph that get exact lists (default: 200)",
    )
    parser.add_argument(
        "--users-by-index",
        type=int,
        default=2_000,
        metavar="COUNT",
        help="users of the random graph that get lists by its index (default: 2,000)",
    )
    add_output_argument(parser)
    return parser


if __name__ == "__main__":
    run_as_script(run)
