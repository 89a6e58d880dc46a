"""The one table of results: a row for each run, its metrics, its values by user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Optional

import pandas as pd

from recbole_kgif.options.conditions import CONDITIONS, Condition
from recbole_kgif.options.item_groups import main_test_metric
from recbole_kgif.options.models import title_of_model
from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.metric_names import ordered
from recbole_kgif.report.statistics import over_seeds

# As many as the values of the users have.
_DIGITS = 6


def label_of(request: Mapping[str, Any]) -> str:
    """The name of a request's runs: the variant of a study, else the model."""
    return str(request.get("variant", title_of_model(request["model"])))


def condition_of(request: Mapping[str, Any]) -> Optional[Condition]:
    """The condition of a request of a robustness study; None for any other request."""
    names = {
        condition.variant(request["model"]).name: condition for condition in CONDITIONS
    }
    return names.get(request.get("variant", ""))


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: The file that holds the record.
        record: What `training.run_record` has written.
    """

    path: Path
    record: Mapping[str, Any]

    @property
    def request(self) -> Mapping[str, Any]:
        """What was asked for; the model alone where the record does not have it."""
        request: Mapping[str, Any] = self.record.get("request") or {}
        return {"model": self.record["model"], **request}

    @property
    def label(self) -> str:
        """Name of the model, or of the variant that a study makes of it."""
        return label_of(self.request)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.record["seed"])

    @property
    def name(self) -> str:
        """Label and seed."""
        return f"{self.label}-{self.seed}"

    @property
    def test(self) -> dict[str, float]:
        """Test metrics, means over users.

        RecBole rounds them; where the record has the values of the users, their mean is
        taken anew, as a mean over seeds would otherwise be rounded twice.
        """
        metrics: dict[str, float] = dict(self.record["test"])
        of_users = (self.record.get("test_per_user") or {}).get("metrics", {})
        for metric, of_metric in of_users.items():
            values = [value for value in of_metric if value is not None]
            if metric in metrics and values:
                metrics[metric] = round(fmean(values), _DIGITS)
        return metrics

    @property
    def configuration(self) -> Mapping[str, Any]:
        """RecBole's resolved configuration."""
        options: Mapping[str, Any] = self.record["configuration"]
        return options

    @property
    def modes(self) -> list[str]:
        """RecBole's modes of evaluation, such as full: one, or validation and test."""
        mode = (self.configuration.get("eval_args") or {}).get("mode")
        modes = set(mode.values()) if isinstance(mode, dict) else {mode}
        return sorted(map(str, modes))

    @property
    def ranks_items(self) -> bool:
        """Whether the test is by ranked lists, and not by labels."""
        return self.modes != ["labeled"]

    @property
    def validation_metric(self) -> str:
        """The metric that training was stopped by."""
        return str(self.configuration.get("valid_metric", "")).lower()


@dataclass(frozen=True)
class Failure:
    """A run without a result.

    Attributes:
        request: What was asked for.
        reason: Why there is no result, in one line.
    """

    request: Mapping[str, Any]
    reason: str

    @property
    def label(self) -> str:
        """Name of the model, or of the variant that a study makes of it."""
        return label_of(self.request)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.request["seed"])

    @property
    def in_words(self) -> str:
        """Seed and reason."""
        return f"seed {self.seed}: {self.reason}"


