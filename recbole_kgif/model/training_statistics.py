r"""What a model took from all of its training data, besides its parameters.

A model that is extended by new facts keeps these values: they estimate what items have
in common, and the scores of users and items that no new fact reaches stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from torch import Tensor

from .kgif import SpectralFilter


@dataclass(frozen=True)
class TrainingStatistics:
    """Statistics of the training data.

    Attributes:
        n_items: number of items, padding included; inverse item frequencies refer to it
        spectral_filter: P of the walks, None where they have none
        fact_scale: see `new_items.NewItems.fact_scale`
        is_known: whether each item had interactions in the training, shape: [n_items]
    """

    n_items: int
    spectral_filter: Optional[SpectralFilter]
    fact_scale: float
    is_known: Tensor

    def to_plain(self) -> dict[str, Any]:
        """The same as tensors and plain values, for a checkpoint."""
        form = self.spectral_filter
        return {
            "n_items": self.n_items,
            "spectral_filter": None
            if form is None
            else [form.scale, form.largest, list(form.coefficients)],
            "fact_scale": self.fact_scale,
            "is_known": self.is_known,
        }

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> TrainingStatistics:
        """What `to_plain` was called on."""
        form = values["spectral_filter"]
        if form is not None:
            scale, largest, coefficients = form
            form = SpectralFilter(scale, largest, tuple(coefficients))
        return cls(**{**values, "spectral_filter": form})
