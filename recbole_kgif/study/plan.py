"""What a study runs: its variants and seeds, as requests for single runs."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Optional

from recbole_kgif.compare.plan import FIRST_SEED, RunRequest, plan_runs
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import default_options
from recbole_kgif.report.run_files import settings_of
from recbole_kgif.study.variants import Variant
from recbole_kgif.training.corruption import TripleChange


@dataclass(frozen=True)
class VariantRequest(RunRequest):
    """All that determines one run of a variant.

    Attributes:
        variant: Name of the variant.
        triples: What is done to the knowledge graph, as JSON knows it; None leaves it
            as it is.
    """

    variant: str
    triples: Optional[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.variant}-{self.seed}"


def plan_study(
    variants: Sequence[Variant],
    seeds: int,
    dataset: str,
    *,
    of_dataset: Mapping[str, Any],
    in_files: Mapping[str, Any],
    of_models: Mapping[str, Mapping[str, Any]],
    in_arguments: Mapping[str, Any],
    files: Mapping[str, str],
) -> list[VariantRequest]:
    """The requested runs, every variant of a seed before the next seed.

    A model takes those of the common options that it knows. What is done to the graph
    depends on the seed and not on the model, so that all models get the same.

    Args:
        variants: what is compared.
        seeds: how many seeds; a variant without training has the first one alone.
        dataset: name of the data set.
        of_dataset: options of the data set.
        in_files: options of configuration files, which go over those.
        of_models: options of each model, which go over those.
        in_arguments: options of the command line, which go over those. A variant's own
            go over all.
        files: SHA-256 of each of the data set's files, by its name.

    Raises:
        UserError: two variants are one and the same by the options that are given.
    """
    runs = {}
    for model in dict.fromkeys(variant.model for variant in variants):
        known = default_options(model)
        runs[model] = plan_runs(
            [model],
            seeds,
            dataset,
            options_below={**of_dataset, **_those(known, in_files)},
            options_of_models={model: of_models.get(model, {})},
            options_above=_those(known, in_arguments),
            files=files,
        )
    requests = [
        _request(variant, run)
        for variant in variants
        for run in runs[variant.model][: None if variant.is_trained else 1]
    ]
    _check_distinct([r for r in requests if r.seed == FIRST_SEED], variants)
    return sorted(requests, key=lambda request: request.seed)


def _those(known: Container[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in known}


def _request(variant: Variant, run: RunRequest) -> VariantRequest:
    triples = None
    if (variant.kept, variant.replaced) != (1, 0):
        triples = TripleChange(variant.kept, variant.replaced, run.seed).to_json()
    run = replace(run, options={**run.options, **variant.options})
    shared = {f.name: getattr(run, f.name) for f in fields(RunRequest)}
    return VariantRequest(**shared, variant=variant.name, triples=triples)


def _check_distinct(
    requests: Sequence[VariantRequest], variants: Sequence[Variant]
) -> None:
    """Refuse a variant that takes away what is not there."""
    options = {variant.name: variant.options for variant in variants}
    seen: dict[str, str] = {}
    for request in requests:
        settings = {**settings_of(request.to_json()), "variant": request.model}
        key = json.dumps(settings, sort_keys=True)
        if key in seen:
            told = ", ".join(f"{k}={v}" for k, v in options[request.variant].items())
            raise UserError(
                f"{request.variant}: is the same as {seen[key]}, as {told} is given "
                "already; leave out the one or the other, by --variants"
            )
        seen[key] = request.variant
