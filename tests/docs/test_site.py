"""The site of docs/, but for its building, which is a step of its own in CI."""

from __future__ import annotations

import importlib
import importlib.util
import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.docs.page_parser import CHECKOUT

DOCS = CHECKOUT / "docs"


def _hook(markdown: str, page: str, repository: str | None) -> str:
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    hooks: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    file = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    config = {"docs_dir": str(DOCS), "repo_url": repository}
    return str(hooks.on_page_markdown(markdown, file, config))


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (None, "See README and a figure, [this](tutorial.md)."),
        (
            "https://host/r/",
            "See [README](https://host/r/blob/main/README.md#use) and ![a figure]"
            "(https://host/r/raw/main/docs/images/explanation.png), [this]"
            "(tutorial.md).",
        ),
    ],
)
def test_links_that_leave_the_site(repository: str | None, expected: str) -> None:
    text = (
        "See [README](../README.md#use) and "
        "![a figure](../docs/images/explanation.png), [this](tutorial.md)."
    )
    assert _hook(text, "page.md", repository) == expected
    # From a folder, one step up is still on the site.
    inside = "[page](../page.md)"
    assert _hook(inside, "upstream/x.md", repository) == inside


def test_a_link_to_no_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"page\.md: nothing\.md does not"):
        _hook("[x](../nothing.md)", "page.md", None)


def test_every_page_is_in_the_navigation() -> None:
    site = yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text("utf-8"))
    listed: list[str] = []
    for part in site["nav"]:
        for pages in part.values():
            listed += [pages] if isinstance(pages, str) else pages
    assert len(listed) == len(set(listed))
    pages = {path.name for path in DOCS.glob("*.md")}
    assert set(listed) - {"upstream/README.md"} == pages


def test_the_names_of_the_api_reference_exist() -> None:
    text = (CHECKOUT / "docs" / "api.md").read_text("utf-8")
    names = re.findall(r"^::: (\S+)$", text, re.M)
    assert names
    for name in names:
        module, _, member = name.rpartition(".")
        found = importlib.import_module(module)
        # A package has its modules as members once they are imported.
        assert hasattr(found, member) or importlib.util.find_spec(name), name
