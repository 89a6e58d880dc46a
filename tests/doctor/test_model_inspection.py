"""The inspection of a model as text, JSON and a page, and the command."""

from __future__ import annotations

import html.parser
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import escape

import recbole_kgif as rk
from recbole_kgif.cli import main
from recbole_kgif.doctor.findings import Finding
from recbole_kgif.doctor.inspected_part import InspectedPart
from recbole_kgif.doctor.model_inspection import Inspection, inspect_model
from recbole_kgif.errors import UserError
from tests.cli.test_cli import error_of
from tests.conftest import Loaded
from tests.doctor.inspection_helpers import random_model
from tests.doctor.test_model_arrays import PAPER
from tests.model.helpers import ABLATIONS
from tests.test_api import TINY, tiny_frames

TITLES = [
    "Attention on edges",
    "Information fusion",
    "Dynamic projection",
    "Propagation",
    "Walks",
    "Parts of the score",
]


@pytest.mark.parametrize("options", [*ABLATIONS, PAPER, {"n_layers": 0}], ids=str)
def test_a_model_with_any_options_is_inspected(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    inspection = inspect_model(random_model(load_tiny, **options))
    assert [part.title for part in inspection.parts] == TITLES
    frame = inspection.findings
    assert set(frame["verdict"]) <= {"ok", "note", "warning"}
    assert frame["advice"][frame["verdict"] != "ok"].str.len().gt(0).all()
    off = frame["part"][frame["value"].str.startswith("switched off")].tolist()
    expected = {
        "Attention on edges": options.get("attention") == "none",
        "Information fusion": options.get("fusion") is False,
        "Walks": options.get("walks") is False,
    }
    for title, is_off in expected.items():
        assert (title in off) == is_off, title


class _Resources(html.parser.HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.loaded += [value for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def model(workplace: Path) -> rk.FittedModel:
    """A trained model, saved in ``saved``."""
    trained = rk.fit(**tiny_frames(), options=TINY)
    trained.save("saved")
    return trained


@pytest.fixture(scope="module")
def inspection(model: rk.FittedModel) -> Inspection:
    return model.inspect()


def test_the_command_writes_what_the_method_gives(
    model: rk.FittedModel, inspection: Inspection, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--checkpoint=saved", "--dataset-path=saved/dataset"]
    assert main(["inspect", *given, "--output=saved/inspected"]) == 0
    assert capsys.readouterr().out.startswith(inspection.to_text())
    written = {path.suffix: path for path in Path("saved/inspected").iterdir()}
    assert set(written) == {".html", ".json", ".txt"}
    assert written[".json"].read_text("utf-8") == inspection.to_json()
    assert written[".txt"].read_text("utf-8") == inspection.to_text()

    page = written[".html"].read_text("utf-8")
    resources = _Resources()
    resources.feed(page)
    assert {text.partition(",")[0] for text in resources.loaded} == {
        "data:image/svg+xml;base64",
        *(f"#part-{number}" for number in range(1, len(TITLES) + 1)),
    }
    for what in inspection.findings["what"]:
        assert str(escape(what)) in page


def test_the_json_has_all_rows(model: rk.FittedModel, inspection: Inspection) -> None:
    content = json.loads(inspection.to_json())
    assert list(content["parts"]) == TITLES
    attention = content["parts"]["Attention on edges"]
    assert {"what", "value", "verdict", "number"} <= set(attention["findings"][0])
    by_relation = attention["tables"]["Attention factor by relation"]
    assert sum(row["count"] for row in by_relation) == len(model.attention())
    assert "interaction" in [row["relation"] for row in by_relation]


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    part = InspectedPart("Part", [Finding("<what>", "1")])
    shown = Inspection("KGIF", "tiny", [part])._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "&amp;lt;what&amp;gt;" in shown


def test_another_model_is_refused_in_one_line() -> None:
    restored: Any = SimpleNamespace(config={"model": "KGAT"})
    with pytest.raises(UserError, match=r"KGAT has none of the parts .* of KGIF"):
        inspect_model(restored)


def test_bad_arguments_are_refused(
    model: rk.FittedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "none: does not exist" in error_of(["inspect", "--checkpoint=none"], capsys)
    occupied = ["inspect", "--checkpoint=saved", "--output=saved/result.json"]
    assert "is not a folder" in error_of(occupied, capsys)
    assert "--checkpoint" in error_of(["inspect"], capsys)
