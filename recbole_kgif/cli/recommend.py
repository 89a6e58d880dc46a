"""Recommendations of a run's checkpoint, in the terminal or as a file."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    STANDARD_OUTPUT,
    add_output_argument,
    add_served_model_arguments,
    check_restoring,
    loading_options,
    refuse_data_of_export,
    write_output,
)
from recbole_kgif.cli.text_table import text_columns
from recbole_kgif.common.process import prepare_process
from recbole_kgif.data.names import fit_to_show
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one

if TYPE_CHECKING:
    import pandas as pd

ALL_USERS = "all"
# Ids that a line names.
_MOST_NAMED = 3


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    if namespace.export is not None:
        return _by_export(namespace)
    for option in ("jobs", "index"):
        if getattr(namespace, option):
            raise UserError(f"--{option}: needs --export; leave it out")
    to_bytes = _form_of(namespace.output)
    check_restoring(namespace)
    users = None if namespace.users is None else read_users(namespace.users)

    # Only now: loading PyTorch takes seconds, and mistakes are reported before.
    prepare_process()
    from recbole_kgif.recommend import Recommender

    recommender = Recommender.load(**loading_options(namespace))
    if namespace.cold_items is not None:
        items = _listed(namespace.cold_items)
        if not items:
            raise UserError(
                f"--cold-items {namespace.cold_items}: names nothing; give ids of items"
            )
        recommender.require("item", dict.fromkeys(items, "--cold-items: "))
        frame = recommender.recommend_from_items(items, namespace.top_k)
    else:
        if users is not None:
            recommender.require("user", users)
        frame = recommender.recommend(users, namespace.top_k)
        untrained = recommender.untrained(users)
        if untrained:
            n_users = len(recommender.users if users is None else users)
            print(_warning_of(untrained, n_users))
    _show(frame, namespace.output, to_bytes)
    return 0


def _by_export(namespace: argparse.Namespace) -> int:
    """Lists from an export, to which a list of items or a data set does not belong."""
    if namespace.cold_items is not None:
        raise UserError("--cold-items: needs --checkpoint; give --users, or ask serve")
    refuse_data_of_export(namespace)
    output = namespace.output
    is_folder = output is not None and output != STANDARD_OUTPUT and not output.suffix
    if namespace.jobs is not None and not is_folder:
        raise UserError(
            "--jobs: is for an --output that is a folder, a name without an ending"
        )
    to_bytes = _csv if is_folder else _form_of(output)
    users = read_users(namespace.users)
    asked = None if users is None else tuple(users)

    # Only now, as above.
    from tqdm import tqdm

    from recbole_kgif.serving.batch import Batch, write_lists
    from recbole_kgif.serving.exported_model import ExportedModel

    if is_folder:
        batch = Batch(namespace.export, output, namespace.top_k, asked, namespace.index)
        parts = write_lists(batch, namespace.jobs or 1)
        # disable=None: no bar where nobody watches, as in a file.
        n_users = sum(tqdm(parts, unit="part", disable=None))
        print(f"{n_users:,} users: {output}")
        return 0
    model = ExportedModel(namespace.export, by_index=namespace.index)
    frame = model.recommend(asked, namespace.top_k)
    _show(frame, output, to_bytes)
    return 0


def _form_of(output: Optional[Path]) -> Callable[[pd.DataFrame], bytes]:
    return _csv if output in (None, STANDARD_OUTPUT) else _writer(output)


def _show(
    frame: pd.DataFrame,
    output: Optional[Path],
    to_bytes: Callable[[pd.DataFrame], bytes],
) -> None:
    """Print a table, or write it."""
    if output is None:
        print(_table(frame))
    elif output == STANDARD_OUTPUT:
        sys.stdout.write(to_bytes(frame).decode("utf-8"))
    else:
        write_output(output, to_bytes(frame))
        print(f"{len(frame):,} recommendations: {output}")


def _warning_of(untrained: list[str], n_users: int) -> str:
    """A line about users of whom the model learned nothing."""
    named = ", ".join(map(shown, untrained[:_MOST_NAMED]))
    more = ", ..." if len(untrained) > _MOST_NAMED else ""
    return (
        f"approximate: {len(untrained):,} of the {n_users:,} users have no training "
        f"interaction ({named}{more}), so the model learned nothing of them"
    )


def read_users(text: str) -> Optional[dict[str, str]]:
    """Ids of users, each with where it was given.

    Args:
        text: ``all``, a file with an id a line, or ids separated by commas.

    Returns:
        The beginning of a message by id; None for all users.

    Raises:
        UserError: the file cannot be read, or there is no id.
    """
    if text == ALL_USERS:
        return None
    path = Path(text)
    # Not `path.is_dir()`, which fails on a list longer than a file's name.
    if os.path.isdir(path) and os.sep in text:
        raise UserError(f"--users {text}: is a folder; give all, a file or ids")
    if os.path.isfile(path):
        lines = ((number, line.strip()) for number, line in numbered_lines(path))
        users = {line: f"{path}, line {number}: " for number, line in lines if line}
    else:
        ids = _listed(text)
        # A single one may be meant as the name of a file.
        no_file = "there is no such file, and " if len(ids) == 1 else ""
        users = dict.fromkeys(ids, f"--users: {no_file}")
    if not users:
        raise UserError(f"--users {text}: names nobody; give all, a file or ids")
    return users


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _writer(path: Path) -> Callable[[pd.DataFrame], bytes]:
    """The function that turns a table into the form that a file's name ends with."""
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UserError(
            f"--output {path}: the name must end with {', '.join(_WRITERS)}"
        )
    if writer is _parquet:
        try:
            # Imported, because one made for another NumPy is found and does not work.
            importlib.import_module("pyarrow")
        except ImportError as error:
            raise UserError(
                f"--output {path}: Parquet needs pyarrow ({error}); run "
                'pip install "recbole-kgif[parquet]", or name a .csv or .json file'
            ) from None
    return writer


