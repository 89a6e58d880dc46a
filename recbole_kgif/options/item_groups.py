"""Groups of items by their training interactions, and names of metrics of a group.

A metric of a group is named ``GROUP-METRIC``, such as ``new-ndcg@20``.
"""

from __future__ import annotations

from collections.abc import Mapping

# The groups of items: without a training interaction, with 1 to 5, and with more.
NEW, FEW, REST = "new", "few", "rest"
MOST_OF_FEW = 5
# Few and rest together.
WARM = "warm"
# New items, with new ones alone as candidates.
NEW_ONLY = "newonly"
# The harmonic mean of warm and new; and what stops training, see `selection_value`.
HARMONIC, SELECTION = "harmonic", "selection"

# In the order of display, each with what a table calls it.
TITLES: Mapping[str, str] = {
    WARM: "Warm",
    NEW: "New",
    HARMONIC: "Harmonic mean",
    NEW_ONLY: "New among new",
    FEW: "Few",
    REST: "Rest",
    SELECTION: "Selection",
}

_LEAST_SHARE = 0.01


def group_metric(group: str, metric: str) -> str:
    """The name of a group's metric."""
    return f"{group}-{metric}"


def split_group(metric: str) -> tuple[str, str]:
    """The group of a metric, empty for that of all items, and the metric without it."""
    group, dash, rest = metric.partition("-")
    return (group, rest) if dash and group in TITLES else ("", metric)


def harmonic_mean(warm: float, new: float) -> float:
    """The harmonic mean of two values from 0 on; 0 where one is."""
    return 2 * warm * new / (warm + new) if warm + new > 0 else 0.0


def selection_value(warm: float, new: float) -> float:
    """What training is stopped by: a harmonic mean that is never 0 by one part alone.

    The smaller value counts at least as a hundredth of the larger. So a model that
    never finds a new item is chosen by its warm part, and any that finds some has the
    larger value.
    """
    return harmonic_mean(max(warm, _LEAST_SHARE * new), max(new, _LEAST_SHARE * warm))
