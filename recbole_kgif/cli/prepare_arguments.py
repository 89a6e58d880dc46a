"""The arguments of ``prepare``: their parser, and checks that need no file."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.plain_files import (
    COLUMNS,
    add_plain_file_arguments,
    attribute,
    refuse_columns_of_no_file,
)
from recbole_kgif.data.recipes.kgat_files import PUBLISHED
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import whole_number

# How each kind of source can be split, the default first; None where there is none.
_SPLITS = {
    "kgat": ("as-given", "random", "new-items"),
    "interactions": ("random", "time", "new-items"),
    "dataset": (None, "random", "new-items"),
}


def source_kind(namespace: argparse.Namespace) -> str:
    """Which of the exclusive arguments names the source: a key of `_SPLITS`."""
    return next(kind for kind in _SPLITS if getattr(namespace, kind) is not None)


def new_name(namespace: argparse.Namespace) -> str:
    """Name of the new data set.

    Raises:
        UserError: none is given.
    """
    if namespace.name is not None:
        return str(namespace.name)
    if namespace.kgat in PUBLISHED:
        return str(namespace.kgat)
    raise UserError("--name is missing; give the new data set a name")


def split_method(namespace: argparse.Namespace) -> str:
    """How the data set is to be split.

    Raises:
        UserError: the source cannot be split so, or no split is named where there is no
            default.
    """
    kind = source_kind(namespace)
    method = namespace.split or _SPLITS[kind][0]
    if method in _SPLITS[kind] and method is not None:
        return str(method)
    known = " or ".join(filter(None, _SPLITS[kind]))
    reasons = {
        (None, "dataset"): f"is missing; give {known}",
        ("time", "kgat"): "the KGAT format has no times; give another",
        ("as-given", "interactions"): f"plain files are not split; give {known}",
    }
    reason = reasons.get((method, kind), f"--{kind} takes {known}; give one of them")
    raise UserError(f"--split{'' if method is None else f' {method}:'} {reason}")


def refuse_foreign_options(namespace: argparse.Namespace) -> None:
    """Refuse options of another source, and columns of a file that is not given.

    Raises:
        UserError: one is given.
    """
    given = {name for name, value in vars(namespace).items() if value not in (None, [])}
    kind = source_kind(namespace)
    if kind != "interactions":
        plain = [*COLUMNS, "separator", "no_header", "minimum_rating"]
        plain += [attribute(role) for roles in COLUMNS.values() for role in roles]
        for name in plain:
            if name.replace("-", "_") in given:
                raise UserError(
                    f"--{name.replace('_', '-')}: belongs to --interactions, not to "
                    f"--{kind}; leave it out"
                )
        if kind == "kgat" and "source" in given and namespace.kgat not in PUBLISHED:
            raise UserError(
                f"--source: needs --kgat with one of {', '.join(PUBLISHED)}; a folder "
                "is given to --kgat itself"
            )
        return
    if namespace.source is not None:
        raise UserError("--source: belongs to --kgat, not to --interactions")
    if namespace.triples is None:
        raise UserError("--triples is missing; give the file of the knowledge graph")
    refuse_columns_of_no_file(namespace)


def make_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = ArgumentParser(
        prog="recbole-kgif prepare",
        allow_abbrev=False,
        description="Make RecBole's atomic files, split and checked, from plain CSV or "
        "TSV files, from the KGAT format or from a data set that RecBole loads. The "
        "new data set is written atomically; what was left out is counted.",
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
    form.add_argument(
        "--dataset",
        metavar="NAME",
        help="a data set that a run can name, such as ml-100k, to split it anew",
    )
    for kind, meaning in (
        ("triples", "the knowledge graph: head, relation, tail"),
        ("links", "which item is which entity; left out where items are entities"),
        ("names", "names of the items"),
        ("entity-names", "names of the entities, which explanations show"),
    ):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=meaning)
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="with --kgat: folder with the files of a published data set, in place of "
        "the download; with --dataset: folder with its files",
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
    add_plain_file_arguments(parser)
    parser.add_argument(
        "--minimum-rating",
        type=_finite,
        metavar="RATING",
        help="leave out interactions rated lower",
    )
    parser.add_argument(
        "--split",
        choices=("as-given", "random", "time", "new-items"),
        help="as-given keeps the test of the KGAT format and takes the validation from "
        "its training, whole items where the test is of new items (the default there); "
        "random (the default of plain files); time "
        "tests each user's latest; new-items holds out a fifth of the items with all "
        "interactions for the test, a tenth for validation",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=2020,
        help="seed of the split (default: 2020)",
    )


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value
