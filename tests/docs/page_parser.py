"""The pages for users: blocks, commands, inline code, anchors and tables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = (
    CHECKOUT / "README.md",
    CHECKOUT / "benchmarks" / "README.md",
    *sorted((CHECKOUT / "docs").rglob("*.md")),
)

OWN_PROGRAMS = ("python run_recbole_kgif.py", "recbole-kgif")
PROGRAMS = (
    *OWN_PROGRAMS,
    *("python benchmarks/", "python docs/", "optuna", "pip install", "pytest"),
    *("uv ", "uvx ", "git apply", "git am"),
)
_COMMAND_LANGUAGES = ("bash", "console", "sh", "shell")
_PYTHON = ("from ", "import ")

COMMAND, PYTHON, OTHER = "command", "python", "other"


@dataclass(frozen=True)
class Block:
    """A fenced or indented block of a page.

    Attributes:
        page: the page, from the checkout.
        line: its first line, from 1 on.
        language: language of the fence; empty for an indented block.
        text: content without indentation.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def kind(self) -> str:
        """Whether it holds commands, Python, or anything else."""
        if self.language in _COMMAND_LANGUAGES:
            return COMMAND
        if self.language:
            return PYTHON if self.language == "python" else OTHER
        if is_command(self.text):
            return COMMAND
        return PYTHON if self.text.startswith(_PYTHON) else OTHER


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        place: page and line.
        text: the command as written.
    """

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        """The program and its arguments."""
        return shlex.split(self.text)


def name_of_page(page: Path) -> str:
    """Path of a page in the checkout."""
    return page.relative_to(CHECKOUT).as_posix()


def is_command(text: str) -> bool:
    """Whether a text begins with one of the programs."""
    return text.startswith(PROGRAMS)


def blocks_of(page: Path) -> list[Block]:
    """All fenced and indented blocks of a page, in order."""
    name = name_of_page(page)
    blocks: list[Block] = []
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = re.fullmatch(r"```(\w*)", lines[number])
        begins_indented = lines[number].startswith("    ") and not (
            number and lines[number - 1].strip()
        )
        if fence:
            end = lines.index("```", number + 1)
            blocks.append(_block(name, number + 1, fence[1], lines[number + 1 : end]))
            number = end + 1
        elif begins_indented:
            end = number
            while end < len(lines) and lines[end].startswith("    "):
                end += 1
            block = [line[4:] for line in lines[number:end]]
            blocks.append(_block(name, number, "", block))
            number = end
        else:
            number += 1
    return blocks


def _block(page: str, line: int, language: str, lines: list[str]) -> Block:
    return Block(page, line + 1, language, "\n".join(lines))


def commands_of(block: Block) -> list[Command]:
    """The commands of a block; those joined by && are split.

    Raises:
        AssertionError: a line starts with none of the known programs.
    """
    commands = []
    text = re.sub(r"\\\n\s*", "", block.text)
    for number, line in enumerate(text.splitlines()):
        if line.startswith("#"):
            continue
        place = f"{block.page}:{block.line + number}"
        line = line.removeprefix("$ ").partition("  # ")[0].strip()
        for part in filter(None, line.split(" && ")):
            assert is_command(part), f"{place}: {part!r} is no known program"
            commands.append(Command(place, part))
    return commands


def inline_code(page: Path) -> list[str]:
    """The inline code of a page, in sentences and tables."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def tables_below(page: Path, heading: str) -> list[list[str]]:
    """Cells of all rows of the tables below a heading, without header rows."""
    text = page.read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.M)
    assert found, f"{page.name} has no heading {heading}"
    section = re.split(rf"^#{{1,{len(found[1])}}} ", text[found.end() :], flags=re.M)[0]
    rows = []
    for table in re.findall(r"(?:^\|.*\n)+", section, re.M):
        for row in table.splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
            rows.append([cell.strip() for cell in cells])
    return rows
