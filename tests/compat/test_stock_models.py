"""RecBole's stock models by RecBole's own entry points."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.compat.helpers import OPTIONS, Run

pytestmark = pytest.mark.versions

STOCK_MODELS = ("BPR", "CKE", "KGAT", "LightGCN")


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_stock_model_runs_to_its_final_test(
    model: str, run: Callable[[str], Run]
) -> None:
    metrics = run(model).result["test_result"]
    assert set(metrics) == {"recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10"}
    assert all(0 < value < 1 for value in metrics.values())


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_stock_model_runs_without_a_warning(
    model: str, run: Callable[[str], Run]
) -> None:
    assert [str(warning) for warning in run(model).warned] == []


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_reloaded_model_has_the_test_result_of_its_run(
    model: str, run: Callable[[str], Run]
) -> None:
    from recbole.quick_start import load_data_and_model
    from recbole.utils import get_trainer

    done = run(model)
    config, network, _, _, _, test_data = load_data_and_model(str(done.checkpoint))
    assert config["model"] == model
    assert config["embedding_size"] == OPTIONS["embedding_size"]
    trainer = get_trainer(config["MODEL_TYPE"], model)(config, network)
    assert (
        trainer.evaluate(test_data, load_best_model=False) == done.result["test_result"]
    )
