from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from recbole_kgif.explain.explanation_records import Explanation, Hop, from_json
from recbole_kgif.explain.renderings import (
    render_dot,
    render_figure,
    render_html,
    render_text,
)
from recbole_kgif.explain.renderings.path_layout import layered
from recbole_kgif.explain.renderings.phrases import readable, sentence, signed
from tests.explain.sample_explanations import (
    ALIEN,
    ANN,
    BY_BOB,
    DUNE,
    GENRE,
    HOSTILE,
    LIKES_ALIEN,
    LONG,
    SCIFI,
    SHARED,
    by_attention,
    explanation,
    path,
    unreached,
)

SAMPLES = [explanation, by_attention, unreached]


class Page(HTMLParser):
    """The elements of a page, and the text of those asked for."""

    def __init__(self, content: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(content)

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


# --- words --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            SHARED,
            f"because you chose Alien, which shares genre of scifi with {HOSTILE}",
        ),
        (
            BY_BOB,
            "because you chose Alien, and user 27, who chose it too, also chose "
            + HOSTILE,
        ),
        (
            LONG,
            "because you chose Brazil, as did user 27, who chose Alien, which is "
            f"genre of of scifi, whose genre of is {HOSTILE}",
        ),
        (
            path(LIKES_ALIEN, Hop(ALIEN, "sequel", True, DUNE, 1), value=1),
            f"because you chose Alien, which is sequel of {HOSTILE}",
        ),
        (
            path(
                LIKES_ALIEN,
                Hop(ALIEN, GENRE, True, SCIFI, 1),
                Hop(SCIFI, GENRE, False, DUNE, 1),
                value=1,
            ),
            f"because you chose Alien, which, like {HOSTILE}, is genre of of "
            "entity scifi",
        ),
        (
            path(Hop(ANN, "interaction", False, DUNE, 1), value=1),
            "because you chose it yourself",
        ),
    ],
)
def test_a_path_is_a_sentence(shown, expected: str) -> None:
    expected = expected.replace(" scifi", " entity scifi").replace(
        "entity entity", "entity"
    )
    assert sentence(shown) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.414, "+0.41"),
        (-2.0, "\N{MINUS SIGN}2.00"),
        (0.0, "0"),
        (0.00123, "+0.0012"),
        (1e-12, "+0.00000000"),
    ],
)
def test_contributions_carry_their_sign(value: float, expected: str) -> None:
    assert signed(value) == expected


def test_relations_are_made_readable() -> None:
    assert readable("film.film_genre.films_in_this_genre") == "films in this genre"
    assert readable("25") == "25"
    assert readable("...") == "..."


def test_text_has_score_rank_parts_and_paths() -> None:
    shown = render_text.render([explanation()])
    assert "for Ann: score 2.10, rank 3 of 1,234" in shown
    assert "+0.41 of 2.10" in shown
    assert "\N{MINUS SIGN}0.20 of 2.10" in shown
    assert "lowers the score" in shown
    assert "+1.40  similarity of different endpoints" in shown
    assert "Alien +0.50, Brazil \N{MINUS SIGN}0.10" in shown


def test_text_says_what_is_not_exact_and_what_no_path_reaches() -> None:
    assert "Not exact: KGAT" in render_text.render([by_attention()])
    assert "+0" not in render_text.render([by_attention()])
    assert "No path" in render_text.render([unreached()])
    seen = dataclasses.replace(explanation(), rank=None, seen_in="validation")
    assert "not ranked: it is in the validation set" in render_text.render([seen])


# --- places -------------------------------------------------------------------------


def test_every_node_and_hop_has_one_place() -> None:
    layout = layered(explanation())
    nodes = {placed.node for placed in layout.nodes}
    assert len(nodes) == len(layout.nodes)
    assert nodes == {node for p in explanation().paths for node in p.nodes}
    assert layout.n_columns == 6
    ends = {placed.node: placed.column for placed in layout.nodes}
    assert ends[ANN] == 0
    assert ends[DUNE] == 5
    assert ends[ALIEN] == 3, "by the longest path"
    places = [(placed.column, placed.row) for placed in layout.nodes]
    assert len(set(places)) == len(places)
    assert len(layout.links) == 10
    assert layout.links[0].strength == pytest.approx(0.21)
    assert layout.links[0].paths == (0, 1)


