"""What an examination finds, before it has a format."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional


class Level(enum.Enum):
    """How much a finding matters: a problem stops a run or spoils its result."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What was looked at.
        value: What was found, for people.
        level: How much it matters.
        meaning: What it means.
        advice: What to do about it; empty where nothing is to be done.
        number: The number in the value, for programs.
    """

    what: str
    value: str
    level: Level = Level.OK
    meaning: str = ""
    advice: str = ""
    number: Optional[float] = None


def count(
    what: str,
    number: int,
    level: Level,
    meaning: str,
    advice: str = "",
    *,
    of: Optional[int] = None,
) -> Finding:
    """A finding that counts something which should better not be there.

    Args:
        what: What is counted.
        number: How many there are; none are fine.
        level: How much any of them matter.
        meaning: What they mean.
        advice: What to do about them.
        of: How many there could be.
    """
    share = f" of {of:,} ({number / of:.1%})" if of else ""
    if number == 0:
        return Finding(what, f"0{share.partition(' (')[0]}", number=0)
    return Finding(what, f"{number:,}{share}", level, meaning, advice, number)


def has_problem(findings: Iterable[Finding]) -> bool:
    """Whether any finding is a problem."""
    return any(finding.level is Level.PROBLEM for finding in findings)
