"""The end of a tuning in the terminal: its table, and what it says in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from recbole_kgif.cli.study_summary import percent
from recbole_kgif.cli.text_table import text_columns
from recbole_kgif.experiments.trial_outcomes import Trial
from recbole_kgif.experiments.tuning import TuningResult
from recbole_kgif.report.metric_names import larger_is_better, title
from recbole_kgif.report.table_texts import MISSING


def tuning_summary(tuned: Sequence[TuningResult], folder: Path) -> str:
    """The best validation value of each model beside that of its defaults.

    Args:
        tuned: the result of each model.
        folder: the tuning's folder.

    Returns:
        The table, an empty line and the sentence.
    """
    metric = tuned[0].metric if tuned else ""
    columns = {
        "Model": [result.model for result in tuned],
        "Trials": [str(len(result.trials)) for result in tuned],
        "Failed": [str(len(result.failures)) for result in tuned],
        "Defaults": [_text(_of_defaults(result)) for result in tuned],
        "Best": [_text(_value(result.best)) for result in tuned],
        "Gain": [_gain(result) for result in tuned],
        "Best trial": [
            result.best.name if result.best else MISSING for result in tuned
        ],
    }
    heading = f"{title(metric)} in validation"
    return f"{heading}\n{text_columns(columns)}\n\n{_sentence(tuned, folder)}"


def _sentence(tuned: Sequence[TuningResult], folder: Path) -> str:
    metric = tuned[0].metric if tuned else ""
    sign = 1 if larger_is_better(metric) else -1
    values = {r.model: v for r in tuned if (v := _value(r.best)) is not None}
    if not values:
        return "No trial has a result"
    first = max(values, key=lambda model: sign * values[model])
    (result,) = (result for result in tuned if result.model == first)
    gain = _gain(result)
    on_defaults = "" if gain == MISSING else f", {gain} on its defaults"
    return (
        f"{first} is best in validation: {title(metric)} {values[first]:.4f}"
        f"{on_defaults}; the test is for compare --options-from {folder}"
    )


def _value(trial: Optional[Trial]) -> Optional[float]:
    return None if trial is None or trial.outcome is None else trial.outcome.value


def _of_defaults(result: TuningResult) -> Optional[float]:
    """The value of the model's defaults, which are the first trial."""
    return next((_value(t) for t in result.trials if t.number == 0), None)


def _text(value: Optional[float]) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _gain(result: TuningResult) -> str:
    best, before = _value(result.best), _of_defaults(result)
    return MISSING if best is None or before is None else percent(best, before)
