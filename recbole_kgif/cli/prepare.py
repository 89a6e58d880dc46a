"""Your own data, made into the files that RecBole reads."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.data.provenance import SourceFile, source_file, write_provenance
from recbole_kgif.data.recipes.columns import WantedColumn
from recbole_kgif.data.recipes.delimited import SEPARATORS, Layout, find_layout
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
from recbole_kgif.options.argument_types import whole_number

if TYPE_CHECKING:
    from recbole_kgif.data.numbered import NumberedDataset

# The columns of each plain file: what it holds, and whether the file must have it.
_COLUMNS = {
    "interactions": {"user": True, "item": True, "rating": False, "time": False},
    "triples": {"head": True, "relation": True, "tail": True},
    "links": {"link-item": True, "link-entity": True},
    "names": {"names-item": True, "names-name": True},
}
_SPLITS = ("as-given", "random", "time")


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    name = check_name(_name(namespace))
    method = _split_method(namespace)
    _refuse_foreign_options(namespace)
    layouts = {} if namespace.kgat is not None else _layouts(namespace)
    _check_columns(namespace, method, layouts)
    with new_dataset(namespace.output, name) as staging:
        if namespace.kgat is not None:
            data, record = _read_kgat(namespace, staging)
        else:
            data, record = _read_plain(layouts, _needed_values(namespace, method))
        _build(namespace, method, data, record, staging.prepared)
    folder = namespace.output / name
    print(f"\n{folder} is ready; train on it with\n  {_next_command(namespace, name)}")
    return 0


def _name(namespace: argparse.Namespace) -> str:
    if namespace.name is not None:
        return str(namespace.name)
    if namespace.kgat in PUBLISHED:
        return str(namespace.kgat)
    raise UserError("--name is missing; give the new data set a name")


def _split_method(namespace: argparse.Namespace) -> str:
    is_kgat = namespace.kgat is not None
    method = namespace.split or ("as-given" if is_kgat else "random")
    if is_kgat and method == "time":
        raise UserError("--split time: the KGAT format has no times; give another")
    if not is_kgat and method == "as-given":
        raise UserError(
            "--split as-given: plain files are not split; give random or time"
        )
    return str(method)


def _refuse_foreign_options(namespace: argparse.Namespace) -> None:
    """Refuse options of the other form, and columns of a file that is not given."""
    given = {name for name, value in vars(namespace).items() if value not in (None, [])}
    if namespace.kgat is not None:
        plain = [*_COLUMNS, "separator", "no_header", "minimum_rating"]
        plain += [_attribute(role) for roles in _COLUMNS.values() for role in roles]
        for name in plain:
            if name in given:
                raise UserError(
                    f"--{name.replace('_', '-')}: belongs to --interactions, not to "
                    "--kgat; leave it out"
                )
        if namespace.source is not None and namespace.kgat not in PUBLISHED:
            raise UserError(
                f"--source: needs --kgat with one of {', '.join(PUBLISHED)}; a folder "
                "is given to --kgat itself"
            )
        return
    if namespace.source is not None:
        raise UserError("--source: belongs to --kgat, not to --interactions")
    if namespace.triples is None:
        raise UserError("--triples is missing; give the file of the knowledge graph")
    for kind, roles in _COLUMNS.items():
        for role in roles:
            if _attribute(role) in given and kind not in given:
                raise UserError(f"--{role}-column: needs --{kind}; give it too")
    for kind in namespace.no_header:
        if kind not in given:
            raise UserError(f"--no-header {kind}: needs --{kind}; give it too")


def _attribute(role: str) -> str:
    return f"{role.replace('-', '_')}_column"


def _layouts(namespace: argparse.Namespace) -> dict[str, Layout]:
    """Find out, and print, how each plain file is read."""
    layouts = {}
    for kind, roles in _COLUMNS.items():
        path = getattr(namespace, kind)
        if path is None:
            continue
        wanted = [
            WantedColumn(
                role.rpartition("-")[2],
                f"--{role}-column",
                getattr(namespace, _attribute(role)),
                required,
            )
            for role, required in roles.items()
        ]
        layouts[kind] = find_layout(
            path,
            wanted,
            option=f"--{kind}",
            separator=namespace.separator,
            has_header=kind not in namespace.no_header,
        )
        print(layouts[kind].describe())
    return layouts


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
    from recbole_kgif.data.cleaning import LOST_TEST, clean, table
    from recbole_kgif.data.splitting import hash_parts, split, without_given_split
    from recbole_kgif.data.writer import counts_of, write_dataset, write_options

    name, seed = _name(namespace), namespace.seed
    if method != "as-given":
        data = without_given_split(data)
    data, steps = clean(data, namespace.minimum_rating)
    data = dataclasses.replace(data, parts=split(data.interactions, method, seed))
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


def _next_command(namespace: argparse.Namespace, name: str) -> str:
    command = f"python run_recbole_kgif.py --dataset {name}"
    if namespace.output == Path("dataset"):
        return command
    return f"{command} --data_path={namespace.output}"


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif prepare",
        allow_abbrev=False,
        description="Make RecBole's atomic files, split and checked, from plain CSV or "
        "TSV files or from the KGAT format. The data set is written atomically; "
        "what was left out is counted.",
        epilog="Columns that are not named are looked for by usual names in the first "
        "line, and taken in order where there are none. Every tenth interaction of a "
        "user goes to the test, every tenth to validation, one at least.",
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--kgat",
        metavar="DIR",
        help="folder in the KGAT format (train.txt, test.txt, kg_final.txt or its "
        f"archive kg_final.txt.zip, *_list.txt), or {', '.join(PUBLISHED)}: "
        "downloaded",
    )
    form.add_argument(
        "--interactions", type=Path, metavar="FILE", help="who interacted with what"
    )
    for kind, meaning in (
        ("triples", "the knowledge graph: head, relation, tail"),
        ("links", "which item is which entity; left out where items are entities"),
        ("names", "names of the items"),
    ):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=meaning)
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="with --kgat: folder with the files of a published data set, in place of "
        "the download",
    )
    parser.add_argument("--name", help="name of the new data set")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dataset"),
        metavar="DATA_DIR",
        help="parent of the new folder (default: dataset)",
    )
    _add_reading_arguments(parser)
    return parser


def _add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """How files are read, filtered and split."""
    for roles in _COLUMNS.values():
        for role in roles:
            parser.add_argument(f"--{role}-column", metavar="NAME")
    parser.add_argument(
        "--separator",
        type=_separator,
        metavar="CHARACTER",
        help=f"between two fields: {', '.join(SEPARATORS)}, or any character "
        "(default: the usual one that fits)",
    )
    parser.add_argument(
        "--no-header",
        nargs="+",
        action="extend",
        choices=tuple(_COLUMNS),
        default=[],
        help="files whose first line names no columns; these are then 1, 2, ...",
    )
    parser.add_argument(
        "--minimum-rating",
        type=_finite,
        metavar="RATING",
        help="leave out interactions rated lower",
    )
    parser.add_argument(
        "--split",
        choices=_SPLITS,
        help="as-given keeps the test of the KGAT format and takes the validation from "
        "its training (the default there); random (the default of plain files); time "
        "tests each user's latest",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=2020,
        help="seed of the split (default: 2020)",
    )


def _separator(text: str) -> str:
    character = SEPARATORS.get(text, "\t" if text == r"\t" else text)
    if character in SEPARATORS.values():
        return character
    if len(character) != 1 or character in '"\r\n\0':
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one of {', '.join(SEPARATORS)}, nor a character that can "
            "separate fields"
        )
    return character


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value
