"""What a study runs: its variants and seeds, as requests for single runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Optional, Union

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import GivenOptions, PlannedDataset
from recbole_kgif.experiments.run_requests import RunRequest, plan_runs
from recbole_kgif.options.settings import default_options
from recbole_kgif.options.variants import Variant
from recbole_kgif.report.run_files import settings_of
from recbole_kgif.training.corruption import TripleChange


@dataclass(frozen=True)
class VariantRequest(RunRequest):
    """All that determines one run of a variant.

    Attributes:
        variant: Name of the variant.
        triples: How the knowledge graph is changed, as JSON values; None leaves it.
    """

    variant: str
    triples: Optional[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.variant}-{self.seed}"


def plan_study(
    variants: Sequence[Variant],
    seeds: Union[int, list[int]],
    dataset: PlannedDataset,
    given: GivenOptions,
) -> list[VariantRequest]:
    """The requested runs, every variant of a seed before the next seed.

    A model takes those of the common options that it knows; a variant's own options
    override all others. The change of the graph depends on the seed and not on the
    model, so that it is the same for all models.

    Args:
        variants: what is compared.
        seeds: number of seeds, or the seeds themselves; a variant without training has
            the first one alone.
        dataset: the data set.
        given: the options that the user gives.

    Raises:
        UserError: two variants are the same by the options that are given.
    """
    runs = {
        model: plan_runs(
            [model], seeds, dataset, given.restricted_to(default_options(model))
        )
        for model in dict.fromkeys(variant.model for variant in variants)
    }
    requests = [
        _request(variant, run)
        for variant in variants
        for run in runs[variant.model][: None if variant.is_trained else 1]
    ]
    first = requests[0].seed
    _check_distinct([r for r in requests if r.seed == first], variants)
    return sorted(requests, key=lambda request: request.seed)


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
    """Refuse a variant that removes what is not there."""
    options = {variant.name: variant.options for variant in variants}
    seen: dict[str, str] = {}
    for request in requests:
        settings = {**settings_of(request.to_json()), "variant": request.model}
        key = json.dumps(settings, sort_keys=True)
        if key in seen:
            same = ", ".join(f"{k}={v}" for k, v in options[request.variant].items())
            reason = f", as {same} is given already" if same else ""
            raise UserError(
                f"{request.variant}: is the same as {seen[key]}{reason}; leave one of "
                "them out, by --variants"
            )
        seen[key] = request.variant
