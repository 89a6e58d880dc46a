"""The end of a comparison in the terminal: its table, and what it says in a sentence.

Values and tests are those of the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from recbole_kgif.cli.text_table import text_columns
from recbole_kgif.options.item_groups import split_group
from recbole_kgif.options.variants import FULL
from recbole_kgif.report.ablation_page import Ablation
from recbole_kgif.report.comparison_page import labels_in_order, lead_of
from recbole_kgif.report.metric_names import (
    by_table,
    cutoff,
    larger_is_better,
    title,
)
from recbole_kgif.report.robustness_page import Robustness
from recbole_kgif.report.run_table import Comparison
from recbole_kgif.report.statistics import LEVEL
from recbole_kgif.report.table_texts import MISSING, p_text, with_deviation

# So that a row fits into most terminals.
_MOST_METRICS = 4
_MOST_GROUPS = 5


def comparison_summary(comparison: Comparison) -> str:
    """Models by their rank, and whether the first one leads.

    Args:
        comparison: the records.

    Returns:
        The table, an empty line and the sentence.
    """
    main = comparison.main_metric
    best, tests = lead_of(comparison, main)
    finished = labels_in_order(comparison)
    failed = [failure.label for failure in comparison.failures]
    labels = list(dict.fromkeys([*finished, *failed]))
    columns = {
        "Model": labels,
        "Seeds": [comparison.runs_finished(label) for label in labels],
        **{
            name: _column(comparison, metric, labels)
            for metric, name in _shown_metrics(comparison).items()
        },
    }
    if len(tests):
        means = comparison.over_seeds(main)["mean"]
        behind = {k: percent(means[k], means[best]) for k in tests.index}
        columns["to the first"] = [behind.get(label, MISSING) for label in labels]
        p_values = tests["adjusted"].map(p_text)
        columns["p (Holm)"] = [p_values.get(label, MISSING) for label in labels]
    base = split_group(main)
    head = f"{title(base[1])} by the items' training interactions\n" if base[0] else ""
    return f"{head}{text_columns(columns)}\n\n{_leader(comparison, best, tests)}"


def _shown_metrics(comparison: Comparison) -> dict[str, str]:
    """The metrics of the table, the main one first, and the title of each.

    Of groups of items those of the main metric: all, warm, new, and both together.
    """
    main = comparison.main_metric
    for shared in by_table(comparison.metrics):
        if shared.base and main in shared.metrics:
            return {m: shared.column(m) for m in shared.metrics[:_MOST_GROUPS]}
    same = [m for m in comparison.metrics if m != main and cutoff(m) == cutoff(main)]
    return {metric: title(metric) for metric in [main, *same][:_MOST_METRICS]}


def _leader(comparison: Comparison, best: str, tests: pd.DataFrame) -> str:
    """Whether the first model leads, in one sentence."""
    metric = comparison.main_metric
    means = comparison.over_seeds(metric)["mean"]
    name = title(metric)
    if best and len(means) == 1:
        return f"{best} has {name} {means[best]:.4f}; there is no other to compare with"
    if not best or tests.empty:
        return (
            f"No winner can be named: the records have no {name} of single users, or "
            "not in all runs"
        )
    following = tests.index[0]
    first = tests.loc[following]
    gain = f"{percent(means[best], means[following])} {name} on the next ({following})"
    p_value = _p(first["adjusted"])
    test = f"{p_value} over {first['users']:,.0f} users"
    sign = 1 if larger_is_better(metric) else -1
    if first["is_significant"] and sign * first["difference"] > 0:
        doubtful = _names(tests.index[~tests["is_significant"]])
        rest = f"; its lead on {doubtful} is not significant" if doubtful else ""
        return f"{best} leads: {gain}, {test}{rest}"
    return f"No winner: {best} is first, {gain}, which is not significant ({test})"


def ablation_summary(comparison: Comparison) -> str:
    """Variants against the full model, and which of them differ from it.

    Args:
        comparison: the records of one data set.

    Returns:
        The table, an empty line and the sentence.
    """
    study = Ablation(comparison)
    main = study.comparison.main_metric
    tests = study.tests[main]
    means = study.comparison.over_seeds(main)["mean"]
    labels = [variant.name for variant in study.variants]
    change = {k: percent(means[k], means[FULL]) for k in tests.index if k in means}
    p_values = tests["adjusted"].map(p_text)
    columns = {
        "Variant": labels,
        "Seeds": [study.comparison.runs_finished(label) for label in labels],
        title(main): _column(study.comparison, main, labels),
        "to full": [change.get(label, MISSING) for label in labels],
        "p (Holm)": [p_values.get(label, MISSING) for label in labels],
    }
    return f"{text_columns(columns)}\n\n{_components(tests, change, main)}"


def _components(tests: pd.DataFrame, change: dict[Any, str], metric: str) -> str:
    """Which variants differ from the full model, in one sentence."""
    if tests.empty:
        return f"Nothing is tested: no other variant has the {title(metric)} of users"
    sign = 1 if larger_is_better(metric) else -1
    certain = tests[tests["is_significant"]]
    order = (sign * certain["difference"]).sort_values()
    worse = [f"{k} ({change[k]})" for k in order.index[order < 0]]
    better = [f"{k} ({change[k]})" for k in order.index[order > 0]]
    alike = _names(tests.index[~tests["is_significant"]])
    parts = [f"worse than full is {', '.join(worse)}"] if worse else []
    parts += [f"better is {', '.join(better)}"] if better else []
    if not parts:
        parts = ["no variant differs significantly from full"]
    elif alike:
        parts.append(f"no significant difference without or with {alike}")
    users = f"{tests['users'].iloc[0]:,.0f} users"
    test = f"p < {LEVEL} after Holm's correction, {users}"
    text = f"By {title(metric)} {'; '.join(parts)} ({test})"
    return text.replace("without or with without-", "without-")


def robustness_summary(comparison: Comparison) -> str:
    """Models under each condition, and what the hardest one leaves of them.

    Args:
        comparison: the records of one data set.

    Returns:
        The table, an empty line and the sentence.
    """
    study = Robustness(comparison)
    rows = study.summary[study.summary["measure"] == study.main_measure]
    found = {
        (row["model"], row["condition"]): (text, row["share_of_full"])
        for (_, row), text in zip(rows.iterrows(), with_deviation(rows))
    }
    columns: dict[str, list[str]] = {"Model": list(study.labels)}
    for condition in study.conditions:
        cells = [found.get((model, condition.name)) for model in study.labels]
        columns[condition.words] = [cell[0] if cell else MISSING for cell in cells]
    return f"{title(study.main)}\n{text_columns(columns)}\n\n{_hardest(study, found)}"


def _hardest(study: Robustness, found: dict[Any, Any]) -> str:
    """What the hardest condition leaves of the main metric, in one sentence."""
    hardest = max(study.conditions, key=lambda c: (c.removed, c.replaced))
    name = title(study.main)
    kept, users = [], 0.0
    for model in study.labels:
        cell = found.get((model, hardest.name))
        tests = study.tests(model)
        if cell is None or cell[1] != cell[1] or hardest.words not in tests.index:
            kept.append(f"{model} has no result")
            continue
        test = tests.loc[hardest.words]
        users = test["users"]
        certainty = _p(test["adjusted"])
        if not test["is_significant"]:
            certainty = f"no significant difference, {certainty}"
        kept.append(f"{model} has {cell[1]:.1%} of its {name} ({certainty})")
    over = f", over {users:,.0f} users" if users else ""
    share, _, done = hardest.words.partition(" ")
    return f"With {share} of the triples {done} {', '.join(kept)}{over}"


def _column(comparison: Comparison, metric: str, labels: Sequence[str]) -> list[str]:
    texts = with_deviation(comparison.over_seeds(metric))
    missing = {
        label: MISSING if label in comparison.by_label else "failed" for label in labels
    }
    return [texts.get(label, missing[label]) for label in labels]


def percent(value: float, base: float) -> str:
    """The change from a base to a value."""
    return f"{(value - base) / base:+.1%}" if base else f"{value - base:+.4f}"


def _p(p_value: float) -> str:
    text = p_text(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _names(labels: Iterable[Any]) -> str:
    return ", ".join(map(str, labels))
