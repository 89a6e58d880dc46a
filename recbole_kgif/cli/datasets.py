"""The data sets that there are, and where they are found."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.text_table import text_columns


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)

    # Only now: --help answers without it.
    from recbole_kgif.data.locate import list_datasets

    places = list_datasets(namespace.dataset_path, namespace.source)
    columns = {"data set": list(places), "where": list(places.values())}
    print(text_columns(columns, left=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif datasets",
        also={"--data-path": "--dataset-path"},
        description="List the data sets that --dataset takes, each with the folder "
        "that it is in or with how it is got. Your own ones are made by prepare.",
    )
    parser.add_argument(
        "--dataset-path",
        type=Path,
        default=Path("dataset"),
        metavar="DIR",
        help="folder of the prepared data sets (default: dataset)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="folder with raw or prepared files (default: $RECBOLE_KGIF_DATA)",
    )
    return parser
