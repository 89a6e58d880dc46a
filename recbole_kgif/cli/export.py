"""A trained model as files that other systems read, and that `serve` answers from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    add_restoring_arguments,
    check_checkpoint,
    loading_options,
)
from recbole_kgif.common.process import prepare_process
from recbole_kgif.serving.export_files import require_libraries, require_replaceable

if TYPE_CHECKING:
    from recbole_kgif.serving.precision import Loss

_PRECISIONS = ("float64", "float32", "float16")


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    check_checkpoint(namespace)
    require_replaceable(namespace.output)
    require_libraries("pyarrow", "safetensors")

    # Only now: loading PyTorch takes seconds, and mistakes are reported before.
    prepare_process()
    from recbole_kgif.serving.exporting import export_model
    from recbole_kgif.training.restore import restore

    restored = restore(**loading_options(namespace))
    output, precision = namespace.output, namespace.precision
    loss = export_model(restored, output, precision, with_index=namespace.index)
    if loss is not None:
        print(_report(loss, namespace.precision))
    print(namespace.output)
    return 0


def _report(loss: Loss, precision: str) -> str:
    """What a lower precision changes, in one line."""
    return (
        f"{precision}: of {loss.users:,} users {loss.same_lists:.1%} get the same "
        f"{loss.top} items in the same order, and {loss.same_items:.2%} of the items "
        f"stay in their lists; scores differ by {loss.largest_difference:.2g} at most"
    )


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif export",
        description="Write a trained KGIF as Parquet and safetensors files: vectors, "
        "biases, walks, interactions and names, from which scores are computed exactly "
        "without PyTorch.",
    )
    add_restoring_arguments(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write, completely or not at all; an earlier export there is "
        "replaced",
    )
    parser.add_argument(
        "--precision",
        choices=_PRECISIONS,
        default="float64",
        help="of the vectors (default: float64, which keeps all scores exact); what a "
        "lower one changes is measured, printed and written into the manifest",
    )
    parser.add_argument(
        "--index",
        action="store_true",
        help="add an index, by which serve and recommend list the items of a large "
        "catalogue faster and nearly exactly",
    )
    return parser
