from __future__ import annotations

from pathlib import Path

import explanations
import pytest

from recbole_kgif.explain import Explainer
from recbole_kgif.training.run import run_experiment
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.specs import spec_of


@pytest.fixture(scope="module")
def trained(workplace: Path) -> list[Explainer]:
    options = {**TINY_OPTIONS, "data_path": str(TINY_FOLDER.parent)}
    (workplace / "run").mkdir()
    run_experiment(spec_of("KGIF", "tiny", options), workplace / "run")
    path = workplace / "run" / "model.pth"
    return [Explainer.load(path, data_path=TINY_FOLDER.parent) for _ in range(2)]


def test_shares_add_up(trained: list[Explainer]) -> None:
    found = explanations.shares(trained[0], 4)
    names = ("five_strongest", "other_interactions", "own_vector", "bias")
    assert sum(found[name] for name in names) == pytest.approx(1, abs=1e-4)
    assert found["largest_error"] < 1e-4
    assert explanations.cost(trained[0], 2)["n_users"] == 2


def test_equal_trainings_have_equal_reasons(
    trained: list[Explainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanations, "_FEWEST_INTERACTIONS", 2)
    found = explanations.stability(trained, 10)
    assert found["n_users"] >= 3
    for name in ("score", "attention"):
        assert found[name]["mean"] == pytest.approx(1)
