"""What a training shows while it runs: RecBole's log, a line an epoch, or nothing."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

LOG, EPOCHS, QUIET = "log", "epochs", "quiet"
# Every epoch up to this one has a line; later ones ever fewer, unless they are slow.
_ALL_UP_TO = 5
_GROWTH = 1.5
_SECONDS = 60.0


class EpochLines:
    """A line for an epoch with its loss, its validation metric and its seconds.

    The first epochs have one each. Of hundreds of fast epochs ever fewer have one; an
    epoch that ends a minute after the last line has one, too.
    """

    def __init__(
        self, metric: str, *, epochs: int, is_larger_better: bool, name: str = "epoch"
    ):
        """Begin before the first epoch.

        Args:
            metric: the validation metric, as RecBole's option names it.
            epochs: how many there are at most.
            is_larger_better: whether a larger value of the metric is.
            name: what an epoch is called.
        """
        self._name = name
        self._metric = metric
        self._width = len(str(epochs))
        self._epochs = epochs
        self._sign = 1 if is_larger_better else -1
        self._best = -float("inf")
        self._shown = 0
        self._time = time.monotonic()

    def show(self, epoch: Mapping[str, Any]) -> None:
        """Print the line of an epoch to standard error, if it is to have one.

        Args:
            epoch: an entry of `RunTrainer.history`.
        """
        value = epoch.get("valid", {}).get(self._metric.lower())
        is_best = value is not None and self._sign * value > self._best
        if is_best:
            self._best = self._sign * value
        number = epoch["epoch"] + 1
        is_due = number <= _ALL_UP_TO or number >= _GROWTH * self._shown
        if not is_due and time.monotonic() - self._time < _SECONDS:
            return
        self._shown, self._time = number, time.monotonic()
        seconds = epoch["training_seconds"] + epoch.get("validation_seconds", 0.0)
        parts = [f"{self._name} {number:{self._width}}/{self._epochs}"]
        parts.append(f"loss {_total(epoch['loss']):.4f}")
        if value is not None:
            parts.append(f"{self._metric} {value:.4f}{' *' if is_best else '  '}")
        parts.append(f"{seconds:.1f} s")
        print("  ".join(parts), file=sys.stderr, flush=True)


def _total(loss: Any) -> float:
    return float(sum(loss)) if isinstance(loss, (tuple, list)) else float(loss)


@contextlib.contextmanager
def console_of_run(console: str) -> Iterator[None]:
    """Keep RecBole's log from the console, and let its bars vanish at their end.

    Only warnings are shown; the log file has everything. To be entered after RecBole
    has set up its log.

    Args:
        console: `LOG`, which leaves all as RecBole has it, `EPOCHS` or `QUIET`.
    """
    if console == LOG:
        yield
        return
    for handler in logging.getLogger().handlers:
        # Not those of files, nor of whoever has set up the process.
        if type(handler) is logging.StreamHandler:
            handler.setLevel(max(handler.level, logging.WARNING))
    from recbole.trainer import trainer

    before = trainer.tqdm
    trainer.tqdm = functools.partial(before, leave=False)
    try:
        yield
    finally:
        trainer.tqdm = before
