"""The index of an export beside exact lists, and beside libraries for near vectors.

A library finds the items of the largest inner products among vectors with the bias in
one more dimension. What it finds is joined with the items of the strongest direct
walks; the share of the exact lists in both is what rescoring could reach at best.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_kgif.serving.exported_model import ExportedModel

_K = 20
# Candidates by vectors, and as many by walks.
_FOUND = 3_000
_LINKS, _BUILDING = 16, 100  # of the graphs of HNSW
_LISTS, _PROBES = 1_024, 256  # of an inverted file

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Search = Callable[[Vectors], Rows]


def measure_index(folder: Path, n_users: int) -> dict[str, Any]:
    """Exact lists, those of the index, and what libraries find.

    Args:
        folder: of an export with an index.
        n_users: how many users get lists.
    """
    model = ExportedModel(folder, by_index=True)
    assert model.index is not None
    rows = np.linspace(0, len(model.user_ids) - 1, n_users).astype(np.int64)
    askers = [model.user(row) for row in rows.tolist()]
    exact, exact_seconds = _timed(
        lambda each: model.best_of(each, _K, exactly=True)[0], askers
    )
    by_index, seconds = _timed(lambda each: model.best_of(each, _K)[0], askers)
    start = time.process_time()
    together = sum(1 for _ in model.ranked(rows, _K))
    together_seconds = time.process_time() - start
    scores = [model.items.scores(each.scored)[0] for each in askers]
    differences = [
        np.abs(model.best_of(each, _K)[1] - of_all[found]).max()
        for each, found, of_all in zip(askers, by_index, scores)
    ]
    return {
        "users": n_users,
        "exact_cpu": exact_seconds,
        "index_cpu": seconds,
        "together_cpu": together_seconds / together,
        "recall": _recall(exact, by_index),
        "same_lists": float(
            np.mean([np.array_equal(*pair) for pair in zip(exact, by_index)])
        ),
        "median_difference": float(np.median(differences)),
        "largest_difference": float(max(differences)),
        "screening_cpu": _screening_seconds(model, askers),
        "found": _FOUND,
        "libraries": list(_of_libraries(model, askers, exact)),
    }


def _timed(call: Callable[[Any], Any], askers: list[Any]) -> tuple[list[Any], float]:
    """Results, and the median of the processor's seconds of a call."""
    results, seconds = [], []
    for asker in askers:
        start = time.process_time()
        results.append(call(asker))
        seconds.append(time.process_time() - start)
    return results, float(np.median(seconds))


def _recall(exact: list[Rows], found: list[Rows]) -> float:
    pairs = zip(exact, found)
    return float(np.mean([np.isin(wanted, each).mean() for wanted, each in pairs]))


def _screening_seconds(model: ExportedModel, askers: list[Any]) -> float:
    """The product by which the index screens all items for one user."""
    assert model.index is not None
    screened = model.index.screened
    query = np.ones((1, screened.shape[1]), dtype=np.float32)
    return _timed(lambda _: query @ screened.T, askers)[1]


def _of_libraries(
    model: ExportedModel, askers: list[Any], exact: list[Rows]
) -> Iterator[dict[str, Any]]:
    items = model.items
    assert items.walks is not None
    parts = [items.scaled_vectors, items.bias[:, None]]
    vectors = np.hstack(parts).astype(np.float32)
    queries = np.array(
        [np.append(items.compared(each.scored.vectors)[0], 1) for each in askers],
        dtype=np.float32,
    )
    near = [_near(items.walks, each) for each in askers]
    for name, build in _LIBRARIES.items():
        with contextlib.suppress(ImportError):
            package = name.split()[0]
            library = importlib.import_module(package)
            start = time.process_time()
            search = build(library, vectors)
            build_seconds = time.process_time() - start
            found, seconds = _timed(search, [query[None] for query in queries])
            joined = [np.union1d(*pair) for pair in zip(found, near)]
            yield {
                "library": name,
                "version": version(_DISTRIBUTIONS.get(package, package)),
                "build_seconds": build_seconds,
                "search_cpu": seconds,
                "candidates": float(np.mean([len(each) for each in joined])),
                "recall_at_best": _recall(exact, joined),
            }


def _near(walks: Any, asker: Any) -> Rows:
    """The unseen items of the strongest direct walks."""
    scored = asker.scored
    direct = walks.direct(walks.reached(scored.history, scored.own_neighbour))
    direct[asker.seen] = -np.inf
    return np.argsort(-direct, kind="stable")[:_FOUND].astype(np.int64)


def _inverted_file(faiss: Any, vectors: Vectors) -> Search:
    faiss.omp_set_num_threads(1)
    n_lists = min(_LISTS, max(1, len(vectors) // 40))
    index = faiss.index_factory(
        vectors.shape[1], f"IVF{n_lists},Flat", faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors)
    index.add(vectors)
    index.nprobe = _PROBES
    return _search_of(index)


def _faiss_graph(faiss: Any, vectors: Vectors) -> Search:
    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(
        vectors.shape[1], 2 * _LINKS, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction, index.hnsw.efSearch = _BUILDING, _FOUND
    index.add(vectors)
    return _search_of(index)


def _search_of(index: Any) -> Search:
    return lambda query: index.search(query, _FOUND)[1][0]


def _hnswlib_graph(hnswlib: Any, vectors: Vectors) -> Search:
    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=_LINKS, ef_construction=_BUILDING)
    index.set_num_threads(1)
    index.add_items(vectors)
    index.set_ef(_FOUND)
    return lambda query: index.knn_query(query, _FOUND)[0][0].astype(np.int64)


def _usearch_graph(usearch: Any, vectors: Vectors) -> Search:
    index = importlib.import_module("usearch.index").Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=2 * _LINKS,
        expansion_add=_BUILDING,
        expansion_search=_FOUND,
    )
    index.add(np.arange(len(vectors)), vectors, threads=1)
    return lambda query: index.search(query[0], _FOUND, threads=1).keys.astype(np.int64)


_DISTRIBUTIONS = {"faiss": "faiss-cpu"}
_LIBRARIES: dict[str, Callable[[Any, Vectors], Search]] = {
    "faiss (inverted file)": _inverted_file,
    "faiss (HNSW)": _faiss_graph,
    "hnswlib (HNSW)": _hnswlib_graph,
    "usearch (HNSW)": _usearch_graph,
}
