"""How faithful the paths are: by how much scores fall without them.

For users drawn at random, and the best item of each, lists of paths (`choices`) are
taken away by several meanings of that (`effects`). Beside each list stand random paths,
as many and as long, and the paths of the largest attention. Confidence intervals come
from resampling the users.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph, attention_paths
from recbole_kgif.explain.contribution_paths import exact_paths, longest_path
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Floats
from recbole_kgif.explain.path_quality import Quality, QualityMeasures
from recbole_kgif.explain.path_selection import (
    ATTENTION,
    BASELINES,
    CHOICES,
    EXACT_CHOICES,
    STRONGEST,
    TO_ITEM,
    VARIED_ATTENTION,
    PathEdges,
    best_by_each_rule,
    random_by_each_rule,
)
from recbole_kgif.explain.perturbation_effects import MEASURES, Effect, effect
from recbole_kgif.explain.random_paths import numbers_of_walks, random_paths
from recbole_kgif.explain.score_decomposition import shares
from recbole_kgif.trained_model import best_items

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

ALL_USERS = "all"
CONFIDENCE = 0.95
# Items of the list whose first paths the quality measures judge.
LIST_LENGTH = 10
_RESAMPLES = 10_000
# A ratio to others needs all but this part of their resampled means above 0.
_NOTHING = 0.005
# Fewest edges that lead to an item which the user has not met.
_SHORT_WALK = 3
# Random paths can differ from the strongest only where there are many more.
_MANY = 10


@dataclass(frozen=True)
class Estimate:
    """A figure over users, with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A list of paths beside others, as ratios of means over users.

    Attributes:
        choice: which list, one of `choices.EXACT_CHOICES`.
        measure: what is compared, one of `effects.MEASURES`.
        users: which users, in words.
        n_users: how many these are.
        ratios: to random paths, by the names in `choices.BASELINES`, and to those of
            the largest attention; None where the others' mean can hardly be told
            from 0.
    """

    choice: str
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
        seed: seed of all that was drawn.
        n_paths: paths a user.
        n_asked: users asked for.
        n_users: users measured: those whose best item any path reaches.
        score: mean score of the items.
        largest_error: by how much the parts of a score miss it at most.
        outcomes: means of what `effects.Effect` measures, by list of paths.
        random: the same of random paths, by the list that they stand beside and by the
            names in `choices.BASELINES`.
        comparisons: over all users, and by the number of paths to choose from.
        quality: means of the path-quality measures by choice of paths, over each
            user's best items; LIR is None where the run loaded no times.
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

    score: of the best item; error: by how much its parts miss it; n_walks: of three
    edges to it; effects: by list; random: by list and baseline; quality: by choice.
    """

    score: float
    error: float
    n_walks: float
    effects: Mapping[str, Effect]
    random: Mapping[str, Mapping[str, Effect]]
    quality: Mapping[str, Quality]


# The measured values of all users by the names of the fields of `Effect`.
_Columns = Mapping[str, Floats]


