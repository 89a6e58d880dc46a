"""Faithfulness of the paths: how scores change once they are removed.

For users drawn at random, and the best item of each, selections of paths
(`path_selection`) are removed in several ways (`perturbation_effects`). Each is
compared with random paths, as many and as long, and with the paths of the largest
attention. Confidence intervals are from resampling the users.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

import numpy as np
from tqdm import tqdm

from recbole_kgif.errors import UserError
from recbole_kgif.explain.contribution_paths import contribution_search
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Floats, Integers
from recbole_kgif.explain.path_quality import Quality, QualityMeasures
from recbole_kgif.explain.path_selection import (
    ATTENTION,
    BASELINES,
    BY_ATTENTION,
    BY_CONTRIBUTION,
    SELECTIONS,
    STRONGEST,
    TO_ITEM,
    as_attention,
    best_by_each_rule,
    random_by_each_rule,
)
from recbole_kgif.explain.perturbation_effects import (
    SCORE_DROPS,
    PerturbationEffect,
    perturbation_effect,
)
from recbole_kgif.explain.random_paths import (
    PathEdges,
    numbers_of_walks,
    random_paths_between,
)
from recbole_kgif.explain.score_decomposition import decompose
from recbole_kgif.training.candidates import best_items

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

ALL_USERS = "all"
CONFIDENCE = 0.95
# Number of best items whose first paths the quality measures cover.
LIST_LENGTH = 10
_RESAMPLES = 10_000
# A ratio needs all but this fraction of the others' resampled means above 0.
_NEAR_ZERO = 0.005
# Fewest edges of a path to an item that is new to the user.
_SHORT_WALK = 3
# Random paths can differ from the strongest only where there are many more.
_MANY = 10
# In place of the name of a baseline, for the selection itself.
_ITSELF = ""


@dataclass(frozen=True)
class Estimate:
    """A mean or ratio over users, with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A selection of paths compared with others, as ratios of means over users.

    Attributes:
        selection: one of `path_selection.BY_CONTRIBUTION`.
        measure: what is compared, one of `perturbation_effects.SCORE_DROPS`.
        users: which users, in words.
        n_users: how many these are.
        ratios: to random paths, by the names in `path_selection.BASELINES`, and to
            those of the largest attention; None where the others' mean is not clearly
            above 0.
    """

    selection: str
    measure: str
    users: str
    n_users: int
    ratios: Mapping[str, Optional[Estimate]]


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        model: name of the model.
        dataset: name of the data set.
        seed: seed of all random numbers.
        n_paths: paths a user.
        n_asked: users asked for.
        n_users: users measured: those with any path to their best item.
        score: mean score of the items.
        largest_error: largest difference of a score and the sum of its parts.
        outcomes: means of the fields of `PerturbationEffect`, by selection.
        random: the same of random paths, by the selection that they are compared with
            and by the names in `path_selection.BASELINES`.
        comparisons: over all users, and by the number of paths to choose from.
        quality: means of the path-quality measures by selection, over each user's best
            items; LIR is None where the run loaded no times.
    """

    model: str
    dataset: str
    seed: int
    n_paths: int
    n_asked: int
    n_users: int
    score: float
    largest_error: float
    outcomes: Mapping[str, Mapping[str, Estimate]]
    random: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    comparisons: Sequence[Comparison]
    quality: Mapping[str, Mapping[str, Optional[float]]]


@dataclass(frozen=True)
class _User:
    """What was measured of one user.

    score: of the best item; error: of the sum of its parts; n_walks: of three edges to
    it; effects: by selection and baseline; quality: by selection.
    """

    score: float
    error: float
    n_walks: float
    effects: Mapping[tuple[str, str], PerturbationEffect]
    quality: Mapping[str, Quality]


# The values of all users, by selection and baseline, then by field of the effect.
_Columns = Mapping[tuple[str, str], Mapping[str, Floats]]


def evaluate(
    explainer: Explainer, *, n_users: int, n_paths: int, seed: int
) -> Evaluation:
    """Measure the paths of users drawn at random.

    Args:
        explainer: of a model with exact contributions.
        n_users: how many users, or fewer where there are no more.
        n_paths: how many paths are removed, or kept, a user.
        seed: seed of all random numbers.

    Raises:
        UserError: the model has no exact contributions, or no path was found.
    """
    score = explainer.method
    if not isinstance(score, LinearScore):
        raise UserError(
            "--evaluate: compares exact contributions with attention, and KGAT has no "
            "contributions; give a checkpoint of KGIF"
        )
    random = np.random.default_rng(seed)
    drawn = random.permutation(explainer.interactions.users_with_history())[:n_users]
    measures = QualityMeasures(score.graph, explainer.interactions.times())
    found = (
        _measure(explainer, score, user, n_paths, measures, random)
        for user in tqdm(drawn.tolist(), unit="user", disable=None)
    )
    users = [user for user in found if user is not None]
    if not users:
        raise UserError("--evaluate: no path leads to the best item of any user drawn")
    samples = random.integers(0, len(users), (_RESAMPLES, len(users)))
    columns = _columns(users)
    means = {
        key: {
            name: _estimate(float(values.mean()), values[samples].mean(axis=1))
            for name, values in by_field.items()
        }
        for key, by_field in columns.items()
    }
    n_walks = np.array([user.n_walks for user in users])
    return Evaluation(
        model=explainer.model_name,
        dataset=explainer.dataset_name,
        seed=seed,
        n_paths=n_paths,
        n_asked=n_users,
        n_users=len(users),
        score=float(np.mean([user.score for user in users])),
        largest_error=max(user.error for user in users),
        outcomes={selection: means[selection, _ITSELF] for selection in SELECTIONS},
        random={
            selection: {baseline: means[selection, baseline] for baseline in BASELINES}
            for selection in BY_CONTRIBUTION
        },
        comparisons=_comparisons(columns, n_paths, n_walks, random),
        quality=_quality_means([user.quality for user in users]),
    )


