"""Links, index and examples of the pages, and what the README says."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_kgif.data.locate import BUILT_IN_NAMES
from tests.docs.page_parser import (
    CHECKOUT,
    PAGES,
    anchors_of,
    blocks_of,
    inline_code,
    name_of_page,
    tables_below,
)

README = CHECKOUT / "README.md"
LINKING_PAGES = (
    *PAGES,
    CHECKOUT / "CONTRIBUTING.md",
    CHECKOUT / "CHANGELOG.md",
    *sorted((CHECKOUT / "results").glob("*.md")),
    *sorted((CHECKOUT / "results").glob("*/README.md")),
)


@pytest.mark.parametrize("page", LINKING_PAGES, ids=name_of_page)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


@pytest.mark.parametrize(
    "page", [*PAGES, CHECKOUT / "CONTRIBUTING.md"], ids=name_of_page
)
def test_named_files_and_modules_exist(page: Path) -> None:
    folders = "recbole_kgif|tests|benchmarks|properties|dataset_configs|installation"
    if page.name == "contributing-upstream.md":  # names files of RecBole
        folders = "recbole_kgif"
    for code in inline_code(page):
        if re.fullmatch(rf"({folders})/[\w./-]+", code):
            assert (CHECKOUT / code).exists(), code
        if re.fullmatch(r"recbole_kgif(\.\w+)+", code):
            assert pkgutil.resolve_name(code), code


def test_the_index_lists_every_page() -> None:
    index = (CHECKOUT / "docs/README.md").read_text("utf-8")
    for page in (CHECKOUT / "docs").glob("*.md"):
        if page.name != "README.md":
            assert f"]({page.name})" in index, page.name


def test_examples_of_formats_are_of_their_format() -> None:
    read: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}
    blocks = [block for page in PAGES for block in blocks_of(page)]
    assert {"json", "yaml"} <= {block.language for block in blocks}
    for block in blocks:
        if block.language in read:
            assert read[block.language](block.text), f"{block.page}:{block.line}"


# --- the README ---------------------------------------------------------------------


def test_the_readme_has_at_most_180_lines() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 180


def test_every_data_set_is_listed() -> None:
    rows = tables_below(CHECKOUT / "docs/datasets.md", "Built-in data sets")
    names = " ".join(row[0] for row in rows)
    assert set(re.findall(r"`([^`]+)`", names)) == set(BUILT_IN_NAMES)


def test_the_test_command_is_that_of_the_ci() -> None:
    command = 'pip install -e ".[test]" && pytest\n'
    assert command in README.read_text("utf-8")
    assert command in (CHECKOUT / ".ci/run").read_text("utf-8")
