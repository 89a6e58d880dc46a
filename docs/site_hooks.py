"""Adapts the pages to the site: links that leave docs/ lead to the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# A link to a file above docs/, such as ../results/x.md, or ../../ from a folder.
_OUTSIDE = re.compile(r"(!?\[[^\]]*\])\(((?:\.\./)+)([^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Replace links that leave the folder of pages.

    Args:
        markdown: the text of a page.
        page: the page of MkDocs.
        config: its configuration.

    Returns:
        The text. With ``repo_url`` such links lead to the repository; without one
        their words alone are left, and of a figure its description.

    Raises:
        FileNotFoundError: there is no such file.
    """
    docs = Path(config["docs_dir"])
    depth = len(Path(page.file.src_uri).parts)

    def replaced(match: re.Match[str]) -> str:
        words, up, target, anchor = match.groups()
        if up.count("../") < depth:
            return match[0]
        if not (docs.parent / target).exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {target} does not exist")
        text = words.lstrip("!")[1:-1]
        repository = config.get("repo_url")
        if not repository:
            return text
        kind = "raw" if words.startswith("!") else "blob"
        address = f"{repository.rstrip('/')}/{kind}/main/{target}"
        return f"{words}({address}{anchor or ''})"

    return _OUTSIDE.sub(replaced, markdown)
