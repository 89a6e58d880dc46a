"""The same lists by every route, on real data: run it with -m slow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from recbole_kgif.api.fitted_model import FittedModel
from recbole_kgif.cli import main
from recbole_kgif.recommend import Recommender
from recbole_kgif.serving.exported_model import ExportedModel
from recbole_kgif.serving.exported_scores import best
from recbole_kgif.serving.exporting import export_model
from recbole_kgif.serving.model_store import ModelStore
from recbole_kgif.serving.pandas_function import RecommendInPandas
from recbole_kgif.serving.service import Service
from recbole_kgif.serving.service_limits import Limits
from tests.docs.page_parser import CHECKOUT, PYTHON, blocks_of

pytestmark = pytest.mark.slow

K = 20
RANKED = ["user_id", "rank", "item_id"]
# Users that the slower routes answer for.
ASKED = 100


@pytest.fixture(
    scope="module", params=["ml-100k", "lastfm-split", "book-crossing-split"]
)
def trained(request: Any, workplace: Path) -> Any:
    """A model of a real data set, trained for a few epochs."""
    name, source = request.param, os.environ.get("RECBOLE_KGIF_DATA")
    words = ["--dataset", name, "--epochs", "3", "--output", name]
    if name != "ml-100k":
        if not source:
            pytest.skip("RECBOLE_KGIF_DATA names no folder with the data")
        words += ["--source", str(Path(source) / name)]
    assert main(words) == 0
    restored = Recommender.load(
        Path(name) / "model.pth",
        source=None if name == "ml-100k" else Path(str(source)) / name,
    )._restored
    # Also where a few epochs have chosen to leave new items alone.
    restored.model.new_items.weights[:] = restored.model.new_items.weights.new_tensor(
        [0.25, 0.125, 0.5]
    )
    return restored


def test_lists_by_the_index_are_nearly_those_of_recommend(
    trained: Any, workplace: Path
) -> None:
    # An index is for models that do not mix the scores of new items.
    weights = trained.model.new_items.weights
    mixed = weights.clone()
    weights[:] = 0
    try:
        folder = workplace / "indexed"
        shutil.rmtree(folder, ignore_errors=True)
        export_model(trained, folder, with_index=True)
    finally:
        weights[:] = mixed
    exact, by_index = (ExportedModel(folder, by_index=each) for each in (False, True))
    rows = np.linspace(0, len(exact.user_ids) - 1, 500).astype(np.int64)
    recalls, differences = [], []
    for row in np.unique(rows).tolist():
        asker = exact.user(row)
        scores = exact.items.scores(asker.scored)[0]
        wanted, found = (model.best_of(asker, K) for model in (exact, by_index))
        recalls.append(np.isin(wanted[0], found[0]).mean())
        differences.append(np.abs(found[1] - scores[found[0]]).max())
        # Candidates are ranked by their scores, as the exact list ranks all items.
        assert found[0].tolist() == found[0][best(found[1], K)].tolist()
    assert np.mean(recalls) >= 0.99
    assert np.median(differences) < 0.02 and max(differences) < 0.2


def by_extension(restored: Any) -> Any:
    """The model with a new user and a new item."""
    fitted = FittedModel(restored, {}, False)
    known = Recommender(restored)
    facts = pd.DataFrame(
        {
            "user_id": ["zoe", "zoe", "zoe", known.users[0]],
            "item_id": [known.items[3], known.items[5], "void", "void"],
        }
    )
    return fitted.extend(facts)._restored


@pytest.mark.parametrize("is_extended", [False, True])
def test_the_top_20_are_the_same_by_every_route(
    is_extended: bool, trained: Any, workplace: Path
) -> None:
    restored = by_extension(trained) if is_extended else trained
    folder = workplace / "export"
    shutil.rmtree(folder, ignore_errors=True)
    export_model(restored, folder)
    model = ExportedModel(folder)
    wanted = Recommender(restored).recommend(k=K)
    of_export = model.recommend(k=K)
    pd.testing.assert_frame_equal(of_export, wanted, rtol=1e-9)
    users = pd.DataFrame({"user_id": model.user_ids})
    frames = (users[start : start + 500] for start in range(0, len(users), 500))
    of_function = pd.concat(RecommendInPandas(folder, K)(frames), ignore_index=True)
    pd.testing.assert_frame_equal(of_function[RANKED], wanted[RANKED])
    asked = np.random.default_rng(0).choice(model.user_ids, ASKED, replace=False)
    with TestClient(Service(ModelStore(folder), Limits()).app()) as client:
        for user in asked.tolist():
            expected = wanted[wanted["user_id"] == user]["item_id"].tolist()
            answer = client.get("/v1/recommendations", params={"user": user, "k": K})
            found = [item["item_id"] for item in answer.json()["items"]]
            assert found == expected
    (block,) = (b for b in blocks_of(CHECKOUT / "docs/export.md") if b.kind == PYTHON)
    for user in asked[:10].tolist():
        row = model.user_ids.index(user)
        by_page: dict[str, Any] = {}
        exec(block.text.replace("user = 0", f"user = {row}"), by_page)
        by_page["score"][model.users.seen.of(row)] = -np.inf
        expected = wanted[wanted["user_id"] == user]["item_id"].tolist()
        rows = best(by_page["score"], K)
        assert [model.item_ids[each] for each in rows] == expected
