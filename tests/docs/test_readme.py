"""What the README says is what the package does; `test_docs` has its commands."""

from __future__ import annotations

import re
from pathlib import Path

from recbole_kgif.data.locate import BUILT_IN_NAMES

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text("utf-8")


def table_rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, its head left out."""
    section = README.split(f"\n## {heading}\n")[1]
    rows = section[section.index("\n|") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


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
