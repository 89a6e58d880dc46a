"""What the README says is what the package does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recbole_kgif.cli import main
from recbole_kgif.data.locate import BUILT_IN_NAMES
from recbole_kgif.resources import resource
from recbole_kgif.settings import read_config_file

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text("utf-8")


def table_rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, its head left out."""
    section = README.split(f"\n## {heading}\n")[1]
    rows = section[section.index("\n|") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_option_of_the_model_is_listed_with_its_default() -> None:
    listed = {}
    for names, defaults, _ in table_rows("Options of the model"):
        for name, default in zip(names.split(", "), defaults.split(", ")):
            listed[name.strip("`")] = yaml.safe_load(default)
    options = read_config_file(resource("properties/model/KGIF.yaml"), "KGIF")
    assert set(listed) == set(options)
    for name, value in options.items():
        expected = float(value) if isinstance(value, float) else value
        listed_value = listed[name]
        if isinstance(expected, float):
            listed_value = float(listed_value)
        assert listed_value == expected, name


def test_every_argument_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {row[0].strip("`").split()[0] for row in table_rows("The command")}
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.M))
    assert known - {"--help", "--version"} == {
        name for name in listed if name.startswith("--") and "=" not in name
    }


def test_every_data_set_is_listed() -> None:
    names = " ".join(row[0] for row in table_rows("Data"))
    assert set(re.findall(r"`([^`]+)`", names)) == set(BUILT_IN_NAMES)


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert not [link for link in links if not (CHECKOUT / link).exists()]


def test_the_two_commands_are_those_of_the_ci() -> None:
    assert "pip install -e . && python run_recbole_kgif.py\n" in README
    test_command = 'pip install -e ".[test]" && pytest\n'
    assert test_command in README
    assert test_command in (CHECKOUT / ".ci/run").read_text("utf-8")


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            check=True,
        )
