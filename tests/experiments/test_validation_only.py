from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recbole.trainer import Trainer

from recbole_kgif.training.run import run_experiment
from tests.conftest import TINY_OPTIONS
from tests.specs import spec_of

VALIDATION_INTERACTIONS, TEST_INTERACTIONS = 3, 4


@pytest.mark.parametrize("evaluate_test", [True, False])
def test_only_validation_interactions_are_evaluated_unless_asked(
    evaluate_test: bool,
    data_path: Path,
    in_tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluated: list[int] = []
    evaluate = Trainer.evaluate

    def noting(self: Any, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        evaluated.append(len(eval_data._dataset))
        return evaluate(self, eval_data, *args, **kwargs)

    monkeypatch.setattr(Trainer, "evaluate", noting)
    options = {**TINY_OPTIONS, "data_path": str(data_path)}
    spec = spec_of("KGIF", "tiny", options, evaluate_test=evaluate_test)
    record = run_experiment(spec, in_tmp_path)
    tested = [TEST_INTERACTIONS] if evaluate_test else []
    assert evaluated == [VALIDATION_INTERACTIONS] * TINY_OPTIONS["epochs"] + tested
    assert ("test" in record) is evaluate_test
    assert ("test_per_user" in record) is evaluate_test
