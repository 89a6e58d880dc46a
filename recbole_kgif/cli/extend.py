"""New users, items, entities and interactions for a trained model, without training."""

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
from recbole_kgif.cli.plain_files import (
    COLUMNS,
    add_plain_file_arguments,
    find_layouts,
    refuse_columns_of_no_file,
)
from recbole_kgif.common.files import require_new_folder
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    from recbole_kgif.extension.merging import MergedTables

# KGIF looks at neither ratings nor times.
_COLUMNS = {**COLUMNS, "interactions": {"user": True, "item": True}}
_ONE = {
    **{"users": "user", "items": "item", "entities": "entity"},
    **{"interactions": "interaction", "triples": "triple"},
}


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    output = namespace.output
    if not any(getattr(namespace, kind.replace("-", "_")) for kind in _COLUMNS):
        raise UserError("nothing to extend by; give --interactions, --triples or both")
    refuse_columns_of_no_file(namespace, _COLUMNS)
    check_checkpoint(namespace)
    require_new_folder(output, "--output ")
    layouts = find_layouts(namespace, _COLUMNS)

    # Only now: loading pandas and PyTorch takes seconds, and mistakes are reported
    # before.
    prepare_process()
    from recbole_kgif.extension.extended_model import extend_model, save_extended
    from recbole_kgif.extension.new_facts import facts_of_files
    from recbole_kgif.training.restore import restore

    facts, notes = facts_of_files(layouts)
    restored = restore(**loading_options(namespace))
    extension = extend_model(restored, facts)
    for note in [*notes, *extension.merged.notes]:
        print(f"note: {note}")
    save_extended(extension, restored, output)
    print(_summary(extension.merged))
    print(
        f"{output} is ready; recommend with\n  python run_recbole_kgif.py recommend "
        f"--checkpoint {output} --users all"
    )
    return 0


def _summary(merged: MergedTables) -> str:
    counted = [
        f"{count:,} {_ONE[kind] if count == 1 else kind}"
        for kind, count in merged.counts.items()
    ]
    return f"new: {', '.join(counted)}"


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif extend",
        description="Extend a trained KGIF by new facts, without training: new users, "
        "new items, new entities, and new interactions of known users. Relations have "
        "to be known. What is written recommends and explains like any trained model.",
        epilog="An id that the model does not know is new. Ids of triples are "
        "entities; an item is the entity that --links names, else that of its own id. "
        "A new item without interactions has to be in --links or --names.",
    )
    add_restoring_arguments(parser)
    for kind, meaning in (
        ("interactions", "new interactions: user, item"),
        ("triples", "new facts: head, relation, tail"),
        ("links", "which new item is which entity"),
        ("names", "names of new items"),
        ("entity-names", "names of new entities"),
    ):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=meaning)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="new folder for the extended model and its data",
    )
    add_plain_file_arguments(parser, _COLUMNS)
    return parser
