"""The report on an ablation: what each component of KGIF contributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from recbole_kgif.errors import UserError
from recbole_kgif.options.models import base_model, title_of_model
from recbole_kgif.options.settings import preset_options
from recbole_kgif.options.variants import (
    ABLATION,
    FULL,
    PAPER,
    Variant,
    variants_of_preset,
)
from recbole_kgif.report.metric_names import MetricTable, by_table, title
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_provenance import provenance
from recbole_kgif.report.run_table import Comparison
from recbole_kgif.report.statistics import LEVEL, fmean, paired_tests
from recbole_kgif.report.table_texts import (
    DAGGER,
    MISSING,
    differences_frame,
    failures_table,
    p_text,
    p_value_tables,
    rows_of,
    seconds,
    text_table,
    with_deviation,
)

_COLUMNS = (
    *("dataset", "split_hash", "protocol", "variant", "metric", "mean"),
    *("standard_deviation", "seeds", "minus_full", "minus_full_low"),
    *("minus_full_high", "p_value", "p_value_holm", "training_seconds_per_epoch"),
    "failure",
)
_DIFFERENCE = {
    "difference": "minus_full",
    "low": "minus_full_low",
    "high": "minus_full_high",
    "p_value": "p_value",
    "adjusted": "p_value_holm",
}


def _variants_of(model: str) -> list[Variant]:
    """All variants of KGIF or of a preset of it, with its own options."""
    changed = variants_of_preset(ABLATION, preset_options(model))
    by_name = {variant.name: variant for variant in (*ABLATION, *changed)}
    return [
        replace(v, model=model) if v.model == "KGIF" else v for v in by_name.values()
    ]


class Ablation:
    """The runs of an ablation, the variants in the order of display.

    Attributes:
        comparison: Its runs and failures.
        model: KGIF or a preset of it.
        variants: The variants with a run or a failure.
        labels: The variants with a run.
        tests: For each metric a paired test of each variant minus the full model, as
            `statistics.paired_tests` gives them.
    """

    def __init__(self, comparison: Comparison):
        """Take an ablation out of records.

        Args:
            comparison: the records of a data set; other runs in it are left out.

        Raises:
            UserError: no variant has finished.
        """
        known = [variant.name for variant in ABLATION]
        self.comparison = comparison.with_labels(known)
        if not self.comparison.runs:
            raise UserError(
                "no variant of an ablation has finished, only runs such as "
                f"{comparison.runs[0].path}"
            )
        failed = {failure.label for failure in self.comparison.failures}
        there = {*self.comparison.by_label, *failed}
        self.model = self._model()
        self.variants = [v for v in _variants_of(self.model) if v.name in there]
        self.labels = [name for name in known if name in self.comparison.by_label]
        self.tests = {m: self._tests(m) for m in self.comparison.metrics}

    def _model(self) -> str:
        """KGIF or the preset of it whose components are taken away."""
        runs = [run for run in self.comparison.runs if run.label != PAPER]
        models = [str(run.request["model"]) for run in runs]
        return next((m for m in models if base_model(m) == "KGIF"), "KGIF")

    def _tests(self, metric: str) -> pd.DataFrame:
        values = self.comparison.means_of_users(metric)
        others = [label for label in self.labels if label in values and label != FULL]
        if FULL not in values:
            return paired_tests(pd.DataFrame())
        return paired_tests(values[others].sub(values[FULL], axis=0))

    def rows(self) -> pd.DataFrame:
        """The values with all their digits: a row for each variant and metric.

        A failed run is a row with its reason.
        """
        trained = [variant.name for variant in self.variants if variant.is_trained]
        costs = self.comparison.costs.groupby("label")["training_seconds_per_epoch"]
        times = costs.agg(fmean).filter(trained)
        frames = []
        for metric, tests in self.tests.items():
            rows = self.comparison.over_seeds(metric)
            rows = rows.loc[[label for label in self.labels if label in rows.index]]
            rows = rows.assign(metric=metric).join(times)
            rows = rows.join(tests[list(_DIFFERENCE)].rename(columns=_DIFFERENCE))
            frames.append(rows.rename_axis("variant").reset_index())
        failures = [
            {"variant": failure.label, "failure": failure.in_words}
            for failure in self.comparison.failures
        ]
        return rows_of(self.comparison, frames, failures, _COLUMNS)

    def context(self) -> dict[str, Any]:
        """What the template ``ablation.j2`` asks for."""
        main = self.comparison.main_metric
        tested = [metric for metric, tests in self.tests.items() if len(tests)]
        models = {label: self.comparison.by_label[label] for label in self.labels}
        jobs = [int(run.record.get("jobs", 1)) for run in self.comparison.runs]
        return {
            **self.comparison.origin,
            "model": title_of_model(self.model),
            "main": title(main),
            "level": LEVEL,
            "accuracy": [
                (shared.words, self._accuracy_table(shared))
                for shared in by_table(self.comparison.metrics)
            ],
            "at_a_time": max(jobs),
            "failures": failures_table(self.comparison.failures),
            "variants": text_table(
                "variants",
                [
                    (v.name, v.words, title_of_model(v.model), _changes(v))
                    for v in self.variants
                ],
                ["Variant", "What it is", "Model", "Options"],
            ),
            "n_users": self.tests[tested[0]]["users"].iloc[0] if tested else 0,
            "differences": Table(
                "differences", differences_frame("Variant", self.tests[main])
            )
            if main in tested
            else None,
            "p_values": p_value_tables(
                "Variant",
                [label for label in self.labels if label != FULL],
                {m: dict(self.tests[m]["adjusted"].map(p_text)) for m in tested},
            ),
            **provenance(self.comparison, models),
        }

    def _accuracy_table(self, shared: MetricTable) -> Table:
        names = [variant.name for variant in self.variants]
        frame = pd.DataFrame(
            {
                "Variant": names,
                "Seeds": [self.comparison.runs_finished(name) for name in names],
            },
            index=names,
        )
        for metric in shared.metrics:
            texts = with_deviation(self.comparison.over_seeds(metric))
            significant = self.tests[metric]["is_significant"].reindex(texts.index)
            texts = texts.mask(significant.eq(True), texts + DAGGER)
            frame[shared.column(metric)] = texts.reindex(names)
        trained = [variant.name for variant in self.variants if variant.is_trained]
        times = seconds(self.comparison, "training_seconds_per_epoch")
        frame["s/epoch"] = times.filter(trained).reindex(names)
        titles = [shared.column(metric) for metric in shared.metrics]
        frame.loc[~frame.index.isin(self.labels), titles] = "failed"
        return Table(shared.label("ablation"), frame.fillna(MISSING))


def _changes(variant: Variant) -> str:
    changes = [f"{name}={value}" for name, value in variant.options.items()]
    return ", ".join(changes + ["no triples"] * (not variant.kept)) or MISSING