@dataclass(frozen=True)
class Comparison:
    """Runs that may be in one table, at least one, and the failed ones."""

    runs: Sequence[Run]
    failures: Sequence[Failure]

    def with_labels(self, labels: Iterable[str]) -> Comparison:
        """The runs and failures of some labels, perhaps none."""
        kept = set(labels)
        return Comparison(
            [run for run in self.runs if run.label in kept],
            [failure for failure in self.failures if failure.label in kept],
        )

    @cached_property
    def origin(self) -> dict[str, str]:
        """What all rows of a CSV file begin with: data set, split and protocol."""
        first = self.runs[0].record
        return {
            "dataset": str(first["dataset"]),
            "split_hash": str(first["split_hash"]),
            "protocol": protocol_of(first),
        }

    @cached_property
    def by_label(self) -> dict[str, list[Run]]:
        """The runs of each label."""
        labels: dict[str, list[Run]] = {}
        for run in self.runs:
            labels.setdefault(run.label, []).append(run)
        return labels

    @cached_property
    def metrics(self) -> list[str]:
        """All metrics of any run, in the order of display."""
        return ordered(metric for run in self.runs for metric in run.test)

    @cached_property
    def main_metric(self) -> str:
        """`main_test_metric`, or the first one if it was not computed."""
        wanted = main_test_metric(self.runs[0].validation_metric)
        return wanted if wanted in self.metrics else self.metrics[0]

    @cached_property
    def costs(self) -> pd.DataFrame:
        """A row for each run: label, seed, times, memory and size."""
        return pd.DataFrame(
            {
                "label": run.label,
                "seed": run.seed,
                "training_seconds_per_epoch": record["training_seconds_per_epoch"],
                "validation_seconds_per_epoch": record["validation_seconds_per_epoch"],
                "epochs": len(record["epochs"]),
                "best_epoch": record["best_epoch"] + 1,
                "training_seconds": float(
                    sum(epoch["training_seconds"] for epoch in record["epochs"])
                ),
                "peak_memory_bytes": record["peak_memory_bytes"],
                "parameters": record["parameters"],
            }
            for run in self.runs
            for record in [run.record]
        )

    @cached_property
    def results(self) -> pd.DataFrame:
        """The test metrics: label, metric and value, a row for each run and metric."""
        rows = [
            (run.label, metric, value)
            for run in self.runs
            for metric, value in run.test.items()
        ]
        return pd.DataFrame(rows, columns=["label", "metric", "value"])

    @cached_property
    def users(self) -> pd.DataFrame:
        """Test values by user: a row for each user, columns (metric, label, seed).

        NaN where a user has no test item of the metric's group.

        A row for each run, metric and user would take several times the memory.
        """
        frames = {
            (run.label, run.seed): pd.DataFrame(values["metrics"], values["users"])
            for run in self.runs
            if (values := run.record.get("test_per_user")) and values["users"]
        }
        if not frames:
            return pd.DataFrame(columns=pd.MultiIndex.from_arrays([[], [], []]))
        return pd.concat(frames, axis=1).reorder_levels([2, 0, 1], axis=1)

    def over_seeds(self, metric: str) -> pd.DataFrame:
        """Mean, deviation and number of seeds of a metric.

        Returns:
            A row for each label that has the metric in all its runs, in their order.
        """
        of_metric = self.results[self.results["metric"] == metric]
        summary = over_seeds(of_metric, ["label"])
        n_runs = summary.index.map({k: len(runs) for k, runs in self.by_label.items()})
        return summary[summary["seeds"] == n_runs]

    def values_of_users(self, metric: str) -> dict[str, pd.DataFrame]:
        """Values by user and seed of each label that has them in all its runs."""
        if metric not in self.users.columns.get_level_values(0):
            return {}
        values = self.users[metric]
        return {
            label: values[label]
            for label in dict.fromkeys(values.columns.get_level_values(0))
            if values[label].shape[1] == len(self.by_label[label])
        }

    def means_of_users(self, metric: str) -> pd.DataFrame:
        """Means over seeds: a row for each user, a column for each such label."""
        means = {
            label: [fmean(of_seeds) for of_seeds in values.to_numpy(float).tolist()]
            for label, values in self.values_of_users(metric).items()
        }
        return pd.DataFrame(means, self.users.index)

    def runs_finished(self, label: str) -> str:
        """How many runs of a label finished, and of how many where some failed."""
        finished = len(self.by_label.get(label, ()))
        failed = sum(failure.label == label for failure in self.failures)
        return f"{finished} of {finished + failed}" if failed else str(finished)
