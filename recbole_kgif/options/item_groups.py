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
# New or warm items, with these alone as candidates.
NEW_ONLY, WARM_ONLY = "newonly", "warmonly"
# The harmonic mean of warm and new.
HARMONIC = "harmonic"

# In the order of display, each with what a table calls it.
TITLES: Mapping[str, str] = {
    WARM: "Warm",
    NEW: "New",
    HARMONIC: "Harmonic mean",
    NEW_ONLY: "New among new",
    WARM_ONLY: "Warm among warm",
    FEW: "Few",
    REST: "Rest",
}


def group_metric(group: str, metric: str) -> str:
    """The name of a group's metric."""
    return f"{group}-{metric}"


def split_group(metric: str) -> tuple[str, str]:
    """The group of a metric, empty for that of all items, and the metric without it."""
    group, dash, rest = metric.partition("-")
    return (group, rest) if dash and group in TITLES else ("", metric)


def main_test_metric(validation_metric: str) -> str:
    """The metric of a test to show first, by that which stopped the training.

    Where that is of warm items alone, it is the harmonic mean with new ones.
    """
    group, base = split_group(validation_metric)
    if not group:
        return base
    return group_metric(HARMONIC if group == WARM_ONLY else group, base)


def harmonic_mean(warm: float, new: float) -> float:
    """The harmonic mean of two values from 0 on; 0 where one is."""
    return 2 * warm * new / (warm + new) if warm + new > 0 else 0.0