def evaluate(
    explainer: Explainer, *, n_users: int, n_paths: int, seed: int
) -> Evaluation:
    """Measure the paths of users drawn at random.

    Args:
        explainer: of a model with exact contributions.
        n_users: how many users, or fewer where there are no more.
        n_paths: how many paths are taken away, or kept, a user.
        seed: seed of all that is drawn.

    Raises:
        UserError: the model has no exact contributions, or no path was found.
    """
    if not isinstance(explainer.method, LinearScore):
        raise UserError(
            "--evaluate: compares exact contributions with attention, and KGAT has no "
            "contributions; give a checkpoint of KGIF"
        )
    random = np.random.default_rng(seed)
    candidates = explainer.candidates
    numbers = random.permutation(candidates.users_with_history())[:n_users]
    measures = QualityMeasures(explainer.method.graph, candidates.times())
    found = (
        _measure(explainer, explainer.method, user, n_paths, measures, random)
        for user in tqdm(numbers.tolist(), unit="user", disable=None)
    )
    users = [user for user in found if user is not None]
    if not users:
        raise UserError("--evaluate: no path leads to the best item of any user drawn")
    samples = random.integers(0, len(users), (_RESAMPLES, len(users)))
    columns = {
        choice: _columns([user.effects[choice] for user in users]) for choice in CHOICES
    }
    of_random = {
        choice: {
            baseline: _columns([user.random[choice][baseline] for user in users])
            for baseline in BASELINES
        }
        for choice in EXACT_CHOICES
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
        outcomes={
            choice: _means(of_choice, samples) for choice, of_choice in columns.items()
        },
        random={
            choice: {
                baseline: _means(of_baseline, samples)
                for baseline, of_baseline in by_baseline.items()
            }
            for choice, by_baseline in of_random.items()
        },
        comparisons=_comparisons(columns, of_random, n_paths, n_walks, random),
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
    ranked = explainer.candidates.of(user)
    items = best_items(of_user, ranked, LIST_LENGTH)
    item, target = items[0], score.graph.item_node(items[0])
    best = best_by_each_rule(score, user, item, n_paths)
    if not best[STRONGEST]:
        return None
    beside = {
        choice: random_by_each_rule(score.graph, user, target, best[choice], random)
        for choice in EXACT_CHOICES
    }
    (parts,) = shares(score, user, [item])
    first = _first_paths(score, user, items, random)
    return _User(
        score=float(of_user[item]),
        error=abs(parts.total - float(of_user[item])),
        n_walks=float(
            numbers_of_walks(score.graph, target, _SHORT_WALK)[_SHORT_WALK][user]
        ),
        effects={
            choice: effect(score, user, item, ranked, paths)
            for choice, paths in best.items()
        },
        random={
            choice: {
                baseline: effect(score, user, item, ranked, paths)
                for baseline, paths in by_baseline.items()
            }
            for choice, by_baseline in beside.items()
        },
        quality={choice: measures.of(user, paths) for choice, paths in first.items()},
    )


def _first_paths(
    score: LinearScore, user: int, items: Sequence[int], random: np.random.Generator
) -> dict[str, list[PathEdges]]:
    """The first path of each choice to each item that has one."""
    first: dict[str, list[PathEdges]] = {STRONGEST: [], ATTENTION: [], TO_ITEM: []}
    attended = AttentionGraph(score.graph, score.weight, longest_path(score))
    for item in items:
        for path in exact_paths(score, user, item, 1):
            target, length = score.graph.item_node(item), len(path.edges)
            first[STRONGEST].append(path.edges)
            (by_attention,) = attention_paths(attended, user, item, 1)
            first[ATTENTION].append(by_attention.edges)
            first[TO_ITEM] += random_paths(score.graph, user, target, [length], random)
    return first


# --- over all users -----------------------------------------------------------------


def _columns(effects: Sequence[Effect]) -> _Columns:
    return {
        field.name: np.array([getattr(effect, field.name) for effect in effects])
        for field in dataclasses.fields(Effect)
    }


def _means(columns: _Columns, samples: npt.NDArray[np.int64]) -> dict[str, Estimate]:
    return {
        name: _estimate(float(values.mean()), values[samples].mean(axis=1))
        for name, values in columns.items()
    }


def _comparisons(
    columns: Mapping[str, _Columns],
    of_random: Mapping[str, Mapping[str, _Columns]],
    n_paths: int,
    n_walks: Floats,
    random: np.random.Generator,
) -> list[Comparison]:
    attention = {choice: columns[choice] for choice in (ATTENTION, VARIED_ATTENTION)}
    many, comparisons = _MANY * n_paths, []
    groups = {
        ALL_USERS: np.arange(len(n_walks)),
        f"below {many} walks of 3 edges": np.flatnonzero(n_walks < many),
        f"{many} or more": np.flatnonzero(n_walks >= many),
    }
    # Not the same users a second time.
    groups = {
        users: members
        for users, members in groups.items()
        if users == ALL_USERS or 0 < len(members) < len(n_walks)
    }
    for users, members in groups.items():
        samples = random.integers(0, len(members), (_RESAMPLES, len(members)))
        comparisons += [
            Comparison(
                choice,
                measure,
                users,
                len(members),
                {
                    name: _ratio(
                        columns[choice][measure][members],
                        others[measure][members],
                        samples,
                    )
                    for name, others in {**of_random[choice], **attention}.items()
                },
            )
            for choice in EXACT_CHOICES
            for measure in MEASURES
        ]
    return comparisons


def _ratio(
    values: Floats, others: Floats, samples: npt.NDArray[np.int64]
) -> Optional[Estimate]:
    """Ratio of the means, users resampled together."""
    below = others[samples].mean(axis=1)
    if np.quantile(below, _NOTHING) <= 0:
        return None
    above = values[samples].mean(axis=1)
    # The few that are left without a ratio stand for a large one.
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
    for choice in by_user[0]:
        means[choice] = {}
        for field in dataclasses.fields(Quality):
            values = [getattr(quality[choice], field.name) for quality in by_user]
            known = [value for value in values if value is not None]
            mean = float(np.mean(known)) if known else None
            means[choice][field.name.upper()] = mean
    return means