# --- one user -----------------------------------------------------------------------


def _measure(
    explainer: Explainer,
    score: LinearScore,
    user: int,
    n_paths: int,
    measures: QualityMeasures,
    random: np.random.Generator,
) -> Optional[_User]:
    """Measure a user; None where no path leads to the best item."""
    of_user = explainer.scores(user)
    ranked = explainer.interactions.candidates(user)
    items = best_items(of_user, ranked, LIST_LENGTH)
    item, target = items[0], score.graph.item_node(items[0])
    best = best_by_each_rule(score, user, item, n_paths)
    if not best[STRONGEST]:
        return None
    removed = {(selection, _ITSELF): paths for selection, paths in best.items()}
    for selection in BY_CONTRIBUTION:
        drawn = random_by_each_rule(score.graph, user, target, best[selection], random)
        removed.update({(selection, name): paths for name, paths in drawn.items()})
    (parts,) = decompose(score, user, [item])
    n_walks = numbers_of_walks(score.graph, target, _SHORT_WALK)[_SHORT_WALK][user]
    first = _first_paths(score, user, items, random)
    return _User(
        score=float(of_user[item]),
        error=abs(parts.total - float(of_user[item])),
        n_walks=float(n_walks),
        effects={
            key: perturbation_effect(score, user, item, ranked, paths)
            for key, paths in removed.items()
        },
        quality={name: measures.of(user, paths) for name, paths in first.items()},
    )


def _first_paths(
    score: LinearScore, user: int, items: Sequence[int], random: np.random.Generator
) -> dict[str, list[PathEdges]]:
    """The first path of each selection to each item that has one."""
    first: dict[str, list[PathEdges]] = {STRONGEST: [], ATTENTION: [], TO_ITEM: []}
    graph, attended = score.graph, as_attention(score)
    for item in items:
        for path in contribution_search(score, user, item).best(1):
            first[STRONGEST].append(path.edges)
            (by_attention,) = attended.search(user, item).best(1)
            first[ATTENTION].append(by_attention.edges)
            first[TO_ITEM] += random_paths_between(
                graph, user, graph.item_node(item), [len(path.edges)], random
            )
    return first


# --- over all users -----------------------------------------------------------------


def _columns(users: Sequence[_User]) -> _Columns:
    return {
        key: {
            field.name: np.array([getattr(u.effects[key], field.name) for u in users])
            for field in dataclasses.fields(PerturbationEffect)
        }
        for key in users[0].effects
    }


def _comparisons(
    columns: _Columns, n_paths: int, n_walks: Floats, random: np.random.Generator
) -> list[Comparison]:
    many, comparisons = _MANY * n_paths, []
    groups = {
        ALL_USERS: np.arange(len(n_walks)),
        f"below {many} walks of 3 edges": np.flatnonzero(n_walks < many),
        f"{many} or more": np.flatnonzero(n_walks >= many),
    }
    attention = {name: columns[name, _ITSELF] for name in BY_ATTENTION}
    for users, members in groups.items():
        # Not the same users a second time.
        if users != ALL_USERS and len(members) in (0, len(n_walks)):
            continue
        samples = random.integers(0, len(members), (_RESAMPLES, len(members)))
        for selection in BY_CONTRIBUTION:
            itself = columns[selection, _ITSELF]
            others = {name: columns[selection, name] for name in BASELINES}
            for measure in SCORE_DROPS:
                ratios = {
                    name: _ratio(
                        itself[measure][members], other[measure][members], samples
                    )
                    for name, other in {**others, **attention}.items()
                }
                comparisons.append(
                    Comparison(selection, measure, users, len(members), ratios)
                )
    return comparisons


def _ratio(values: Floats, others: Floats, samples: Integers) -> Optional[Estimate]:
    """Ratio of the means, users resampled together."""
    below = others[samples].mean(axis=1)
    if np.quantile(below, _NEAR_ZERO) <= 0:
        return None
    above = values[samples].mean(axis=1)
    # The few resamples without a ratio count as a large one.
    resampled = np.divide(above, below, np.full_like(above, np.inf), where=below > 0)
    return _estimate(float(values.mean() / others.mean()), resampled)


def _estimate(value: float, resampled: Floats) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return Estimate(value, float(low), float(high))


def _quality_means(
    by_user: Sequence[Mapping[str, Quality]],
) -> dict[str, dict[str, Optional[float]]]:
    means: dict[str, dict[str, Optional[float]]] = {}
    for selection in by_user[0]:
        means[selection] = {}
        for field in dataclasses.fields(Quality):
            values = [getattr(quality[selection], field.name) for quality in by_user]
            known = [value for value in values if value is not None]
            mean = float(np.mean(known)) if known else None
            means[selection][field.name.upper()] = mean
    return means
