"""Specifications of runs, made of options as tests write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kgif.options.settings import default_options
from recbole_kgif.training.specs import DataSpec, RunSpec


def spec_of(
    model: str,
    dataset: str,
    options: Mapping[str, Any],
    *,
    evaluate_test: bool = True,
    resumable: bool = False,
    **of_data: Any,
) -> RunSpec:
    """What a run is asked for.

    Args:
        model: the model's name.
        dataset: the data set's name.
        options: RecBole's, with the folder of data sets in `data_path`; those that the
            model does not know are left out.
        evaluate_test: see `RunSpec`.
        resumable: see `RunSpec`.
        of_data: further attributes of `DataSpec`.
    """
    data = DataSpec(dataset, Path(options.get("data_path", "dataset")), **of_data)
    known = default_options(model)
    own = {n: v for n, v in options.items() if n in known and n != "data_path"}
    return RunSpec(model, data, own, evaluate_test, resumable)
