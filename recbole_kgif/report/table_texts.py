"""What is in the cells of tables, and the tables that several pages have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import pandas as pd

from recbole_kgif.report.metric_names import by_table
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_table import Comparison, Failure
from recbole_kgif.report.statistics import DECIMALS, over_seeds

MISSING = "-"
DAGGER = "\N{DAGGER}"
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def with_deviation(summary: pd.DataFrame, decimals: int = DECIMALS) -> pd.Series[str]:
    """Means with their deviation over seeds, where there is one.

    Args:
        summary: has ``mean`` and ``deviation``, as `statistics.over_seeds` gives them.
        decimals: how many are shown.
    """
    means = summary["mean"].map(f"{{:.{decimals}f}}".format)
    spread = summary["deviation"].map(f" {_PLUS_MINUS} {{:.{decimals}f}}".format)
    return means + spread.where(summary["deviation"].notna(), "")


def seconds(comparison: Comparison, name: str) -> pd.Series[str]:
    """Mean and deviation of a time by label.

    Args:
        comparison: the runs.
        name: a column of `Comparison.costs`.
    """
    values = comparison.costs.rename(columns={name: "value"})
    return with_deviation(over_seeds(values, ["label"]), 2)


def p_text(p_value: float) -> str:
    """A p-value as it is shown in a table."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def failures_table(failures: Sequence[Failure]) -> Optional[Table]:
    """The failed runs with their reasons; None where there are none."""
    rows = [(failure.label, str(failure.seed), failure.reason) for failure in failures]
    frame = pd.DataFrame(rows, columns=["Model", "Seed", "Reason"])
    return Table("failures", frame, {"Reason"}) if rows else None


def differences_frame(head: str, tests: pd.DataFrame) -> pd.DataFrame:
    """Differences of means over users, with their intervals and p-values, as texts.

    Args:
        head: title of the column of names.
        tests: as `statistics.paired_tests` gives them.
    """
    signed = f"{{:+.{DECIMALS}f}}".format
    columns = {
        head: tests.index,
        "Difference": tests["difference"].map(signed),
        "95% from": tests["low"].map(signed),
        "to": tests["high"].map(signed),
        "p": tests["p_value"].map(p_text),
        "p (Holm)": tests["adjusted"].map(p_text),
        "Significant": tests["is_significant"].map({True: "yes", False: "no"}),
    }
    return pd.DataFrame(columns)


def rows_of(
    comparison: Comparison,
    frames: Sequence[pd.DataFrame],
    failures: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
) -> pd.DataFrame:
    """The rows of a CSV file, with all digits.

    Args:
        comparison: says what all rows begin with.
        frames: rows of results; their deviation gets its full name.
        failures: a row for each failed run.
        columns: those of the file, in order. Where a row has no value it has None.
    """
    # As objects, or a missing value would make whole numbers decimal ones.
    parts = [frame.astype(object) for frame in frames]
    rows = pd.concat([*parts, pd.DataFrame(failures, dtype=object)], ignore_index=True)
    rows = rows.rename(columns={"deviation": "standard_deviation"})
    rows = rows.assign(**comparison.origin).reindex(columns=list(columns))
    return rows.astype(object).where(rows.notna(), None)


def p_value_tables(
    head: str, labels: Sequence[str], texts: Mapping[str, Mapping[Any, str]]
) -> list[Table]:
    """p-values after correction, in the tables that `by_table` makes.

    Args:
        head: title of the column of labels.
        labels: the rows.
        texts: for each metric the text of some labels.
    """
    tables = []
    for shared in by_table(texts):
        columns = {
            shared.column(metric): [
                texts[metric].get(label, MISSING) for label in labels
            ]
            for metric in shared.metrics
        }
        frame = pd.DataFrame({head: list(labels), **columns})
        tables.append(Table(shared.label("p-values"), frame))
    return tables


def text_table(
    label: str, rows: Sequence[Sequence[str]], columns: Sequence[str]
) -> Table:
    """A table of names with words in all other columns."""
    return Table(label, pd.DataFrame(rows, columns=list(columns)), set(columns[1:]))
