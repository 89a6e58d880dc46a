"""The direct walks of a trained model, and the parts of its scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recbole_kgif.doctor.findings import Finding, Level
from recbole_kgif.doctor.inspected_part import InspectedPart, switched_off
from recbole_kgif.doctor.inspection_figures import draw_scores, draw_walks
from recbole_kgif.doctor.model_arrays import ModelArrays, ScoreArrays, WalkArrays
from recbole_kgif.training.candidates import Floats

TITLE = "Walks"
SCORES_TITLE = "Parts of the score"
_NEARLY_ALL = 0.95
# A filter further than this from what it approximates, or a part of less weight.
_FAR, _LITTLE = 0.2, 0.05


def inspect_walks(arrays: ModelArrays) -> InspectedPart:
    """Inspect relation weights, exponent and spectral filter.

    Args:
        arrays: those of the model.
    """
    walks = arrays.walks
    if walks is None:
        return switched_off(TITLE, "walks=False")
    relations = weights_by_relation(walks, arrays.graph.relations)
    if relations.empty:
        reason = "none: no two items have a neighbour in common"
        return InspectedPart(TITLE, [Finding("walks", reason)])
    return InspectedPart(
        TITLE,
        [
            _relation_weights(relations),
            _leading_relation(relations),
            _exponent(walks.exponent),
            _filter(walks),
        ],
        {"Relations of the walks": relations},
        lambda figure: draw_walks(figure, relations, walks),
        "Weight of each relation (1 at the beginning of the training), and the "
        "spectral filter by the eigenvalue of the item kernel.",
    )


def weights_by_relation(walks: WalkArrays, names: list[str]) -> pd.DataFrame:
    """The relations that walks take, that of the largest share first.

    Args:
        walks: the walks.
        names: of all directed relations.

    Returns:
        ``relation``, ``weight`` g_r, and ``share`` of the item kernel's diagonal.
    """
    frame = pd.DataFrame(
        {
            "relation": names,
            "weight": walks.relation_weight,
            "share": walks.kernel_share,
        }
    )
    frame = frame[frame["share"] > 0]
    return frame.sort_values("share", ascending=False, kind="stable")


def _relation_weights(relations: pd.DataFrame) -> Finding:
    least, most = np.quantile(relations["weight"].to_numpy(), [0.0, 1.0])
    return Finding(
        "relation weights",
        f"{least:.2g} to {most:.2g} over {len(relations)} directed relations",
        meaning="How far walks over a relation are trusted; 1 at the beginning.",
        number=float(most / least),
    )


def _leading_relation(relations: pd.DataFrame) -> Finding:
    first = relations.iloc[0]
    share = float(first["share"])
    what, value = "leading relation", f"{first['relation']} ({share:.0%})"
    meaning = "Its share of what two items have in common, by the weights."
    if share < _NEARLY_ALL:
        return Finding(what, value, meaning=meaning, number=share)
    return Finding(
        what,
        value,
        Level.NOTE,
        f"{meaning} The walks hardly use other relations.",
        "Look at the triples of the others (doctor), or accept that the interactions "
        "say all.",
        share,
    )


def _exponent(exponent: float) -> Finding:
    what, value = "exponent of the history's length", f"{exponent:.2f}"
    if 0 <= exponent <= 1:
        meaning = "0 sums over a user's items, 1 takes the mean; it starts at 0.5."
        return Finding(what, value, meaning=meaning, number=exponent)
    return Finding(
        what,
        value,
        Level.NOTE,
        "It has left the range from a sum (0) to a mean (1) over a user's items.",
        "Look at the walks' part of the score, and try a smaller learning_rate.",
        exponent,
    )


def _filter(walks: WalkArrays) -> Finding:
    what = "spectral filter"
    if not len(walks.filter_range):
        return Finding(what, "none: no item has a neighbour")
    response = walks.filter_response
    error = float(np.abs(response - walks.exact_response).max())
    value = (
        f"from {response[0]:.2f} to {response[-1]:.2f} at the eigenvalue "
        f"{walks.filter_range[-1]:.3g}"
    )
    meaning = (
        f"At most {error:.2g} from the ridge regression that it approximates. The "
        "largest eigenvalues are what nearly all items share."
    )
    if error < _FAR:
        return Finding(what, value, meaning=meaning, number=error)
    return Finding(
        what,
        value,
        Level.NOTE,
        meaning,
        "Compare walks=False on validation.",
        error,
    )


def inspect_scores(scores: ScoreArrays) -> InspectedPart:
    """Inspect how much each part decides in the order of items.

    Args:
        scores: the parts of the scores of a sample of users.
    """
    deviation = deviations(scores)
    total = max(float(deviation.sum()), float(np.finfo(float).tiny))
    share = deviation / total
    table = pd.DataFrame(
        {"part": list(scores.parts), "deviation": deviation, "share": share}
    )
    p, q = scores.balance
    findings = [
        Finding(
            "balance",
            f"{p:.3g} : {q:.3g}",
            meaning="Factors p of the embeddings and q of the walks.",
            number=p,
        )
    ]
    for row in table.itertuples():
        findings.append(_part(str(row.part), float(row.deviation), float(row.share)))
    return InspectedPart(
        SCORES_TITLE,
        findings,
        {"Deviation over items, mean over sampled users": table},
        lambda figure: draw_scores(figure, table),
        "How far each part of the score differs between items: its standard deviation "
        "over items, mean over sampled users.",
    )


def deviations(scores: ScoreArrays) -> Floats:
    """Standard deviation over items of each part, mean over users: [n_parts]."""
    return np.array([part.std(axis=1).mean() for part in scores.parts.values()])


def _part(name: str, deviation: float, share: float) -> Finding:
    value = f"deviation {deviation:.3g} over items ({share:.0%})"
    if share >= _LITTLE:
        return Finding(name, value, number=share)
    switches = {"walks": "walks=False", "item bias": "item_bias=False"}
    advice = ""
    if name in switches:
        advice = f"Compare {switches[name]}, which is faster."
    return Finding(
        name, value, Level.NOTE, "It hardly changes the order of items.", advice, share
    )
