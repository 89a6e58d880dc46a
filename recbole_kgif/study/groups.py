"""Users and items in groups by how often they occur in the training part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Group:
    """Users or items of a similar degree.

    Attributes:
        low: Least number of training interactions among the members.
        high: Largest number of training interactions among the members.
        members: Their original ids.
    """

    low: int
    high: int
    members: tuple[str, ...]

    @property
    def words(self) -> str:
        """The range of the degree, for a table."""
        return f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"


def quartiles(degrees: Mapping[str, int]) -> list[Group]:
    """Up to four groups of about the same size, of the smallest degrees first.

    Equal degrees are never parted, so that the groups may differ in size, and there are
    fewer of them where one degree is that of many.

    Args:
        degrees: the number of training interactions of each user or item.
    """
    values = np.fromiter(degrees.values(), dtype=np.int64, count=len(degrees))
    if not len(values):
        return []
    bounds = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")
    place = np.searchsorted(bounds, values)
    groups = []
    for number in np.unique(place):
        of_group = place == number
        members = [name for name, is_in in zip(degrees, of_group) if is_in]
        inside = values[of_group]
        groups.append(Group(int(inside.min()), int(inside.max()), tuple(members)))
    return groups
