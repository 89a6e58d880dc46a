"""An estimate of the time that an epoch takes, from its first steps."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable

# Steps of the first epoch that are skipped, and those that are then timed.
_WARM_UP_STEPS = 2
_TIMED_STEPS = 20


class EpochTimeEstimator:
    """A loss function that logs, once, how long a longer epoch will take.

    Args:
        loss_function: RecBole's, called once a training step.
        n_steps: training steps of the epoch.
    """

    def __init__(self, loss_function: Callable[[Any], Any], n_steps: int):
        self.loss_function = loss_function
        self.n_steps = n_steps
        self.n_calls = 0
        self.start = 0.0

    def __call__(self, interaction: Any) -> Any:
        """Loss of a batch."""
        # A call says that all steps before it are done.
        if self.n_calls == _WARM_UP_STEPS:
            self.start = time.perf_counter()
        elif self.n_calls == _WARM_UP_STEPS + _TIMED_STEPS:
            seconds = (time.perf_counter() - self.start) / _TIMED_STEPS
            logging.getLogger().info(
                f"a training epoch will take about {_shown_seconds(seconds, self)}"
            )
        self.n_calls += 1
        return self.loss_function(interaction)


def _shown_seconds(a_step: float, estimator: EpochTimeEstimator) -> str:
    seconds = a_step * estimator.n_steps
    amount = f"{seconds:.1f} s"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            amount = f"{seconds / length:.1f} {unit}"
            break
    return f"{amount} ({estimator.n_steps:,} steps, {1000 * a_step:.3g} ms each)"
