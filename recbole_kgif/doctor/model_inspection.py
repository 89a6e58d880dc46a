"""The inspection of a trained KGIF: what its parts do, and what to try."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recbole_kgif.doctor.attention_inspection import inspect_attention
from recbole_kgif.doctor.examination import in_text, summary
from recbole_kgif.doctor.findings import Finding
from recbole_kgif.doctor.fusion_inspection import inspect_fusion
from recbole_kgif.doctor.inspected_part import InspectedPart
from recbole_kgif.doctor.inspection_figures import as_svg
from recbole_kgif.doctor.model_arrays import arrays_of
from recbole_kgif.doctor.projection_inspection import inspect_projection
from recbole_kgif.doctor.propagation_inspection import inspect_propagation
from recbole_kgif.doctor.walk_inspection import inspect_scores, inspect_walks
from recbole_kgif.errors import UserError
from recbole_kgif.recommend import Recommender
from recbole_kgif.report.rendering import Table, render
from recbole_kgif.training.candidates import Integers
from recbole_kgif.training.restore import Restored

_INSPECTED = "KGIF"
_SEED = 2020
_SCORED_USERS = 100
_SHOWN_PAIRS = 5
_SHOWN_ROWS = 20


@dataclass(frozen=True)
class Inspection:
    """What was found in a trained model. It shows itself as a page in a notebook.

    Attributes:
        model: name of the model.
        dataset: name of its data set.
        parts: what was found in each part of it.
    """

    model: str
    dataset: str
    parts: list[InspectedPart]

    @property
    def findings(self) -> pd.DataFrame:
        """A row for each finding: part, what, value, verdict, meaning and advice."""
        columns = ["part", "what", "value", "verdict", "meaning", "advice"]
        rows = [(part.title, *_texts(finding)) for part, finding in self._all()]
        return pd.DataFrame(rows, columns=columns)

    @property
    def title(self) -> str:
        """Model, data set and number of warnings and notes."""
        counted = summary(finding for _, finding in self._all())
        # A model has no problems, which would stop a run.
        return f"{self.model} on {self.dataset}: {counted.partition(', ')[2]}"

    def to_text(self) -> str:
        """All findings for a terminal."""
        parts = [in_text(part.title, part.findings) for part in self.parts]
        return "\n\n".join([*parts, self.title]) + "\n"

    def to_html(self) -> str:
        """One page with tables and figures, which needs no other file."""
        drawn = [part for part in self.parts if part.draw is not None]
        return render(
            "inspection.j2",
            "html",
            title=self.title,
            parts=[(part, _findings_table(part), _tables(part)) for part in self.parts],
            figures={part.title: as_svg(part.draw) for part in drawn if part.draw},
        )

    def to_json(self) -> str:
        """All findings, and the tables behind them with all rows."""
        content = {
            "model": self.model,
            "dataset": self.dataset,
            "parts": {
                part.title: {
                    "findings": [_plain(finding) for finding in part.findings],
                    "tables": {
                        caption: [_row(row) for row in frame.to_dict("records")]
                        for caption, frame in part.tables.items()
                    },
                }
                for part in self.parts
            },
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        """The text."""
        return self.to_text()

    def _repr_html_(self) -> str:
        from markupsafe import escape

        # The page has styles of its own, which a frame keeps to itself.
        page = escape(self.to_html())
        return f'<iframe srcdoc="{page}" width="100%" height="700"></iframe>'

    def _all(self) -> Iterator[tuple[InspectedPart, Finding]]:
        for part in self.parts:
            for finding in part.findings:
                yield part, finding


def inspect_model(restored: Restored) -> Inspection:
    """Inspect a trained model.

    Args:
        restored: the checkpoint of a KGIF, and its data.

    Raises:
        UserError: it is another model.
    """
    name = str(restored.config["model"])
    if name != _INSPECTED:
        raise UserError(
            f"{name} has none of the parts that are inspected; inspect a checkpoint of "
            f"{_INSPECTED}"
        )
    recommender = Recommender(restored)
    users = _sampled_users(recommender)
    arrays = arrays_of(restored, users)
    pairs = _pairs(recommender, users, arrays.graph.n_users)
    parts = [
        inspect_attention(arrays, pairs),
        inspect_fusion(arrays),
        inspect_projection(arrays),
        inspect_propagation(arrays),
        inspect_walks(arrays),
        inspect_scores(arrays.scores),
    ]
    return Inspection(name, str(restored.config["dataset"]), parts)


def _sampled_users(recommender: Recommender) -> Integers:
    """Numbers of some users with training interactions, at random."""
    of_training = recommender.interactions.of_set["training"]
    trained = np.flatnonzero(np.diff(of_training.indptr))
    random = np.random.default_rng(_SEED)
    return random.permutation(trained)[:_SCORED_USERS]


def _pairs(
    recommender: Recommender, users: Integers, n_users: int
) -> list[tuple[int, int]]:
    """Some of the users with the best item that is new to each, as nodes."""
    number = {item: place for place, item in enumerate(recommender.items, start=1)}
    names = {recommender.users[user - 1]: int(user) for user in users[:_SHOWN_PAIRS]}
    best = recommender.recommend(list(names), 1)
    return [
        (names[user], n_users + number[item])
        for user, item in zip(best["user_id"], best["item_id"])
    ]


def _texts(finding: Finding) -> tuple[str, ...]:
    return (
        finding.what,
        finding.value,
        finding.level.value,
        finding.meaning,
        finding.advice,
    )


def _findings_table(part: InspectedPart) -> Table:
    columns = ["", "Found", "Verdict", "Meaning", "What to try"]
    frame = pd.DataFrame([_texts(f) for f in part.findings], columns=columns)
    return Table(part.title, frame, {"Found", "Meaning", "What to try"})


def _tables(part: InspectedPart) -> list[tuple[str, Table]]:
    """The tables as texts, without the rows of rare relations."""
    tables = []
    for caption, frame in part.tables.items():
        n_left = max(0, len(frame) - _SHOWN_ROWS)
        if n_left:
            caption = f"{caption} ({n_left} further rows are in the JSON)"
        shown = frame.head(_SHOWN_ROWS).map(_cell)
        tables.append((f"{caption}.", Table(caption, shown)))
    return tables


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return "-" if math.isnan(value) else f"{value:.3g}"


def _plain(finding: Finding) -> dict[str, Any]:
    values = {**vars(finding), "verdict": finding.level.value}
    del values["level"]
    return _row(values)


def _row(values: dict[Any, Any]) -> dict[Any, Any]:
    """Values as JSON has them, which knows no NaN."""
    return {name: _json_value(value) for name, value in values.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
