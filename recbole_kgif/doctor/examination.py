"""An examination as plain text, Markdown and JSON."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import pandas as pd

from recbole_kgif.doctor.dataset_findings import DatasetExamination, quantiles
from recbole_kgif.doctor.findings import Finding, Level, has_problem
from recbole_kgif.report.rendering import Table, render
from recbole_kgif.report.table_texts import text_table

FIGURE = "degrees"

_WIDTH = 88
_SHOWN_RELATIONS = 20
_LEVEL_WIDTH = max(len(level.value) for level in Level)


@dataclass(frozen=True)
class Examination:
    """All that was found.

    Attributes:
        environment: About the installation.
        datasets: About each data set.
    """

    environment: Sequence[Finding]
    datasets: Sequence[DatasetExamination]

    @property
    def findings(self) -> list[Finding]:
        """All findings."""
        own = [finding for dataset in self.datasets for finding in dataset.findings]
        return [*self.environment, *own]

    @property
    def has_problem(self) -> bool:
        """Whether anything found stops a run or spoils its result."""
        return has_problem(self.findings)


def in_text(title: str, findings: Sequence[Finding]) -> str:
    """A titled list of findings for a terminal.

    Args:
        title: what was examined.
        findings: each takes a line, and more where something is to be said of it.
    """
    width = max(len(finding.what) for finding in findings)
    lines = [title]
    for finding in findings:
        lines += _lines(finding, width)
    return "\n".join(lines)


def _lines(finding: Finding, width: int) -> list[str]:
    start = f"  {finding.level.value:{_LEVEL_WIDTH}}  "
    named = f"{start}{finding.what:{width}}  "
    lines = _wrapped(finding.value, named, " " * len(named))
    if finding.level is not Level.OK:
        words = f"{finding.meaning} {finding.advice}".strip()
        # Below the name, and set off from it.
        indent = " " * (len(start) + 2)
        lines += _wrapped(words, indent, indent)
    return lines


def _wrapped(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_on_hyphens=False,
        break_long_words=False,
    )


def summary(findings: Iterable[Finding]) -> str:
    """How many findings there are of each level, the worst first."""
    numbers = Counter(finding.level for finding in findings)
    counts = [
        f"{numbers[level]} {level.value}{'s' if numbers[level] != 1 else ''}"
        for level in reversed(Level)
        if level is not Level.OK
    ]
    return ", ".join(counts)


def in_markdown(examination: Examination, *, has_figure: bool) -> str:
    """The report as a Markdown file.

    Args:
        examination: what was found.
        has_figure: whether the figure of the degrees is written, too.
    """
    own = _findings_table("environment", examination.environment)
    parts: list[tuple[str, Table, Optional[Table], int]] = [
        ("Environment", own, None, 0)
    ]
    for dataset in examination.datasets:
        parts.append(
            (
                f"Data set {dataset.name}",
                _findings_table(dataset.name, dataset.findings),
                _relations_table(dataset) if dataset.relations else None,
                max(0, len(dataset.relations) - _SHOWN_RELATIONS),
            )
        )
    return render(
        "doctor.j2",
        "md",
        summary=summary(examination.findings),
        parts=parts,
        figure=FIGURE if has_figure else None,
    )


def _findings_table(label: str, findings: Sequence[Finding]) -> Table:
    rows = [(f.what, f.value, f.level.value, f.meaning, f.advice) for f in findings]
    return text_table(label, rows, ["", "Found", "Level", "Meaning", "Advice"])


def _relations_table(dataset: DatasetExamination) -> Table:
    triples = pd.Series(dataset.relations)
    largest = triples.head(_SHOWN_RELATIONS)
    columns = {
        "Relation": largest.index,
        "Triples": largest.map("{:,}".format),
        "Share": (largest / triples.sum()).map("{:.2%}".format),
    }
    return Table(f"{dataset.name}-relations", pd.DataFrame(columns))


def in_json(examination: Examination) -> str:
    """The report as a JSON file, with all relations and degrees."""
    content = {
        "has_problem": examination.has_problem,
        "environment": [_plain(finding) for finding in examination.environment],
        "datasets": {
            dataset.name: {
                "findings": [_plain(finding) for finding in dataset.findings],
                "relations": dict(dataset.relations),
                "degrees": {
                    kind: {
                        **quantiles(degrees),
                        "histogram": {
                            str(degree): number
                            for degree, number in sorted(
                                Counter(degrees.tolist()).items()
                            )
                        },
                    }
                    for kind, degrees in dataset.degrees.items()
                },
            }
            for dataset in examination.datasets
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _plain(finding: Finding) -> dict[str, Any]:
    return {**vars(finding), "level": finding.level.value}
