"""The report of a benchmark: a Markdown table, all values as JSON, and a figure."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from cpu_or_gpu import add_gpu_argument
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError
from recbole_kgif.options.argument_types import whole_number

DEFAULT_OUTPUT = Path("runs/benchmarks")

# A graph of this size takes some hundred GiB of memory.
_MOST_EDGES = 10**9

# The palette of Okabe and Ito, for any kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Report:
    """The results of a benchmark.

    Attributes:
        name: name of the files, without extension.
        title: headline.
        introduction: what was measured, and how.
        header: names of the columns; the first is text, the others are numbers.
        rows: the table.
        notes: paragraphs below the table.
        values: all measured values, JSON-serialisable.
    """

    name: str
    title: str
    introduction: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    values: Mapping[str, Any]


def run_as_script(run: Callable[[], None]) -> None:
    """Run a benchmark; report a mistake of the user in one line."""
    try:
        run()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def benchmark_parser(description: str, largest: Optional[int] = None) -> ArgumentParser:
    """A parser with the options `--gpu`, `--output` and perhaps `--largest`.

    Args:
        description: text of `--help`.
        largest: default of `--largest`; None to leave out the option.
    """
    parser = ArgumentParser(allow_abbrev=False, description=description)
    if largest is not None:
        parser.add_argument(
            "--largest",
            type=_number_of_edges,
            default=largest,
            metavar="EDGES",
            help=f"leave out larger graphs (default: {largest})",
        )
    add_gpu_argument(parser)
    add_output_argument(parser)
    return parser


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that says where a benchmark writes."""
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="DIR",
        help=f"folder for table, values and figure (default: {DEFAULT_OUTPUT})",
    )


def _number_of_edges(text: str) -> int:
    number = whole_number(text)
    if not 1 <= number <= _MOST_EDGES:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {_MOST_EDGES:,}")
    return number


def prepare_output(folder: Path) -> Path:
    """Create the output folder before the measurement, which can take hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be created ({error.strerror}); give another one"
        ) from None
    return folder


def write_report(
    folder: Path,
    report: Report,
    draw: Callable[[Sequence[Axes]], None],
    panels: int = 1,
) -> None:
    """Write all files, and print the table and the file names.

    Args:
        folder: existing folder.
        report: the results.
        draw: draws into the panels.
        panels: number of panels of the figure, side by side.
    """
    figure = Figure(figsize=(4.6 * panels + 0.4, 3.4), layout="constrained", dpi=150)
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    draw(axes)
    for each in axes:
        each.grid(alpha=0.25)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"{report.name}.{kind}")
    text = json.dumps(report.values, indent=2)
    write_atomic(folder / f"{report.name}.json", text + "\n")
    write_atomic(folder / f"{report.name}.md", _markdown(report))
    print("\n" + "\n".join(_table(report)) + "\n")
    for kind in ("md", "json", "png", "svg"):
        print(folder / f"{report.name}.{kind}")


def _markdown(report: Report) -> str:
    environment = report.values.get("environment", {})
    parts = [
        f"# {report.title}",
        report.introduction,
        "\n".join(_table(report)),
        *report.notes,
        f"![{report.title}]({report.name}.png)",
        "Measured with "
        + ", ".join(f"{key} {value}" for key, value in environment.items())
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _table(report: Report) -> list[str]:
    rule = ["---", *["--:"] * (len(report.header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (report.header, rule, *report.rows)]


def format_seconds(seconds: Optional[float]) -> str:
    """Format seconds with a suitable unit."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.3g} min"


def format_bytes(count: Optional[float]) -> str:
    """Format bytes with a suitable unit."""
    if count is None:
        return "-"
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:.2f} GiB"
