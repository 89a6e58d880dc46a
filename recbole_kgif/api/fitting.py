"""Training from Python, on data frames or a named data set."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import pandas as pd

from recbole_kgif.api.fitted_model import FittedModel
from recbole_kgif.api.messages import in_python
from recbole_kgif.common.files import AnyPath
from recbole_kgif.common.process import prepare_process
from recbole_kgif.data.data_frames import Interactions, Names, write_frames
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.experiments.planning import GivenOptions, find_dataset
from recbole_kgif.options.models import check_model, is_knowledge_aware
from recbole_kgif.options.protocols import PROTOCOLS
from recbole_kgif.options.settings import check_option, default_options, in_one_line
from recbole_kgif.report.metric_names import validation_metric
from recbole_kgif.training.run_folder import CHECKPOINT_FILE
from recbole_kgif.training.specs import DataSpec, RunSpec

# Name of a data set of data frames.
_FRAMES = "dataframes"


def fit(
    interactions: Union[str, Interactions],
    triples: Optional[pd.DataFrame] = None,
    links: Optional[pd.DataFrame] = None,
    names: Optional[Names] = None,
    *,
    model: str = "KGIF",
    seed: int = 2020,
    protocol: str = "recbole",
    source: Optional[AnyPath] = None,
    options: Optional[Mapping[str, Any]] = None,
    verbose: Optional[bool] = None,
    **more_options: Any,
) -> FittedModel:
    """Train, validate and test a model, as the command does without a subcommand.

    The split, the metrics and all other results are those of the command on files with
    the same rows. No file is left.

    Args:
        interactions: a data frame with `user_id` and `item_id`, and perhaps `rating`
            and `timestamp`; a mapping of "train", "valid" and "test" to such frames; or
            the name of a data set, as ``--dataset`` takes it.
        triples: a data frame with `head_id`, `relation_id` and `tail_id`.
        links: a data frame with `item_id` and `entity_id`; without it an item is the
            entity of the same id.
        names: a data frame with `name` and one of `user_id`, `item_id` and `entity_id`,
            or a list of them.
        model: KGIF or a model of RecBole's.
        seed: seed of split, initialisation and sampling.
        protocol: as ``--protocol``.
        source: as ``--source``: folder with the files of a named data set.
        options: options of RecBole or of the model, by name.
        verbose: whether RecBole's log and progress bars are shown; None shows the bars
            in a terminal.
        **more_options: more of `options`, such as ``epochs=50``; they override those.

    Returns:
        The model of the best epoch.

    Raises:
        UserError: whatever the command refuses: data, an option or its value.
    """
    prepare_process()
    model = check_model(model)
    given = _checked(model, {"seed": seed, **(options or {}), **more_options})
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol={protocol!r}: {suggest(protocol, PROTOCOLS)}")
    frames = (interactions, triples, links, names)
    if isinstance(interactions, str):
        run = _Run(model, protocol, given, None if source is None else Path(source))
        return _trained_by_name(frames, run, verbose)
    return _trained_on_frames(frames, _Run(model, protocol, given), verbose)


@dataclass(frozen=True)
class _Run:
    """What is trained, and how."""

    model: str
    protocol: str
    given: GivenOptions
    source: Optional[Path] = None


def _trained_by_name(
    frames: tuple[Any, ...], run: _Run, verbose: Optional[bool]
) -> FittedModel:
    """Train on the data set of a name, which has to be the only one of the frames."""
    if any(frame is not None for frame in frames[1:]):
        raise UserError(
            f"interactions={frames[0]!r} names a data set, which has triples, links "
            "and names of its own; leave yours out"
        )
    with in_python():
        return _trained(frames[0], run, verbose)


def _trained_on_frames(
    frames: tuple[Any, ...], run: _Run, verbose: Optional[bool]
) -> FittedModel:
    """Train on data frames, in files that are there as long as the model."""
    if frames[1] is None and is_knowledge_aware(run.model):
        raise UserError(
            f"triples is missing, and {run.model} learns from them; give them"
        )
    data_path = tempfile.mkdtemp(prefix="recbole_kgif-")
    options = {**run.given.in_arguments, "data_path": data_path}
    run = replace(run, given=GivenOptions(in_arguments=options))
    try:
        folder = Path(data_path) / _FRAMES
        folder.mkdir()
        with in_python(folder):
            write_frames(folder, *frames)
            trained = _trained(_FRAMES, run, verbose)
    except BaseException:
        shutil.rmtree(data_path, ignore_errors=True)
        raise
    trained.has_own_data = True
    # Names are read when they are asked for, and `save` copies the files.
    weakref.finalize(trained, shutil.rmtree, data_path, ignore_errors=True)
    return trained


def _checked(model: str, options: Mapping[str, Any]) -> GivenOptions:
    """Options with values of Python's, checked as those of the command line are."""
    known = default_options(model)
    given = {}
    for name, value in options.items():
        if isinstance(value, np.generic):
            value = value.item()
        value = list(value) if isinstance(value, tuple) else value
        check_option(f"{name}={in_one_line(value)}", name, value, known)
        given[name] = value
    return GivenOptions(in_arguments=given)


def _trained(dataset: str, run: _Run, verbose: Optional[bool]) -> FittedModel:
    """Train in a temporary folder, and restore the best epoch."""
    model, given = run.model, run.given
    planned = find_dataset(
        dataset,
        run.source,
        run.protocol,
        given,
        models=[model],
        needs_knowledge_graph=is_knowledge_aware(model),
    )
    for warning in planned.warnings:
        warnings.warn(warning, stacklevel=4)
    options = given.options_of(model, planned.options)
    options.pop("data_path", None)
    is_terminal = sys.stderr.isatty()
    options.setdefault("show_progress", is_terminal if verbose is None else verbose)
    options.setdefault("state", "INFO" if verbose else "WARNING")
    validation_metric({**default_options(model), **options})
    data_path = planned.location.data_path
    spec = RunSpec(model, DataSpec(planned.name, data_path), options)
    # Only now: loading PyTorch takes seconds, and a mistake is reported before.
    from recbole_kgif.training.restore import restore
    from recbole_kgif.training.run import run_experiment

    with tempfile.TemporaryDirectory(prefix="recbole_kgif-") as folder:
        with _streams_kept():
            record = run_experiment(spec, Path(folder))
        restored = restore(Path(folder) / CHECKPOINT_FILE, data_path=data_path)
    return FittedModel(restored, record, has_own_data=False)


@contextlib.contextmanager
def _streams_kept() -> Iterator[None]:
    """Colorama, called by RecBole's logger, wraps the output of the process."""
    before = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
