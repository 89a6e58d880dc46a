"""An evaluation of paths as JSON and as tables in Markdown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Optional

from recbole_kgif.explain.path_evaluation import (
    ALL_USERS,
    LIST_LENGTH,
    Estimate,
    Evaluation,
)
from recbole_kgif.explain.path_selection import ATTENTION, STRONGEST, TO_ITEM
from recbole_kgif.explain.perturbation_effects import PerturbationEffect

# What a ratio is worth no digits above.
_MANY_TIMES = 100
_LEGEND = """\
Lists. *Strongest*: the largest contributions. *Varied*: the strongest that begin with
different interactions, as explanations list them. *Weightiest*: the strongest through
the interactions on which most of the score rests. *Attention*, *varied attention*: the
same two rules by the largest attention. Random paths are as many and as long as those
of the list that they stand beside.

How much the score falls. *Own*: without the paths' own walks. *Directed*: without all
walks that take one of their hops in the same direction. *Cut*: without the fact in the
middle of each path. *Behind*: without all their facts but the user's own interactions.
*Deleted*: without all their facts; *places* is how many the item loses then. *Kept*:
part of what the graph gives to the score that their facts alone keep.
"""


def to_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON."""
    return json.dumps(dataclasses.asdict(evaluation), indent=1) + "\n"


def to_markdown(evaluation: Evaluation) -> str:
    """The evaluation as tables in Markdown."""
    e = evaluation
    lines = [
        f"{e.model} on {e.dataset}: {e.n_paths} paths to the best item of each of "
        f"{e.n_users:,} users (of {e.n_asked:,} drawn with seed {e.seed}), mean score "
        f"{e.score:.2f}; the parts of a score miss it by {e.largest_error:.1g} at "
        "most. In brackets: 95 % intervals, users resampled.",
        "",
        *_LEGEND.splitlines(),
        "",
        *_outcomes(e),
        "",
        "Ratios to other paths; a dash where these take nothing that could be told "
        "from 0:",
        "",
        *_ratios(e),
        "",
        f"Path quality over the first path to each of the {LIST_LENGTH} best items:",
        "",
        *_quality(e),
    ]
    return "\n".join(lines) + "\n"


def _outcomes(evaluation: Evaluation) -> list[str]:
    names = [field.name for field in dataclasses.fields(PerturbationEffect)]
    rows = dict(evaluation.outcomes)
    for choice, by_baseline in evaluation.random.items():
        for baseline, outcome in by_baseline.items():
            rows[f"random {baseline}, beside {choice}"] = outcome
    return [
        *_head("paths", names),
        *(
            _row(label, [_shown(outcome[name], 4) for name in names])
            for label, outcome in rows.items()
        ),
    ]


def _ratios(evaluation: Evaluation) -> list[str]:
    """All lists over all users; by the number of paths the strongest ones alone."""
    shown = [
        comparison
        for comparison in evaluation.comparisons
        if comparison.users == ALL_USERS or comparison.selection == STRONGEST
    ]
    names = list(shown[0].ratios)
    titles = [
        name if name.endswith(ATTENTION) else f"to random {name}" for name in names
    ]
    return [
        *_head("users", ["paths", "measure", *titles]),
        *(
            _row(
                f"{comparison.n_users:,}: {comparison.users}",
                [
                    comparison.selection,
                    comparison.measure,
                    *(_ratio(comparison.ratios[name]) for name in names),
                ],
            )
            for comparison in shown
        ),
    ]


def _quality(evaluation: Evaluation) -> list[str]:
    labels = {TO_ITEM: f"random {TO_ITEM}"}
    names = list(next(iter(evaluation.quality.values())))
    return [
        *_head("paths", names),
        *(
            _row(labels.get(choice, choice), _measured(values))
            for choice, values in evaluation.quality.items()
        ),
    ]


def _measured(values: Mapping[str, Optional[float]]) -> list[str]:
    return [
        "no times" if value is None else f"{value:.3f}" for value in values.values()
    ]


def _head(first: str, others: list[str]) -> list[str]:
    return [_row(first, others), "|---|" + "--:|" * len(others)]


def _row(first: str, others: list[str]) -> str:
    return f"| {' | '.join([first, *others])} |"


def _ratio(estimate: Optional[Estimate]) -> str:
    if estimate is None:
        return "\N{EN DASH}"
    if estimate.low >= _MANY_TIMES:
        return f"over {_MANY_TIMES}"
    return _shown(estimate, 2)


def _shown(estimate: Estimate, digits: int) -> str:
    # Adding 0 takes the sign off a rounded 0.
    value, low, high = (
        f"{round(figure, digits) + 0:.{digits}f}"
        for figure in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"
