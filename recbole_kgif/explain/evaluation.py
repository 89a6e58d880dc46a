"""How faithful the paths are: what the scores do without them, and with them alone.

For users drawn at random, and the best item of each, edges of the strongest paths are
taken out of the graph in both directions, out of the propagation and out of the direct
walks, and the scores are computed again. All other weights stay as they are: neither
attention nor normalisation is worked out anew for a graph with fewer edges.

*Deleted*: all edges of the paths are gone. That takes the user's own interactions away
too, and with them every other path that begins there, so that it punishes paths which
begin with many different items, whatever else they carry.

*Cut*: each path loses its middle hop alone. In a path of three hops between two given
ends nearly no other path has that hop, so that it comes close to taking away this path
and nothing else.

*Kept*: all edges but those of the paths are gone, and it is measured how much remains
of what the graph gives to the score.

The same is done with random paths of the same lengths between the same two ends, and
with the paths of the largest attention, which is how paths are read out of KGAT.
Confidence intervals come from resampling the users.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention import AttentionGraph, attention_paths
from recbole_kgif.explain.candidates import best_items, rank
from recbole_kgif.explain.exact import exact_paths, longest_path, path_contribution
from recbole_kgif.explain.graph import Flags, Floats
from recbole_kgif.explain.linear import LinearScore
from recbole_kgif.explain.quality import Quality, QualityMeasures
from recbole_kgif.explain.sampling import numbers_of_walks, random_paths

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

BEST, ATTENTION, RANDOM = "strongest paths", "largest attention", "random paths"
CHOICES = (BEST, ATTENTION, RANDOM)
CONFIDENCE = 0.95
_RESAMPLES = 10_000
# Items of the list whose first paths the quality measures judge.
_LIST_LENGTH = 10
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
class Outcome:
    """What one choice of paths does to the scores, means over the users.

    Attributes:
        contribution: exact share of the score that the paths have together.
        deleted: by how much the score falls once all their edges are gone.
        places: how many places the item falls then.
        cut: by how much the score falls once each path has lost its middle hop.
        kept: part of what the graph gives to the score that the paths alone keep.
        edges: how many different facts the paths take.
    """

    contribution: Estimate
    deleted: Estimate
    places: Estimate
    cut: Estimate
    kept: Estimate
    edges: Estimate


@dataclass(frozen=True)
class Comparison:
    """The strongest paths beside the others, as ratios of means over users.

    Attributes:
        measure: what is compared: "contribution", "deleted" or "cut".
        users: which users, in words.
        n_users: how many these are.
        to_random: ratio to random paths.
        to_attention: ratio to the paths of the largest attention.
    """

    measure: str
    users: str
    n_users: int
    to_random: Estimate
    to_attention: Estimate


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
        outcomes: by choice of paths.
        comparisons: over all users, and over those with many paths to choose from.
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
    outcomes: Mapping[str, Outcome]
    comparisons: Sequence[Comparison]
    quality: Mapping[str, Mapping[str, Optional[float]]]


@dataclass(frozen=True)
class _Effect:
    """What one choice of paths does to one item of a user."""

    contribution: float
    deleted: float
    places: float
    cut: float
    kept: float
    edges: float


def evaluate(
    explainer: Explainer, *, n_users: int, n_paths: int, seed: int
) -> Evaluation:
    """Measure the paths of users drawn at random.

    Args:
        explainer: of a model with exact contributions.
        n_users: how many users, or fewer where there are no more.
        n_paths: how many paths are deleted, or kept, a user.
        seed: seed of all that is drawn.

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
    candidates = explainer.candidates
    users = candidates.users_with_history()
    users = random.permutation(users)[:n_users]
    measures = QualityMeasures(score.graph, candidates.times())
    effects: dict[str, list[_Effect]] = {choice: [] for choice in CHOICES}
    qualities: dict[str, list[Quality]] = {choice: [] for choice in CHOICES}
    scores, n_walks = [], []
    for user in tqdm(users.tolist(), unit="user", disable=None):
        of_user = score.scores(user)
        ranked = candidates.of(user)
        items = best_items(of_user, ranked, _LIST_LENGTH)
        chosen = _choose(score, user, items[0], n_paths, random)
        if not chosen[BEST]:
            continue
        scores.append(float(of_user[items[0]]))
        target = score.graph.item_node(items[0])
        short = numbers_of_walks(score.graph, target, _SHORT_WALK)[_SHORT_WALK]
        n_walks.append(float(short[user]))
        for choice, paths in chosen.items():
            effects[choice].append(_effect(score, user, items[0], ranked, paths))
        for choice, paths in _first_paths(score, user, items, random).items():
            qualities[choice].append(measures.of(user, paths))
    if not scores:
        raise UserError("--evaluate: no path leads to the best item of any user drawn")
    return _summary(
        explainer.model_name,
        explainer.dataset_name,
        seed,
        n_paths,
        n_users,
        scores,
        n_walks,
        effects,
        qualities,
        random,
    )


