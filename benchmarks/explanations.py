"""What explanations account for, what they cost, and how stable they are.

    python benchmarks/explanations.py runs/a/model.pth [runs/b/model.pth ...]

Of the first checkpoint: the mean shares of the scores of the best items, and the time
and memory of ten items of many users. Of all, which are trainings of one data set with
different seeds: how similar the order of a user's interactions is in two of them, by
the parts of the score and by the attention (Spearman's rank correlation).
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from scipy.stats import spearmanr

from recbole_kgif.common.process import prepare_process

# Rank correlations of fewer interactions say little.
_FEWEST_INTERACTIONS = 4
_LISTED = 5
_RESAMPLES = 10_000


def main() -> None:
    """Measure, and print a record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--dataset-path", help="folder of the prepared data sets")
    parser.add_argument("--users", type=int, default=60, help="users of the shares")
    parser.add_argument("--timed-users", type=int, default=100)
    parser.add_argument("--compared-users", type=int, default=200)
    options = parser.parse_args()
    prepare_process()
    from recbole_kgif.explain import Explainer

    def load(path: str) -> Explainer:
        return Explainer.load(path, data_path=options.dataset_path)

    explainer = load(options.checkpoints[0])
    record: dict[str, Any] = {"dataset": explainer.dataset_name}
    record["shares"] = shares(explainer, options.users)
    if options.timed_users:
        record["cost"] = cost(explainer, options.timed_users)
    if len(options.checkpoints) > 1:
        others = [load(path) for path in options.checkpoints[1:]]
        trained = [explainer, *others]
        record["stability"] = stability(trained, options.compared_users)
    print(json.dumps(record, indent=1))


def drawn_users(explainer: Any, count: int) -> list[int]:
    """Numbers of users drawn at random."""
    users = explainer.interactions.users_with_history()
    found: list[int] = np.random.default_rng(2020).permutation(users)[:count].tolist()
    return found


def shares(explainer: Any, n_users: int) -> dict[str, float]:
    """Mean shares of the scores of each user's five best items."""
    from recbole_kgif.explain.reason_tree import score_tree
    from recbole_kgif.training.candidates import best_items

    rows, error = [], 0.0
    for user in drawn_users(explainer, n_users):
        scores = explainer.scores(user)
        items = best_items(scores, explainer.interactions.candidates(user), _LISTED)
        tree = score_tree(explainer.method, user, items)
        error = max(error, float(abs(tree.total - scores[items]).max()))
        for column, score in enumerate(scores[items]):
            values = np.sort(tree.interactions[:, column])[::-1]
            bias = tree.biases[:, column].sum()
            parts = (values[:_LISTED].sum(), values[_LISTED:].sum())
            rows.append(np.array([*parts, tree.own[column], bias]) / score)
    names = ("five_strongest", "other_interactions", "own_vector", "bias")
    means = dict(zip(names, np.mean(rows, axis=0).tolist()))
    strongest_and_bias = [row[0] + row[3] for row in rows]
    return {
        **means,
        "five_strongest_and_bias": float(np.mean(strongest_and_bias)),
        "five_strongest_and_bias_median": float(np.median(strongest_and_bias)),
        "n_scores": len(rows),
        "largest_error": error,
    }


def cost(explainer: Any, n_users: int) -> dict[str, float]:
    """Seconds for ten items of each of many users, and how the memory grows."""
    users = [explainer.users[n - 1] for n in drawn_users(explainer, n_users)]
    explainer.explain_top(users[0], 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    for user in users:
        explainer.explain_top(user, 10)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "n_users": n_users,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_memory_mib": after / 1024,
        "growth_mib": (after - before) / 1024,
    }


def stability(trained: Sequence[Any], n_users: int) -> dict[str, Any]:
    """Mean rank correlation of a user's interactions over all pairs of trainings.

    The item is the best one of the first training. Interactions that one of the two
    trainings does not have, as after another split, do not count.
    """
    by_user: dict[str, list[float]] = {"score": [], "attention": []}
    for user in drawn_users(trained[0], len(trained[0].users)):
        orders = [_of_user(each, trained[0], user) for each in trained]
        found: dict[str, list[float]] = {"score": [], "attention": []}
        for left, right in itertools.combinations(orders, 2):
            common = sorted(left.keys() & right.keys())
            if len(common) < _FEWEST_INTERACTIONS:
                continue
            for place, name in enumerate(found):
                values = [[e[item][place] for item in common] for e in (left, right)]
                value = spearmanr(*values).statistic
                if not np.isnan(value):
                    found[name].append(value)
        if all(found.values()):
            for name, values_found in found.items():
                by_user[name].append(float(np.mean(values_found)))
        if len(by_user["score"]) == n_users:
            break
    return {
        "n_trainings": len(trained),
        "n_users": len(by_user["score"]),
        **{name: _interval(values) for name, values in by_user.items()},
    }


def _of_user(explainer: Any, first: Any, user: int) -> dict[str, tuple[float, float]]:
    """Part of the score and attention of each of a user's interactions."""
    from recbole_kgif.explain.reason_tree import score_tree
    from recbole_kgif.training.candidates import best_items

    ranked = first.interactions.candidates(user)
    (best,) = best_items(first.scores(user), ranked, 1)
    number = _number(explainer, first.users[user - 1], "user")
    item = _number(explainer, first.items[best - 1], "item")
    if number is None or item is None:
        return {}
    score = explainer.method
    tree = score_tree(score, number, [item])
    items = score.graph.tail[tree.edges] - score.graph.n_users
    values = zip(tree.interactions[:, 0].tolist(), score.weight[tree.edges].tolist())
    return {explainer.items[n - 1]: pair for n, pair in zip(items.tolist(), values)}


def _number(explainer: Any, token: str, kind: str) -> Optional[int]:
    known = explainer.users if kind == "user" else explainer.items
    return known.index(token) + 1 if token in known else None


def _interval(values: Sequence[float]) -> dict[str, float]:
    """Mean with a 95 % interval, users resampled."""
    sample = np.array(values)
    places = np.random.default_rng(0).integers(
        0, len(sample), (_RESAMPLES, len(sample))
    )
    low, high = np.quantile(sample[places].mean(axis=1), (0.025, 0.975))
    return {"mean": float(sample.mean()), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
