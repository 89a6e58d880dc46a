"""Variants tested against the one that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recbole_kgif.report.paired_tests import PairedTest, holm, paired_test
from recbole_kgif.report.run_records import Run
from recbole_kgif.report.statistics import LEVEL, values_per_user


@dataclass(frozen=True)
class Difference:
    """What a variant differs by.

    Attributes:
        test: The paired test of variant minus reference.
        adjusted: Its p-value after Holm's correction over all variants.
    """

    test: PairedTest
    adjusted: float

    @property
    def is_significant(self) -> bool:
        """Whether the adjusted p-value is below `LEVEL`."""
        return self.adjusted < LEVEL


def differences(
    models: Mapping[str, Sequence[Run]], metric: str, reference: str
) -> dict[str, Difference]:
    """Test each variant against the reference, over the same users.

    Args:
        models: the runs of each variant.
        metric: name of a metric.
        reference: name of the variant that the others are held against.

    Returns:
        The difference of each other variant with values per user; none where the
        reference has no such values, or for fewer than two users.
    """
    per_user = {
        name: values
        for name, runs in models.items()
        if (values := values_per_user(runs, metric)) is not None
    }
    expected = per_user.pop(reference, {})
    if len(expected) < 2:
        return {}
    tests = {
        name: paired_test([values[user] for user in expected], list(expected.values()))
        for name, values in per_user.items()
    }
    adjusted = holm([test.p_value for test in tests.values()])
    return {
        name: Difference(test, p) for (name, test), p in zip(tests.items(), adjusted)
    }