# --- one user -----------------------------------------------------------------------


def _choose(
    score: LinearScore,
    user: int,
    item: int,
    count: int,
    random: np.random.Generator,
) -> dict[str, list[tuple[int, ...]]]:
    """The edges of the paths of each choice; as many of each, where there are."""
    graph = score.graph
    best = [path.edges for path in exact_paths(score, user, item, count)]
    if not best:
        return {choice: [] for choice in CHOICES}
    attended = AttentionGraph(graph, score.weight, longest_path(score))
    by_attention = attention_paths(attended, user, item, len(best))
    lengths = [len(path) for path in best]
    target = graph.item_node(item)
    return {
        BEST: best,
        ATTENTION: [path.edges for path in by_attention],
        RANDOM: random_paths(graph, user, target, lengths, random),
    }


def _first_paths(
    score: LinearScore, user: int, items: Sequence[int], random: np.random.Generator
) -> dict[str, list[tuple[int, ...]]]:
    """The first path of each choice to each item that has one."""
    first: dict[str, list[tuple[int, ...]]] = {choice: [] for choice in CHOICES}
    for item in items:
        for choice, paths in _choose(score, user, item, 1, random).items():
            first[choice].extend(paths[:1])
    return first


def _effect(
    score: LinearScore,
    user: int,
    item: int,
    ranked: Flags,
    paths: Sequence[Sequence[int]],
) -> _Effect:
    edges = sorted({edge for path in paths for edge in path})
    middle = [path[len(path) // 2] for path in paths]
    whole = score.scores(user)
    without = score.without(edges).scores(user)
    only = score.only(edges).scores(user)[item]
    nothing = score.only([]).scores(user)[item]
    from_graph = whole[item] - nothing
    facts = np.minimum(edges, score.graph.reverse[edges])
    return _Effect(
        contribution=sum(path_contribution(score, user, item, path) for path in paths),
        deleted=float(whole[item] - without[item]),
        places=float(rank(without, ranked, item) - rank(whole, ranked, item)),
        cut=float(whole[item] - score.without(middle).scores(user)[item]),
        kept=float((only - nothing) / from_graph) if from_graph else 0.0,
        edges=float(len(np.unique(facts))),
    )


# --- over all users -----------------------------------------------------------------


def _summary(
    model: str,
    dataset: str,
    seed: int,
    n_paths: int,
    n_asked: int,
    scores: Sequence[float],
    n_walks: Sequence[float],
    effects: Mapping[str, Sequence[_Effect]],
    qualities: Mapping[str, Sequence[Quality]],
    random: np.random.Generator,
) -> Evaluation:
    n_users = len(scores)
    samples = random.integers(0, n_users, (_RESAMPLES, n_users))
    columns = {
        choice: {
            field.name: np.array([getattr(effect, field.name) for effect in of_choice])
            for field in dataclasses.fields(_Effect)
        }
        for choice, of_choice in effects.items()
    }
    return Evaluation(
        model=model,
        dataset=dataset,
        seed=seed,
        n_paths=n_paths,
        n_asked=n_asked,
        n_users=n_users,
        score=float(np.mean(scores)),
        outcomes={
            choice: Outcome(
                **{name: _mean(values, samples) for name, values in by_name.items()}
            )
            for choice, by_name in columns.items()
        },
        comparisons=_comparisons(columns, n_paths, np.array(n_walks), random),
        quality={choice: _means(of_choice) for choice, of_choice in qualities.items()},
    )


def _comparisons(
    columns: Mapping[str, Mapping[str, Floats]],
    n_paths: int,
    n_walks: Floats,
    random: np.random.Generator,
) -> list[Comparison]:
    many = _MANY * n_paths
    groups = {
        "all users": np.arange(len(n_walks)),
        f"at least {many} walks of 3 edges": np.flatnonzero(n_walks >= many),
    }
    comparisons = []
    for users, members in groups.items():
        if not len(members):
            continue
        samples = random.integers(0, len(members), (_RESAMPLES, len(members)))
        for measure in ("contribution", "deleted", "cut"):
            best, attention, others = (
                columns[choice][measure][members] for choice in CHOICES
            )
            comparisons.append(
                Comparison(
                    measure,
                    users,
                    len(members),
                    to_random=_ratio(best, others, samples),
                    to_attention=_ratio(best, attention, samples),
                )
            )
    return comparisons


def _mean(values: Floats, samples: npt.NDArray[np.int64]) -> Estimate:
    return _estimate(float(values.mean()), values[samples].mean(axis=1))


def _ratio(values: Floats, others: Floats, samples: npt.NDArray[np.int64]) -> Estimate:
    """Ratio of the means, users resampled together."""
    resampled = values[samples].mean(axis=1) / others[samples].mean(axis=1)
    return _estimate(float(values.mean() / others.mean()), resampled)


def _estimate(value: float, resampled: Floats) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return Estimate(value, float(low), float(high))


def _means(qualities: Sequence[Quality]) -> dict[str, Optional[float]]:
    means: dict[str, Optional[float]] = {}
    for field in dataclasses.fields(Quality):
        values = [getattr(quality, field.name) for quality in qualities]
        known = [value for value in values if value is not None]
        means[field.name.upper()] = float(np.mean(known)) if known else None
    return means


# --- output -------------------------------------------------------------------------


def to_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON."""
    return json.dumps(dataclasses.asdict(evaluation), indent=1) + "\n"


def to_markdown(evaluation: Evaluation) -> str:
    """The evaluation as tables in Markdown."""
    e = evaluation
    lines = [
        f"{e.model} on {e.dataset}: {e.n_paths} paths to the best item of each of "
        f"{e.n_users:,} users (of {e.n_asked:,} drawn with seed {e.seed}), mean score "
        f"{e.score:.2f}. In brackets: 95 % intervals, users resampled.",
        "",
        "| paths | contribution | score falls, deleted | places lost | score falls, "
        "cut | kept alone | facts |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for choice, outcome in e.outcomes.items():
        cells = " | ".join(
            _shown(getattr(outcome, field.name), "{:.3f}")
            for field in dataclasses.fields(Outcome)
        )
        lines.append(f"| {choice} | {cells} |")
    lines += [
        "",
        "Deleted: all edges of the paths are gone. Cut: each path has lost its middle "
        "hop. Kept alone: part of what the graph gives to the score that the paths "
        "keep by themselves.",
        "",
        "| the strongest paths, over | measure | users | random paths of the same "
        "lengths | largest attention |",
        "|---|---|--:|--:|--:|",
    ]
    lines += [
        f"| {comparison.users} | {comparison.measure} | {comparison.n_users:,} | "
        f"{_shown(comparison.to_random, '{:.2f}')} | "
        f"{_shown(comparison.to_attention, '{:.2f}')} |"
        for comparison in e.comparisons
    ]
    lines += [
        "",
        f"Path quality over the first path to each of the {_LIST_LENGTH} best items:",
        "",
    ]
    names = list(next(iter(e.quality.values())))
    lines += ["| paths | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
    for choice, values in e.quality.items():
        measured = [
            "no times" if values[name] is None else f"{values[name]:.3f}"
            for name in names
        ]
        lines.append(f"| {choice} | {' | '.join(measured)} |")
    return "\n".join(lines) + "\n"


def _shown(estimate: Estimate, form: str) -> str:
    low, high = form.format(estimate.low), form.format(estimate.high)
    return f"{form.format(estimate.value)} [{low}, {high}]"
