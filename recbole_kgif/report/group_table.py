"""The main metric by groups of items, where it is no metric of the table of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import pandas as pd

from recbole_kgif.options.item_groups import TITLES, split_group
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_table import Comparison
from recbole_kgif.report.statistics import over_seeds
from recbole_kgif.report.table_texts import MISSING, with_deviation


def group_table(comparison: Comparison, labels: Sequence[str]) -> Optional[Table]:
    """Means over seeds of the main metric of each group.

    Args:
        comparison: the runs.
        labels: the rows.

    Returns:
        A row for each label, a column for each group; None where the results have the
        groups already, or no run evaluated a new item.
    """
    main = comparison.main_metric
    if split_group(main)[0]:
        return None
    rows = [
        (run.label, group, result["metrics"][main])
        for run in comparison.runs
        for group, result in (run.record.get("test_groups") or {}).items()
        if main in result["metrics"]
    ]
    values = pd.DataFrame(rows, columns=["label", "group", "value"])
    columns = {}
    for group, name in TITLES.items():
        texts = with_deviation(over_seeds(values[values["group"] == group], ["label"]))
        if len(texts):
            columns[name] = [texts.get(label, MISSING) for label in labels]
    if TITLES["new"] not in columns:
        return None
    return Table("groups", pd.DataFrame({"Model": list(labels), **columns}))
