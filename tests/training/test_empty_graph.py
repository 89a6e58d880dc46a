from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.training.corruption import TripleChange
from tests.conftest import TINY_OPTIONS
from tests.specs import spec_of

NO_TRIPLES = TripleChange(0, 0, 1)


def test_kgif_trains_on_interactions_alone(data_path: Path, tmp_path: Path) -> None:
    from recbole_kgif.training.run import run_experiment

    (tmp_path / "run").mkdir()
    options = {**TINY_OPTIONS, "data_path": str(data_path), "epochs": 1}
    spec = spec_of("KGIF", "tiny", options, triples=NO_TRIPLES)
    record = run_experiment(spec, tmp_path / "run")
    assert record["data"]["triples"] == 0
    assert record["data"]["entities"] == 14
    assert record["triples"] == {"kept": 0, "replaced": 0, "seed": 1}
    # Embeddings, walks through users, and the knowledge loss of the interactions.
    losses = record["epochs"][0]["loss"]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)


@pytest.mark.parametrize("model", ["KGIN", "KGCN"])
def test_models_that_take_no_triples_in_a_batch_learn_from_every_interaction(
    load: Callable[..., Any], model: str
) -> None:
    from recbole.utils import KGDataLoaderState

    config, data = load(model, NO_TRIPLES, train_batch_size=4)
    assert len(data.train._dataset.kg_feat) == 0
    data.train.set_mode(KGDataLoaderState.RSKG)  # what RecBole's trainer asks for
    users = [len(batch[config["USER_ID_FIELD"]]) for batch in data.train]
    assert sum(users) == 11


@pytest.mark.parametrize("model", ["CFKG", "CKE", "KGAT", "KTUP", "MKR"])
def test_models_that_learn_from_triples_are_refused(
    load: Callable[..., Any], model: str
) -> None:
    message = f"{model}: learns from triples, and the knowledge graph has none left"
    with pytest.raises(UserError, match=message):
        load(model, NO_TRIPLES)


def test_a_part_of_the_training_on_triples_alone_is_refused(
    load: Callable[..., Any],
) -> None:
    from recbole.utils import KGDataLoaderState

    _, data = load("KGIF", NO_TRIPLES)
    with pytest.raises(UserError, match="none left"):
        data.train.set_mode(KGDataLoaderState.KG)
