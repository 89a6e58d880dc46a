"""The report on finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import add_output_argument
from recbole_kgif.report.packed_records import PACKED_FILE, pack


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    folders = namespace.folders
    output = namespace.output or folders[0]

    # Only now: loading matplotlib and SciPy takes a second.
    from recbole_kgif.cli.study_summary import comparison_summary
    from recbole_kgif.report.report_files import write_comparison, write_study
    from recbole_kgif.report.run_records import read_comparison

    comparison = read_comparison(folders)
    written = write_comparison(comparison, output)
    if len(folders) == 1:
        written += write_study(comparison, output)
    for path in written:
        print(path)
    print("\n" + comparison_summary(comparison))
    if namespace.pack:
        for folder in folders:
            print(pack(folder))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif report",
        allow_abbrev=False,
        description="Write report.md, report.csv, report.tex, report.html and figures "
        "from the records of runs, without running anything; from those of ablate or "
        "robustness its tables too.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folder written by compare, or with the result.json of a single run",
    )
    add_output_argument(parser, "DIR", "folder for the report (default: the first DIR)")
    parser.add_argument(
        "--pack",
        action="store_true",
        help=f"afterwards put the records of each DIR into its {PACKED_FILE}, a "
        "twentieth of their size, and remove runs/ with the logs",
    )
    return parser
