"""What the parts of a trained KGIF do: attention, fusion, projection, walks."""

from __future__ import annotations

import argparse

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    add_output_argument,
    add_restoring_arguments,
    check_checkpoint,
    loading_options,
    write_output,
)
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    check_checkpoint(namespace)
    output = namespace.output
    if output is not None and output.exists() and not output.is_dir():
        raise UserError(f"--output {output}: is not a folder; name another one")

    # Only now: loading PyTorch takes seconds, and mistakes are reported before.
    prepare_process()
    from recbole_kgif.doctor.model_inspection import inspect_model
    from recbole_kgif.training.restore import restore

    inspection = inspect_model(restore(**loading_options(namespace)))
    text = inspection.to_text()
    print(text, end="")
    if output is not None:
        contents = {
            "html": inspection.to_html(),
            "json": inspection.to_json(),
            "txt": text,
        }
        for ending, content in contents.items():
            write_output(output / f"inspection.{ending}", content)
            print(output / f"inspection.{ending}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif inspect",
        description="Measure what the parts of a trained KGIF do (attention, "
        "fusion, projection, propagation, walks), and give for each value a verdict, "
        "ok, note or warning, with what to try.",
    )
    add_restoring_arguments(parser)
    add_output_argument(
        parser,
        "DIR",
        "folder for inspection.html (one page with figures), .json and .txt "
        "(default: the terminal alone)",
    )
    return parser
