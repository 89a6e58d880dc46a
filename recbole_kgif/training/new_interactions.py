"""Evaluation of a restored model on interactions that it has not seen."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.interaction import Interaction
from recbole.utils import get_trainer

from recbole_kgif.errors import UserError
from recbole_kgif.training.restore import Restored
from recbole_kgif.training.run import recbole_files_in
from recbole_kgif.training.run_record import floats


def evaluate_interactions(
    restored: Restored,
    users: Sequence[int],
    items: Sequence[int],
    seen: Sequence[set[int]],
) -> dict[str, float]:
    """Metrics of new interactions, by RecBole's evaluator.

    Args:
        restored: the model and its data.
        users: number of the user of each new interaction.
        items: number of its item.
        seen: for each user by number, the items that are not ranked.

    Returns:
        The metrics of the run, at its lengths.

    Raises:
        UserError: the run ranks a sample of the items, or none.
    """
    config, data = restored.config, restored.data
    mode = config["eval_args"]["mode"]
    modes = set(mode.values()) if isinstance(mode, dict) else {mode}
    if modes != {"full"}:
        raise UserError(
            f"eval_args: mode {mode}: evaluate ranks all items, as mode full does; "
            "train with that one"
        )
    part = data.test._dataset
    columns = {part.uid_field: users, part.iid_field: items}
    dataset = part.copy(
        Interaction(
            {
                field: torch.from_numpy(np.asarray(numbers, dtype=np.int64))
                for field, numbers in columns.items()
            }
        )
    )
    # RecBole looks up the user None too, which only an array has.
    used = np.empty(len(seen), dtype=object)
    used[:] = seen
    loader = FullSortEvalDataLoader(config, dataset, SimpleNamespace(used_ids=used))
    with tempfile.TemporaryDirectory() as folder, recbole_files_in(Path(folder)):
        before = config["checkpoint_dir"]
        config["checkpoint_dir"] = folder
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(
            config, restored.model
        )
        config["checkpoint_dir"] = before
        with contextlib.closing(trainer.tensorboard):
            trainer.eval_collector.data_collect(data.train)
            result = trainer.evaluate(loader, load_best_model=False)
    return floats(result)
