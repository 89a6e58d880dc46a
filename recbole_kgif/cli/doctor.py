"""The examination of the installation and of data sets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import output_folder
from recbole_kgif.common.files import write_atomic
from recbole_kgif.common.process import prepare_process
from recbole_kgif.data.locate import DatasetLocation, locate_dataset
from recbole_kgif.errors import EXIT_PROBLEMS_FOUND, UserError
from recbole_kgif.options.settings import (
    dataset_options,
    parse_overrides,
    read_config_file,
)

if TYPE_CHECKING:
    from recbole_kgif.doctor.examination import Examination

_MODEL = "KGIF"


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code: 1 where a problem was found.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    options: dict[str, Any] = {}
    for path in namespace.config_files:
        options.update(read_config_file(path, _MODEL))
    options.update(parse_overrides(rest, _MODEL))
    locations = [
        locate_dataset(
            name,
            data_path=Path(options.get("data_path", "dataset")),
            source=namespace.source,
        )
        for name in dict.fromkeys(namespace.dataset)
    ]
    options_of = {
        location.name: {**dataset_options(location.name, location.folder), **options}
        for location in locations
    }
    output = _output(namespace.output)

    examination = _examine(locations, options_of)
    if output is not None:
        _write(examination, output)
    return EXIT_PROBLEMS_FOUND if examination.has_problem else 0


def _output(asked_for: Optional[Path]) -> Optional[Path]:
    return None if asked_for is None else output_folder(asked_for, "doctor")


def _examine(
    locations: list[DatasetLocation], options_of: Mapping[str, Mapping[str, Any]]
) -> Examination:
    """Examine, and print each part as it is done."""
    # Only now: loading PyTorch takes seconds, and a mistake should be reported at once.
    prepare_process()
    from recbole_kgif.doctor.dataset_findings import examine_dataset
    from recbole_kgif.doctor.environment import examine_environment
    from recbole_kgif.doctor.examination import Examination, in_text, summary
    from recbole_kgif.doctor.smoke_training import examine_training

    environment = [*examine_environment(), examine_training()]
    print(in_text("Environment", environment))
    datasets = []
    for location in locations:
        datasets.append(examine_dataset(location, options_of[location.name]))
        title = f"\nData set {location.name} ({location.folder})"
        print(in_text(title, datasets[-1].findings))
    examination = Examination(environment, datasets)
    print(f"\n{summary(examination.findings)}")
    return examination


def _write(examination: Examination, output: Path) -> None:
    """Write the report into a folder, and print what was written."""
    from recbole_kgif.doctor.examination import FIGURE, in_json, in_markdown

    contents: dict[str, Any] = {}
    drawn = [dataset for dataset in examination.datasets if dataset.degrees]
    if drawn:
        from recbole_kgif.doctor.degree_figure import draw_degrees

        contents = {f"{FIGURE}.{kind}": c for kind, c in draw_degrees(drawn).items()}
    contents["doctor.md"] = in_markdown(examination, has_figure=bool(drawn))
    contents["doctor.json"] = in_json(examination)
    for name, content in contents.items():
        try:
            write_atomic(output / name, content)
        except OSError as error:
            raise UserError(
                f"--output {output / name}: cannot be written ({error.strerror}); name "
                "another folder"
            ) from None
        print(output / name)


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif doctor",
        allow_abbrev=False,
        description="Examine the installation, by two steps of training among others, "
        "and data sets, and say of each finding what it means and what to do.",
        epilog="Options of RecBole that say how a data set is read, such as data_path "
        "and field_separator, can be added as --key=value. Exit code 1 says that a "
        "problem was found.",
    )
    parser.add_argument(
        "-d",
        "--dataset",
        nargs="+",
        default=[],
        metavar="NAME",
        help="data sets, by the names that training takes (default: none)",
    )
    parser.add_argument(
        "--config-files",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="RecBole configuration files; a later one overrides an earlier one",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="folder with the raw or prepared files of the data sets "
        "(default: $RECBOLE_KGIF_DATA)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for doctor.md, doctor.json and degrees.png and .svg",
    )
    return parser
