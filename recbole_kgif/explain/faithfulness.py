"""Faithfulness of the reasons: how scores change without the strongest interactions.

For the best item of each of many users, the interactions of the largest parts of the
score are compared with those of the largest attention and with random ones, as many.
Interactions are deleted from the graph, and the score is propagated again
(`LinearScore.without`):

* *comprehensiveness* (DeYoung et al., "ERASER", ACL 2020), also called fidelity+: by
  how much the score falls without them;
* *fidelity-*: by how much it falls with them alone, all other interactions of the user
  deleted;
* *sufficiency*: what they alone keep, as a fraction of what all interactions of the
  user add to the score, a ratio of means.

Intervals are from resampling the users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

import numpy as np
from tqdm import tqdm

from recbole_kgif.errors import UserError
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Flags, Floats, Integers
from recbole_kgif.explain.reason_tree import ScoreTree, score_tree
from recbole_kgif.training.candidates import best_items

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

STRONGEST, ATTENTION, RANDOM = "strongest", "largest attention", "random"
SELECTIONS = (STRONGEST, ATTENTION, RANDOM)
COMPREHENSIVENESS, FIDELITY_MINUS = "comprehensiveness", "fidelity_minus"
SUFFICIENCY = "sufficiency"
CONFIDENCE = 0.95
_RESAMPLES = 10_000
# Random selections of each user, whose effects are averaged.
_DRAWS = 5


@dataclass(frozen=True)
class Estimate:
    """A mean or ratio over users, with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        model: name of the model.
        dataset: name of the data set.
        seed: seed of all random numbers.
        n_reasons: interactions deleted, or kept, of each user.
        n_asked: users asked for.
        n_users: users measured: those with more interactions than that.
        score: mean score of the items.
        largest_error: largest difference of a score and the sum of its parts.
        effects: by selection the measures, see the module.
        ratios: comprehensiveness of the strongest by that of each other selection; None
            where the other's is not clearly above 0.
    """

    model: str
    dataset: str
    seed: int
    n_reasons: int
    n_asked: int
    n_users: int
    score: float
    largest_error: float
    effects: Mapping[str, Mapping[str, Estimate]]
    ratios: Mapping[str, Optional[Estimate]]


@dataclass(frozen=True)
class _User:
    """Scores of the best item.

    score: of the model; whole: of its arrays; none: without any interaction; without
    and alone: without and with only each selection.
    """

    score: float
    whole: float
    none: float
    without: Mapping[str, float]
    alone: Mapping[str, float]


def evaluate(
    explainer: Explainer, *, n_users: int, n_reasons: int, seed: int
) -> Evaluation:
    """Measure the reasons of users drawn at random.

    Args:
        explainer: of a model with exact contributions.
        n_users: how many users, or fewer where there are no more.
        n_reasons: how many interactions are deleted, or kept, of each.
        seed: seed of all random numbers.

    Raises:
        UserError: the model has no exact contributions, or no user has more
            interactions than are deleted.
    """
    score = explainer.method
    if not isinstance(score, LinearScore):
        raise UserError(
            "--evaluate: compares exact contributions with attention, and KGAT has no "
            "contributions; give a checkpoint of KGIF"
        )
    random = np.random.default_rng(seed)
    every = random.permutation(explainer.interactions.users_with_history())
    eligible = every[score.graph.degree[every] > n_reasons]
    if not len(eligible):
        raise UserError(
            f"--evaluate: no user has more than {n_reasons} training interactions; "
            "give a smaller --reasons"
        )
    drawn = tqdm(eligible[:n_users].tolist(), unit="user", disable=None)
    users = [_measure(explainer, score, user, n_reasons, random) for user in drawn]
    samples = random.integers(0, len(users), (_RESAMPLES, len(users)))
    drops = {
        name: np.array([user.whole - user.without[name] for user in users])
        for name in SELECTIONS
    }
    return Evaluation(
        model=explainer.model_name,
        dataset=explainer.dataset_name,
        seed=seed,
        n_reasons=n_reasons,
        n_asked=n_users,
        n_users=len(users),
        score=float(np.mean([user.score for user in users])),
        largest_error=max(abs(user.whole - user.score) for user in users),
        effects={name: _effects(users, name, samples) for name in SELECTIONS},
        ratios={
            name: _ratio(drops[STRONGEST], drops[name], samples)
            for name in SELECTIONS[1:]
        },
    )


def _measure(
    explainer: Explainer,
    score: LinearScore,
    user: int,
    n_reasons: int,
    random: np.random.Generator,
) -> _User:
    scores = explainer.scores(user)
    (item,) = best_items(scores, explainer.interactions.candidates(user), 1)
    tree = score_tree(score, user, [item])
    n_all = len(tree.edges)
    chosen = {
        STRONGEST: [_largest(tree.interactions[:, 0], n_reasons)],
        ATTENTION: [_largest(score.weight[tree.edges], n_reasons)],
        RANDOM: [random.permutation(n_all)[:n_reasons] for _ in range(_DRAWS)],
    }

    def mean_score(draws: Sequence[Integers], *, keeps: bool) -> float:
        left = []
        for draw in draws:
            stays = np.full(n_all, not keeps)
            stays[draw] = keeps
            left.append(score_with(score, tree, user, item, stays))
        return float(np.mean(left))

    return _User(
        score=float(scores[item]),
        whole=float(tree.total[0]),
        none=score_with(score, tree, user, item, np.zeros(n_all, dtype=bool)),
        without={k: mean_score(draws, keeps=False) for k, draws in chosen.items()},
        alone={k: mean_score(draws, keeps=True) for k, draws in chosen.items()},
    )


def _largest(values: Floats, count: int) -> Integers:
    return np.argsort(-values, kind="stable")[:count]


def score_with(
    score: LinearScore, tree: ScoreTree, user: int, item: int, stays: Flags
) -> float:
    """The score of one item with some of the user's interactions alone.

    Args:
        score: the model.
        tree: the parts of the score of this item alone.
        user: number of the user.
        item: number of the item.
        stays: whether each interaction stays, shape: [n_interactions]
    """
    left = score.without(tree.edges[~stays].tolist())
    if tree.borrowed[0]:
        return float(left.scores(user)[item])
    nodes = [user, score.graph.item_node(item)]
    rows = np.zeros((score.graph.n_nodes, 2))
    rows[nodes, [0, 1]] = 1
    total = rows
    for _ in range(score.n_layers):
        rows = left.matrix.T @ rows
        total = total + rows
    of_user, of_item = total.T @ score.embedding / (score.n_layers + 1)
    similarity = float(of_user @ of_item) * float(score.similarity_weight[item])
    if score.is_cosine:
        lengths = np.linalg.norm(of_user) * np.linalg.norm(of_item)
        similarity /= max(float(lengths), 1e-12)
    walks = float((tree.direct + tree.filtered)[stays, 0].sum())
    return similarity + walks + float(tree.biases[:, 0].sum())


def _effects(
    users: Sequence[_User], name: str, samples: Integers
) -> dict[str, Estimate]:
    whole = np.array([user.whole for user in users])
    without = np.array([user.without[name] for user in users])
    alone = np.array([user.alone[name] for user in users])
    none = np.array([user.none for user in users])
    added = np.array([alone - none, whole - none])
    kept = added[0].mean() / added[1].mean()
    resampled = added[:, samples].mean(axis=2)
    return {
        COMPREHENSIVENESS: _mean(whole - without, samples),
        FIDELITY_MINUS: _mean(whole - alone, samples),
        SUFFICIENCY: _estimate(float(kept), resampled[0] / resampled[1]),
    }


def _mean(values: Floats, samples: Integers) -> Estimate:
    return _estimate(float(values.mean()), values[samples].mean(axis=1))


def _ratio(values: Floats, others: Floats, samples: Integers) -> Optional[Estimate]:
    """Ratio of the means, users resampled together."""
    below = others[samples].mean(axis=1)
    if np.quantile(below, (1 - CONFIDENCE) / 2) <= 0:
        return None
    ratios = values[samples].mean(axis=1) / below
    return _estimate(float(values.mean() / others.mean()), ratios)


def _estimate(value: float, resampled: Floats) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return Estimate(value, float(low), float(high))
