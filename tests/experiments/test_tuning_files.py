from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml
from recbole.config import Config

from recbole_kgif.experiments.optuna_search import Outcome, Trial
from recbole_kgif.experiments.planning import options_by_model
from recbole_kgif.experiments.run_store import reset_run
from recbole_kgif.experiments.tuning_files import write_best, write_trials
from tests.experiments.tuning_helpers import plan, run_trial, search

# As the search may choose them: PyYAML writes 1e-05, which YAML takes for a text.
PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.0012345678901234567,
    "reg_weight": 1e-05,
    "layers": [128, 64, 32],
    "mess_dropout": 0.0,
    "aggregator_type": "bi",
}


def test_the_best_options_are_those_that_a_comparison_takes(tmp_path: Path) -> None:
    planned = plan("KGAT", trials=20)
    best = Trial("KGAT", 7, PARAMETERS, Outcome(0.25, 12, 3.0))
    path = write_best(tmp_path, planned, best, failed=2)
    text = path.read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("#")]
    assert lines == [
        "# Options of KGAT that did best in validation; see trials.csv.",
        "# data set: tiny",
        "# NDCG@3 in validation: 0.25",
        "# best epoch: 12 of at most 300",
        "# trials: 20, 2 of them failed; this is number 7",
        "# seed: 2020",
    ]
    expected = {**PARAMETERS, "embedding_size": 64, "train_batch_size": 2048}
    assert options_by_model(["KGAT"], tmp_path) == {"KGAT": expected}
    # Read by any YAML reader, and in a fixed order.
    assert list(yaml.safe_load(text).items()) == sorted(expected.items())


def test_recbole_reads_the_same_values(
    tmp_path: Path, data_path: Path, in_tmp_path: Path
) -> None:
    best = Trial("KGAT", 7, PARAMETERS, Outcome(0.25, 12, 3.0))
    path = write_best(tmp_path, plan("KGAT"), best, failed=0)
    config = Config(
        model="KGAT",
        dataset="tiny",
        config_file_list=[str(path)],
        config_dict={"data_path": str(data_path)},
    )
    assert {name: config[name] for name in PARAMETERS} == PARAMETERS


def test_every_trial_is_listed(tmp_path: Path) -> None:
    # Another model that was tuned in the folder before, and stopped in its second.
    before = search(tmp_path, "BPR")
    run_trial(before, tmp_path)
    begun = before.next()
    assert begun is not None
    reset_run(tmp_path, begun)

    going = search(tmp_path, "KGAT", trials=4)
    run_trial(going, tmp_path)
    run_trial(going, tmp_path, lambda request: None)
    path = write_trials(tmp_path, [going])
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert [(row["model"], row["number"], row["state"]) for row in rows] == [
        ("BPR", "0", "finished"),
        ("BPR", "1", "running"),
        ("KGAT", "0", "finished"),
        ("KGAT", "1", "failed"),
    ]
    assert rows[0] == {
        "model": "BPR",
        "number": "0",
        "state": "finished",
        "metric": "ndcg@3",
        "value": "0.699",
        "best_epoch": "2",
        "seconds": "2.0",
        "parameters": '{"learning_rate": 0.001, "weight_decay": 0.0}',
        "reason": "",
    }
    assert rows[1]["value"] == rows[1]["seconds"] == ""
    assert json.loads(rows[3]["parameters"])["layers"] == [128, 64, 32]
    assert (rows[3]["value"], rows[3]["reason"]) == ("", "out of memory")