def _table(frame: pd.DataFrame) -> str:
    """Recommendations as a person reads them, without orders to the terminal."""
    columns = {}
    for name in frame.columns:
        values = frame[name].map("{:.4f}".format) if name == "score" else frame[name]
        columns[str(name)] = [fit_to_show(str(value)) for value in values]
    return text_columns(columns, left=4)


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode("utf-8")


def _json(frame: pd.DataFrame) -> bytes:
    text = frame.to_json(orient="records", force_ascii=False, indent=1)
    return f"{text}\n".encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(engine="pyarrow", index=False)


_WRITERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif recommend",
        also={"--k": "--top-k", "--user": "--users", "--cold-item": "--cold-items"},
        description="Show or write the best new items for users, by a run's "
        "checkpoint. What a user has seen in any part of the data set is left out. "
        "Names are written to files as they are: a spreadsheet may take one that "
        "begins with =, +, - or @ for a formula.",
    )
    add_served_model_arguments(
        parser, "folder that export has written; needs no data set"
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--users",
        metavar="USERS",
        help="a file with an id a line, the word all, or ids separated by commas",
    )
    whom.add_argument(
        "--cold-items",
        metavar="ITEMS",
        help="in place of users, ids of the items of one unknown user, separated by "
        "commas: scored as a user of the graph, for KGIF alone",
    )
    parser.add_argument(
        "--top-k",
        type=at_least_one,
        default=20,
        metavar="COUNT",
        help="items a user (default: 20)",
    )
    add_output_argument(
        parser,
        "FILE",
        "name ending with .csv, .json or .parquet, an existing file is replaced; - for "
        "CSV to standard output (default: a table in the terminal); with --export also "
        "a folder, which gets a Parquet file per 1,000 users and is resumed",
    )
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        metavar="COUNT",
        help="with --export and a folder: processes that compute (default: 1)",
    )
    parser.add_argument(
        "--index",
        action="store_true",
        help="with --export: list items by its index: faster, and nearly exact",
    )
    return parser
