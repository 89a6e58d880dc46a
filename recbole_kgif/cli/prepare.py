"""Your own data, made into the files that RecBole reads."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_kgif.cli.plain_files import find_layouts
from recbole_kgif.cli.prepare_arguments import make_parser as _parser
from recbole_kgif.cli.prepare_arguments import (
    new_name,
    refuse_foreign_options,
    source_kind,
    split_method,
)
from recbole_kgif.data.provenance import SourceFile, source_file, write_provenance
from recbole_kgif.data.recipes.delimited import Layout
from recbole_kgif.data.recipes.kgat_files import (
    PUBLISHED,
    TERMS,
    address,
    download_published,
    find_files,
    local_folder,
    locate_published,
    unpack_triples,
)
from recbole_kgif.data.staging import StagingFolder, check_name, new_dataset
from recbole_kgif.errors import UserError
from recbole_kgif.options.protocols import NEW_ITEMS

if TYPE_CHECKING:
    from recbole_kgif.data.numbered import NumberedDataset


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    name = check_name(new_name(namespace))
    method = split_method(namespace)
    refuse_foreign_options(namespace)
    kind = source_kind(namespace)
    layouts = find_layouts(namespace) if kind == "interactions" else {}
    _check_columns(namespace, method, layouts)
    with new_dataset(namespace.output, name) as staging:
        if kind == "kgat":
            data, record = _read_kgat(namespace, staging)
        elif kind == "dataset":
            data, record = _read_atomic(namespace)
        else:
            data, record = _read_plain(layouts, _needed_values(namespace, method))
        _build(namespace, method, data, record, staging.prepared)
    folder = namespace.output / name
    command = _next_command(namespace, name, method)
    print(f"\n{folder} is ready; train on it with\n  {command}")
    return 0


def _check_columns(
    namespace: argparse.Namespace, method: str, layouts: dict[str, Layout]
) -> None:
    needed = {
        "rating": (namespace.minimum_rating is not None, "--minimum-rating"),
        "time": (method == "time", "--split time"),
    }
    for role, (is_needed, option) in needed.items():
        if is_needed and role not in layouts["interactions"].places:
            raise UserError(
                f"{option}: no column of {namespace.interactions} is known to hold the "
                f"{role}; give --{role}-column"
            )


def _needed_values(namespace: argparse.Namespace, method: str) -> list[str]:
    """Those columns of values that are of use, or asked for by name."""
    is_needed = {
        "rating": namespace.minimum_rating is not None or namespace.rating_column,
        "time": method == "time" or namespace.time_column,
    }
    return [role for role, needed in is_needed.items() if needed]


def _read_kgat(
    namespace: argparse.Namespace, staging: StagingFolder
) -> tuple[NumberedDataset, dict[str, Any]]:
    """The data set, and what is recorded of its files."""
    # Only now: loading pandas takes a while, and a mistake should be reported at once.
    from recbole_kgif.data.recipes.kgat import read_kgat

    value, is_online = namespace.kgat, False
    if namespace.source is not None:
        files = find_files(locate_published(value, namespace.source))
    elif value in PUBLISHED and not Path(value).is_dir():
        is_online = True
        print(f"{value}: {TERMS}")
        files = download_published(value, staging.downloads)
    else:
        files = find_files(local_folder(value))
    sources = [
        source_file(path, address(value, path.name) if is_online else "")
        for path in files.values()
    ]
    for source in sources:
        print(f"{source.name}: {source.size:,} bytes, SHA-256 {source.sha256}")
    try:
        files["kg_final.txt"] = unpack_triples(files, staging.scratch)
        return read_kgat(files), _record_of(sources)
    except UserError:
        # Else a server's page of an error, say, would be read again the next time.
        for path in staging.downloads.iterdir():
            path.unlink()
        raise


def _read_plain(
    layouts: dict[str, Layout], needed: list[str]
) -> tuple[NumberedDataset, dict[str, Any]]:
    """The data set, and what is recorded of its files."""
    from recbole_kgif.data.recipes.plain import read_plain

    record = _record_of([source_file(layout.path) for layout in layouts.values()])
    data, notes = read_plain(layouts, needed)
    for note in notes:
        print(note)
    return data, {**record, "notes": notes} if notes else record


def _read_atomic(
    namespace: argparse.Namespace,
) -> tuple[NumberedDataset, dict[str, Any]]:
    """The data set without its split, and what is recorded of its files."""
    from recbole_kgif.data.dataset_files import DatasetFiles
    from recbole_kgif.data.locate import locate_dataset
    from recbole_kgif.data.recipes.atomic import read_atomic
    from recbole_kgif.options.settings import dataset_options

    location = locate_dataset(
        namespace.dataset, data_path=namespace.output, source=namespace.source
    )
    print(f"{location.name}: {location.how_found} ({location.folder})")
    files = DatasetFiles.from_options(
        location.folder,
        location.name,
        dataset_options(location.name, location.folder),
        unlinked_items="drop",
    )
    data, paths = read_atomic(files)
    return data, _record_of([source_file(path) for path in paths])


def _record_of(sources: list[SourceFile]) -> dict[str, Any]:
    return {"sources": [dataclasses.asdict(source) for source in sources]}


def _build(
    namespace: argparse.Namespace,
    method: str,
    data: NumberedDataset,
    record: dict[str, Any],
    folder: Path,
) -> None:
    """Filter, split and write a data set, and print what was done."""
    from recbole_kgif.data.cleaning import LOST_TEST, Step, clean, table
    from recbole_kgif.data.splitting import (
        hash_parts,
        split,
        validates_new_items,
        without_given_split,
    )
    from recbole_kgif.data.writer import counts_of, write_dataset, write_options

    name, seed = new_name(namespace), namespace.seed
    if method != "as-given":
        data = without_given_split(data)
    data, steps = clean(data, namespace.minimum_rating)
    n_before = len(data.interactions)
    data = dataclasses.replace(data, parts=split(data.interactions, method, seed))
    n_after = len(data.interactions)
    if n_after < n_before:
        what = "interactions: held out, user without any in training"
        steps.append(Step(what, n_before, n_after))
    counts, split_hash = counts_of(data), hash_parts(data)
    print("\n" + table(steps))
    lost = sum(step.before - step.after for step in steps if step.what == LOST_TEST)
    if lost:
        print(
            f"\n  {lost:,} test interactions are of items without a triple, so the "
            "test is not quite the published one"
        )
    counted = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items()]
    print(f"\n  {', '.join(counted)}")
    print(f"  split {method}, seed {seed}, hash {split_hash}")
    if counts["relations"] == 1:
        print(
            "  all triples have one relation: the graph says which item and entity "
            "belong together, not how"
        )
    if method == "as-given" and validates_new_items(data.interactions):
        print(
            "  the test is of items without any other interaction; the validation is a "
            "tenth of the other items with all of theirs"
        )
    write_dataset(folder, name, data)
    write_options(folder, name, method, seed)
    record = {
        **record,
        "steps": [dataclasses.asdict(step) for step in steps],
        "counts": counts,
        "split": method,
        "seed": seed,
        "split_hash": split_hash,
    }
    write_provenance(folder, {"dataset": name}, record)


def _next_command(namespace: argparse.Namespace, name: str, method: str) -> str:
    command = f"python run_recbole_kgif.py --dataset {name}"
    if method == NEW_ITEMS:
        command += f" --protocol {NEW_ITEMS}"
    if namespace.output == Path("dataset"):
        return command
    return f"{command} --data_path={namespace.output}"
