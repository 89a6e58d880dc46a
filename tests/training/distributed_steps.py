"""One of two processes that train models on the tiny data set: see test_distributed.

Started as ``python -m tests.training.distributed_steps RANK PORTS DATA_PATH FOLDER``.
Prints a JSON object with a result for each model, and one for a single step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from recbole.utils import init_seed

from recbole_kgif.common.process import end_process
from recbole_kgif.errors import UserError
from recbole_kgif.training import run
from recbole_kgif.training.configuration import make_config
from recbole_kgif.training.distributed import group
from recbole_kgif.training.distributed.layout import Place
from recbole_kgif.training.loading import load_data, make_model
from recbole_kgif.training.run_trainer import make_trainer
from tests.conftest import TINY_OPTIONS
from tests.specs import spec_of

# One without triples, one that draws neighbours when it is made, one whose
# trainer shuffles nothing anew, and one that counts what its process sees.
MODELS = ("KGIF", "BPR", "KGCN", "MKR", "Pop")


def train(model: str, place: Place, options: dict[str, Any], folder: Path) -> Any:
    """Train a model, and give its parameters' sums or why it was refused."""
    trainers = []

    def kept_trainer(*arguments: Any) -> Any:
        trainers.append(make_trainer(*arguments))
        return trainers[0]

    run.make_trainer = kept_trainer  # type: ignore[assignment]
    folder.mkdir()
    try:
        record = run.run_experiment(
            spec_of(model, "tiny", options), folder, place=place
        )
    except UserError as error:
        torch.distributed.destroy_process_group()
        return str(error)
    state = trainers[0].model.state_dict()
    return {
        "parameters": {n: t.double().abs().sum().item() for n, t in state.items()},
        "losses": [epoch["loss"] for epoch in record["epochs"]],
        "test": record["test"],
        "files": sorted(path.name for path in folder.iterdir()),
    }


def compare_step(place: Place, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Take one step of SGD, and compare it with the mean of both gradients."""
    spec = spec_of("KGIF", "tiny", options, split_seed=1)
    own = {"learner": "sgd", "checkpoint_dir": str(folder)}
    config = make_config("KGIF", "tiny", {**options, **own})
    with group.join_process_group(place, config):
        data = load_data(config, spec.data)
        model = make_model(config, data)
        init_seed(place.rank, True)
        trainer = make_trainer(config, model, data, spec)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        batches = []
        calculate_loss = model.calculate_loss

        def kept_batch(batch: Any) -> Any:
            batches.append(batch)
            return calculate_loss(batch)

        model.calculate_loss = kept_batch
        trainer._train_epoch(data.train, 0)
        assert len(batches) == 1
        after = {name: p.detach().clone() for name, p in model.named_parameters()}

        model.load_state_dict({**model.state_dict(), **before})
        model.zero_grad()
        sum(calculate_loss(batches[0])).backward()
        farthest = {}
        for name, parameter in model.named_parameters():
            mean = group.total(parameter.grad) / place.world_size
            step = (before[name] - after[name]) / config["learning_rate"]
            farthest[name] = (step - mean).abs().max().item()
        interactions = batches[0][config["USER_ID_FIELD"]]
        pairs = list(zip(interactions.tolist(), batches[0]["item_id"].tolist()))
        return {"farthest": farthest, "pairs": pairs}


def main(rank: int, ports: list[int], data_path: str, folder: Path) -> None:
    """Do everything, each time at a port of its own."""
    places = [Place(rank, rank, 2, 2, "localhost", port) for port in ports]
    options = {**TINY_OPTIONS, "data_path": data_path, "eval_batch_size": 14}
    found: dict[str, Any] = {}
    for model, place in zip(MODELS, places):
        found[model] = train(model, place, options, folder / model)
    # One step: the batch holds all interactions, half of them in each process.
    one_step = {
        **options,
        "train_batch_size": 100,
        "learning_rate": 1.0,
        "weight_decay": 0.0,
    }
    found["step"] = compare_step(places[-1], one_step, folder / "saved")
    print(json.dumps(found))


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        [int(port) for port in sys.argv[2].split(",")],
        sys.argv[3],
        Path(sys.argv[4]),
    )
    end_process(0)