def test_parallel_hops_get_lanes_of_their_own() -> None:
    other = path(
        LIKES_ALIEN,
        Hop(ALIEN, "era", False, SCIFI, 0.25),
        SHARED.hops[2],
        value=0.1,
    )
    record = dataclasses.replace(
        by_attention(),
        paths=tuple(
            dataclasses.replace(p, contribution=None, parts=()) for p in (SHARED, other)
        ),
    )
    assert sorted(link.lane for link in layered(record).links) == [0, 0, 0, 1]


# --- pages and figures --------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_page_escapes_every_name(sample: Callable[[], Explanation]) -> None:
    record = sample()
    page = Page(render_html.render([record, record]))
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert any(HOSTILE in heading for heading in page.texts["h2"])
    data, _ = page.texts["script"]
    assert from_json(data) == [record, record]


def test_the_page_asks_no_host() -> None:
    content = render_html.render([explanation()])
    page = Page(content)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "base")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    without_names = content.replace("http-equiv", "")
    assert not re.search(r"https?:|url\(|@import", without_names)
    (policy,) = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_the_page_can_be_followed_by_keyboard() -> None:
    page = Page(render_html.render([explanation()]))
    buttons = [a for tag, a in page.elements if tag == "button"]
    assert [button["data-path"] for button in buttons] == ["0", "1", "2"]
    assert all(button["aria-pressed"] == "false" for button in buttons)
    nodes = [a for tag, a in page.elements if "node" in str(a.get("class")).split()]
    assert nodes
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in nodes)
    links = [a for _, a in page.elements if str(a.get("class")).startswith("link ")]
    assert {a["class"] for a in links} == {"link for", "link against"}


def test_a_wider_line_is_a_larger_contribution() -> None:
    layout = layered(explanation())
    content = render_html.render([explanation()])
    widths = [float(w) for w in re.findall(r'stroke-width="([\d.]+)"', content)]
    strengths = sorted(abs(link.strength) for link in layout.links)
    assert widths == sorted(widths)
    assert widths[-1] == pytest.approx(9.0)
    assert len(widths) == len(strengths)


def test_dot_quotes_every_name() -> None:
    content = render_dot.render([explanation(), by_attention()])
    labels = re.findall(r'label="((?:[^"\\]|\\.)*)"', content)
    assert any(
        label.replace('\\"', '"').replace("\\\\", "\\") == HOSTILE for label in labels
    )
    assert content.count("subgraph cluster_") == 2
    assert "not exact" in content
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", content)
    assert re.fullmatch(r"[\w\s{}\[\]=,;.>-]*", outside)
    assert outside.count("{") == outside.count("}") == 3


def test_figures_are_images() -> None:
    records = [sample() for sample in SAMPLES]
    assert render_figure.render(records, "png").startswith(b"\x89PNG")
    drawn = render_figure.render(records[:1], "svg")
    assert b"<svg" in drawn
    assert drawn == render_figure.render(records[:1], "svg")


def test_renderings_load_no_torch() -> None:
    code = (
        "import sys, json\n"
        "from recbole_kgif.explain import explanation_records as records\n"
        "from recbole_kgif.explain.renderings import (\n"
        "    render_dot, render_figure, render_html, render_text\n"
        ")\n"
        "found = records.from_json(sys.stdin.read())\n"
        "renderings = (render_text, render_dot, render_html)\n"
        "for render in (*(each.render for each in renderings), records.to_json):\n"
        "    assert render(found)\n"
        "assert render_figure.render(found, 'png')\n"
        "assert 'torch' not in sys.modules and 'recbole' not in sys.modules\n"
    )
    from recbole_kgif.explain.explanation_records import to_json

    subprocess.run(
        [sys.executable, "-c", code],
        input=to_json([explanation(), by_attention()]),
        text=True,
        check=True,
    )


def test_embedded_json_is_valid_although_escaped() -> None:
    data, _ = Page(render_html.render([explanation()])).texts["script"]
    assert "<" not in data
    item = json.loads(data)["explanations"][0]["item"]
    assert item["name"] == HOSTILE
