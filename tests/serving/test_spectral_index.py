from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, random
from starlette.testclient import TestClient

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.serving import spectral_index
from recbole_kgif.serving.export_files import INDEX
from recbole_kgif.serving.exported_model import ExportedModel
from recbole_kgif.serving.exported_scores import Askers, ItemScores, best
from recbole_kgif.serving.exported_walks import Walks
from recbole_kgif.serving.model_store import ModelStore
from recbole_kgif.serving.pandas_function import RecommendInPandas
from recbole_kgif.serving.service import Service
from recbole_kgif.serving.service_limits import Limits
from recbole_kgif.serving.spectral_index import (
    DIRECTIONS,
    EIGENVALUES,
    SpectralIndex,
    index_of,
)
from tests.serving.conftest import Exported

N_ITEMS, N_USERS, K = 400, 6, 10


@pytest.fixture(scope="module")
def items(exports: dict[str, Exported]) -> ItemScores:
    """Random items, with a filter that weakens strong directions."""
    matrix = csr_matrix(random(N_ITEMS, 300, density=0.03, random_state=0))
    generator = np.random.default_rng(0)
    form = exports["trained"].model.form
    return ItemScores(
        form=replace(form, walk_weight=1.0, similarity_weight=1.0),
        vectors=generator.normal(size=(N_ITEMS, 4)),
        bias=generator.normal(size=N_ITEMS),
        is_new=np.zeros(N_ITEMS, dtype=bool),
        walks=Walks(matrix, (0.9, -0.2, 0.02)),
    )


@pytest.fixture(scope="module")
def askers(items: ItemScores) -> Askers:
    generator = np.random.default_rng(1)
    history = generator.random((N_USERS, N_ITEMS)) < 0.02
    history[0] = False
    return Askers(
        vectors=generator.normal(size=(N_USERS, 4)),
        history=csr_matrix(history.astype(float)),
        walk_factor=generator.random(N_USERS),
        own_neighbour=np.array([-1, 5, 299, -1, 17, 0]),
    )


def lists_of(index: SpectralIndex, askers: Askers) -> list[tuple[Any, Any]]:
    seen = np.split(askers.history.indices, askers.history.indptr[1:-1])
    return list(index.lists(askers, seen, K))


def exact_lists(items: ItemScores, askers: Askers) -> list[tuple[Any, Any]]:
    scores = items.scores(askers)
    ranked = np.where(askers.history.toarray() > 0, -np.inf, scores)
    rows = [best(each, K) for each in ranked]
    return [(each, values[each]) for each, values in zip(rows, scores)]


def test_lists_by_all_eigenvectors_are_exact(items: ItemScores, askers: Askers) -> None:
    assert items.walks is not None
    values, vectors = np.linalg.eigh(items.walks.kernel(np.eye(N_ITEMS)))
    index = SpectralIndex(items, vectors[:, ::-1].astype(np.float32), values[::-1])
    pairs = zip(lists_of(index, askers), exact_lists(items, askers))
    for (rows, scores), (wanted, exact) in pairs:
        assert rows.tolist() == wanted.tolist()
        np.testing.assert_allclose(scores, exact, atol=1e-6)


@pytest.mark.parametrize("few", [0, 1_000])
def test_lists_by_some_eigenvectors_are_nearly_exact(
    few: int, items: ItemScores, askers: Askers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectral_index, "_FEW_ITEMS", few)
    tensors = index_of(items)
    assert tensors[DIRECTIONS].shape == (N_ITEMS, 128)
    index = SpectralIndex(items, tensors[DIRECTIONS], tensors[EIGENVALUES])
    pairs = list(zip(lists_of(index, askers), exact_lists(items, askers)))
    shares = [np.isin(wanted, rows).mean() for (rows, _), (wanted, _) in pairs]
    assert np.mean(shares) >= 0.95
    for (rows, scores), (wanted, exact) in pairs:
        by_row = dict(zip(wanted.tolist(), exact.tolist()))
        both = [each for each in rows.tolist() if each in by_row]
        values = dict(zip(rows.tolist(), scores.tolist()))
        for each in both:
            assert values[each] == pytest.approx(by_row[each], abs=0.02)


def test_an_index_that_saves_nothing_is_refused(items: ItemScores) -> None:
    with pytest.raises(UserError, match="--index: this model has no walks"):
        index_of(replace(items, walks=None))
    is_new = np.arange(N_ITEMS) < 1
    form = replace(items.form, new_item_mixing=0.5)
    with pytest.raises(UserError, match="items without training interactions"):
        index_of(replace(items, form=form, is_new=is_new))
    index_of(replace(items, form=form))


# --- the commands -------------------------------------------------------------------


@pytest.fixture
def indexed(checkpoint: list[str], tmp_path: Path) -> Path:
    """An export with an index."""
    folder = tmp_path / "indexed"
    assert main(["export", *checkpoint, f"--output={folder}", "--index"]) == 0
    return folder


def test_all_commands_list_by_the_index(
    indexed: Path, exported: Exported, tmp_path: Path
) -> None:
    wanted = exported.model.recommend(k=3)
    by_index = ExportedModel(indexed, by_index=True)
    assert by_index.index is not None
    found = by_index.recommend(k=3)
    # So few items are all scored, by half of the eigenvectors.
    pd.testing.assert_frame_equal(found, wanted, atol=0.05)
    words = ["recommend", f"--export={indexed}", "--index", "--users=all", "--top-k=3"]
    for output in ("table.csv", "lists"):
        assert main([*words, f"--output={tmp_path / output}"]) == 0
    written = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, found)
    part = pd.read_parquet(tmp_path / "lists" / "part-00000.parquet")
    pd.testing.assert_frame_equal(part[found.columns], found)
    function = RecommendInPandas(indexed, 3, by_index=True)
    (frame,) = function(iter([pd.DataFrame({"user_id": by_index.user_ids})]))
    pd.testing.assert_frame_equal(frame[found.columns], found)
    # Lists of both kinds are not mixed.
    words.remove("--index")
    assert main([*words, f"--output={tmp_path / 'lists'}"]) == 2
    store = ModelStore(indexed, by_index=True)
    with TestClient(Service(store, Limits()).app()) as client:
        for reasons, frame in ((0, found), (1, wanted)):
            asked = {"user": "left_ann", "k": 3, "reasons": reasons}
            answer = client.get("/v1/recommendations", params=asked).json()["items"]
            scores = frame[frame["user_id"] == "left_ann"]["score"].tolist()
            assert [each["score"] for each in answer] == pytest.approx(scores)


def test_the_index_is_one_of_the_checked_files(indexed: Path) -> None:
    (indexed / INDEX).write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"{INDEX}: .*export the model again"):
        ExportedModel(indexed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recommend", "--users=x", "--checkpoint=x", "--index"], "--index: needs"),
        (["recommend", "--users=all", "--index"], "holds no index; export the model"),
        (["serve", "--port=0", "--index"], "holds no index; export the model"),
    ],
)
def test_mistakes_are_reported_in_one_line(
    words: list[str],
    message: str,
    exported: Exported,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--checkpoint=x" not in words:
        words = [*words, f"--export={exported.folder}"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
