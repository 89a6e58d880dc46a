"""A model fitted anew to training and validation interactions together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import recbole_kgif as rk
from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.training import run
from recbole_kgif.training.loading import loaders_of
from recbole_kgif.training.refit_data import with_validation
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.run_folder import LAST_FILE
from tests.conftest import TINY_OPTIONS, Loaded
from tests.specs import spec_of


def pairs_of(loader: Any) -> set[tuple[int, int]]:
    rows = loader._dataset.inter_feat
    return set(zip(rows["user_id"].tolist(), rows["item_id"].tolist()))


@pytest.mark.parametrize("model", ["KGIF", "CKE", "BPR", "MultiVAE"])
def test_the_training_loader_yields_the_validation_too(
    load_tiny: Callable[..., Loaded], model: str
) -> None:
    loaded = load_tiny(model=model)
    parts = (loaded.train_data, loaded.valid_data, loaded.test_data)
    joined, valid, test = with_validation(loaded.config, parts)
    assert (valid, test) == parts[1:]
    assert type(joined) is type(parts[0])
    assert pairs_of(joined) == pairs_of(parts[0]) | pairs_of(valid)
    assert not pairs_of(joined) & pairs_of(test)
    assert pairs_of(parts[0]) < pairs_of(joined)
    if model != "MultiVAE":
        loader = loaders_of(joined)[0]
        sampler = loader._sampler
        known = {(u, i) for u, used in enumerate(sampler.used_ids) for i in used}
        assert known == pairs_of(joined)
        yielded = [
            pair
            for batch in loader
            for pair in zip(batch["user_id"].tolist(), batch["item_id"].tolist())
        ]
        assert sorted(yielded) == sorted(pairs_of(joined))


@pytest.mark.parametrize("model", ["KGIF", "BPR"])
def test_what_is_tested_and_saved_was_fitted_to_both(
    data_path: Path, tmp_path: Path, model: str
) -> None:
    records: list[dict[str, Any]] = []
    for refit in (False, True):
        output = tmp_path / str(refit)
        output.mkdir()
        options = {**TINY_OPTIONS, "data_path": str(data_path), "epochs": 3}
        spec = spec_of(model, "tiny", {**options, "refit": refit})
        records.append(run_experiment(spec, output))
    once, twice = records
    assert "refit" not in once
    for same in ("valid", "best_epoch", "split_hash", "data"):
        assert once[same] == twice[same]
    counts = once["data"]
    assert twice["refit"]["epochs"] == once["best_epoch"] + 1
    assert twice["refit"]["training_interactions"] == (
        counts["training_interactions"] + counts["validation_interactions"]
    )
    before, after = (rk.load(tmp_path / str(refit)) for refit in (False, True))
    of_both = pairs_of(after._restored.data.train)
    assert of_both > pairs_of(before._restored.data.train)
    assert not of_both & pairs_of(after._restored.data.test)
    scores = [one._restored.model.state_dict() for one in (before, after)]
    name = next(name for name, value in scores[0].items() if value.dim() == 2)
    assert not torch.equal(scores[0][name], scores[1][name])
    # The saved model is the one that was tested.
    dataset = after._restored.data.dataset
    tested = after._restored.data.test._dataset.inter_feat
    frame = pd.DataFrame(
        {name: dataset.id2token(name, tested[name]) for name in ("user_id", "item_id")}
    )
    evaluated = after.evaluate(frame)["value"]
    for name, value in twice["test"].items():
        metric, k = name.split("@")
        title = {"ndcg": "NDCG", "mrr": "MRR"}.get(metric, metric.title())
        assert evaluated[f"{title}@{k}"] == pytest.approx(value)


def test_the_weights_chosen_in_validation_are_kept(
    data_path: Path, tmp_path: Path
) -> None:
    weights = []
    for refit in (False, True):
        output = tmp_path / str(refit)
        output.mkdir()
        options = {**TINY_OPTIONS, "data_path": str(data_path), "epochs": 6}
        run_experiment(spec_of("KGIF", "tiny", {**options, "refit": refit}), output)
        model = rk.load(output)._restored.model
        weights.append((model.balance.tolist(), model.new_items.weights.tolist()))
    assert weights[0] == weights[1]


def test_a_run_ended_after_the_model_was_saved_is_not_continued(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    options = {**TINY_OPTIONS, "data_path": str(data_path), "epochs": 1, "refit": True}
    spec = spec_of("KGIF", "tiny", options, resumable=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "write_json", killed)
        run_experiment(spec, tmp_path)
    assert (tmp_path / LAST_FILE).exists()
    with pytest.raises(UserError, match="already fitted to the validation set"):
        run_experiment(spec, tmp_path)


def test_a_tuning_refuses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tuned"
    given = ["--dataset=ml-100k", "--models=BPR", "--refit=True", f"--output={output}"]
    assert main(["tune", *given]) == 2
    assert "refit=True: tune tests nothing" in capsys.readouterr().err
    assert not output.exists()
