"""Times the steps of a training epoch, and can end it early."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

from cpu_or_gpu import Device


class StepLimitReached(Exception):
    """Ends an epoch of training early."""


class StepClock:
    """A loss that records the start of each step, and ends the epoch after some.

    Args:
        loss: the model's loss of a batch.
        n_steps: number of steps; None for the whole epoch.
        device: device of the model.
    """

    def __init__(
        self, loss: Callable[[Any], Any], n_steps: Optional[int], device: Device
    ) -> None:
        self.loss = loss
        self.n_steps = n_steps
        self.device = device
        self.times: list[float] = []

    def __call__(self, batch: Any) -> Any:
        """The loss of a batch.

        Raises:
            StepLimitReached: all requested steps have been taken.
        """
        self.device.synchronize()
        self.times.append(time.perf_counter())
        if self.n_steps is not None and len(self.times) > self.n_steps:
            raise StepLimitReached
        return self.loss(batch)

    def train(self, trainer: Any, loader: Any) -> None:
        """Take the steps, and record the end of the last one."""
        try:
            trainer._train_epoch(loader, 0, loss_func=self)
        except StepLimitReached:
            return
        self.device.synchronize()
        self.times.append(time.perf_counter())

    def seconds_per_step(self, n_first: int) -> float:
        """Mean over all steps except the first ones, with the reading of batches."""
        n_counted = len(self.times) - 1 - n_first
        return (self.times[-1] - self.times[n_first]) / n_counted
