"""What is to be run: models, seeds and checked options, as requests for single runs.

Works on names and files alone, so that a mistake is reported before anything starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Union

from recbole_kgif.experiments.planning import GivenOptions, PlannedDataset
from recbole_kgif.options.argument_types import FIRST_SEED, seed_numbers
from recbole_kgif.options.settings import default_options
from recbole_kgif.report.metric_names import validation_metric

# One split a data set, whatever the seed: users can be paired over seeds and models.
SPLIT_SEED = FIRST_SEED

# For general models RecBole loads triples and links only where `load_col` names them.
LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


@dataclass(frozen=True)
class RunRequest:
    """All that determines one run.

    Attributes:
        model: Name of the model.
        dataset: Name of the data set.
        seed: Seed of initialisation, order and sampling.
        split_seed: Seed of a random split.
        options: RecBole's options as given, by the data set's file or the user.
        defaults: The model's defaults for all options that it knows.
        model_options: Names of the options with a default of this model's own.
        files: SHA-256 of each file of the data set, by the file's name.
        kind: Name of the folder that holds the folders of such runs.
    """

    kind: ClassVar[str] = "runs"

    model: str
    dataset: str
    seed: int
    split_seed: int
    options: Mapping[str, Any]
    defaults: Mapping[str, Any]
    model_options: Sequence[str]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.model}-{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """The request as JSON values, equal after being written and read."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def plan_runs(
    models: Sequence[str],
    seeds: Union[int, list[int]],
    dataset: PlannedDataset,
    given: GivenOptions,
) -> list[RunRequest]:
    """The requested runs, every model of a seed before the next seed.

    Args:
        models: names of the models.
        seeds: number of seeds, counted from `FIRST_SEED`, or the seeds themselves.
        dataset: the data set.
        given: the options that the user gives.

    Raises:
        UserError: the validation metric is none of the metrics.
    """
    base = default_options("")
    below = {"load_col": LOADED_COLUMNS, **dataset.options}
    requests = []
    for seed in seed_numbers(seeds):
        for model in models:
            defaults = default_options(model)
            options = given.options_of(model, below)
            options.pop("data_path", None)
            validation_metric({**defaults, **options})
            requests.append(
                RunRequest(
                    model=model,
                    dataset=dataset.name,
                    seed=seed,
                    split_seed=SPLIT_SEED,
                    options=options,
                    defaults=defaults,
                    model_options=[
                        name
                        for name, value in defaults.items()
                        if name not in base or base[name] != value
                    ],
                    files=dataset.fingerprints,
                )
            )
    return requests
