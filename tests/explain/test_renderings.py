from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from recbole_kgif.explain.explanation_json import from_json
from recbole_kgif.explain.explanation_records import (
    FACT,
    Explanation,
    Part,
    Reason,
    Relation,
    ScoreShare,
    Share,
)
from recbole_kgif.explain.renderings import (
    render_dot,
    render_figure,
    render_html,
    render_text,
)
from recbole_kgif.explain.renderings.numerals import (
    digits,
    percentages,
    signed,
)
from recbole_kgif.explain.renderings.phrases import (
    first_sentence,
    kind_rows,
    part_phrase,
    reason_clause,
    sentence,
)
from recbole_kgif.explain.renderings.reason_graph import figure
from recbole_kgif.explain.renderings.reason_rows import explanation_rows, part_rows
from tests.explain.sample_explanations import (
    ALIEN,
    BIRTHPLACE,
    BRAZIL,
    BY_ALIEN,
    BY_BRAZIL,
    GENRE,
    HOSTILE,
    SCIFI,
    by_attention,
    compared,
    explanation,
    summary,
    unreached,
)

SAMPLES = [explanation, compared, by_attention, unreached]
MINUS = "\N{MINUS SIGN}"


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

    def handle_startendtag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


# --- words --------------------------------------------------------------------------


def test_a_reason_is_a_sentence() -> None:
    # What is taken off is not why the item is recommended, and small parts are not.
    expected = (
        "Because you chose Alien: 12 people chose both, the same genre as Solaris and "
        "3 more, similar in taste (50 %)."
    )
    assert sentence(BY_ALIEN, explanation(), "50 %") == expected
    lowering = sentence(BY_BRAZIL, explanation())
    assert lowering == f"Although you chose Brazil: different in taste ({MINUS}0.20)."


def named(*names: str) -> tuple[Share, ...]:
    return tuple(
        Share(dataclasses.replace(SCIFI, id=name, name=name), 0.1) for name in names
    )


def fact(*relations: Relation, shares: tuple[Share, ...], count: int = 0) -> Part:
    return Part(FACT, 0.1 * len(shares), relations, count or len(shares), shares)


UNNAMED = (Share(SCIFI, 0.1, (), 5),)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (fact(GENRE, shares=named("Drama")), "the same genre: Drama"),
        (
            fact(GENRE, shares=named("Drama", "Noir"), count=4),
            "the same genre: Drama, Noir and 2 more",
        ),
        (fact(BIRTHPLACE, shares=UNNAMED), "the same birthplace as 5 other items"),
        (
            fact(BIRTHPLACE, shares=(Share(SCIFI, 0.1),)),
            "the same birthplace, and no other item has it",
        ),
        (
            fact(BIRTHPLACE, shares=(Share(SCIFI, 0.1, ("Sugar Minott",), 4),)),
            "the same birthplace as Sugar Minott and 3 more",
        ),
        (fact(GENRE, shares=UNNAMED, count=3), "3 times the same genre"),
        (fact(Relation("rel12", False), shares=UNNAMED), "1 fact in common"),
        (fact(shares=(), count=2), "2 facts in common"),
        (
            fact(Relation("film.film.directed_by", False), shares=named("Lynch")),
            "both directed by Lynch",
        ),
        (
            fact(Relation("film.actor.film", True), shares=named("Dern")),
            "the same actor: Dern",
        ),
        (
            fact(Relation("sequel", True), shares=named("Alien 3")),
            "both are the sequel of Alien 3",
        ),
        (
            fact(GENRE, BIRTHPLACE, shares=UNNAMED),
            "the genre of one is the birthplace of the other",
        ),
        (BY_ALIEN.parts[-1], f"it is the sequel of {HOSTILE}"),
    ],
)
def test_a_part_is_told_in_words(part: Part, expected: str) -> None:
    assert part_phrase(part, Reason(ALIEN, part.value), explanation()) == expected


def test_facts_without_a_word_are_counted_together() -> None:
    parts = (
        fact(Relation("rel1", False), shares=UNNAMED),
        fact(GENRE, shares=named("Noir")),
        fact(Relation("rel2", True), shares=UNNAMED, count=2),
    )
    reason = Reason(ALIEN, sum(part.value for part in parts), parts)
    expected = "3 facts in common, the same genre: Noir"
    assert reason_clause(reason, explanation()) == expected
    assert [value for _, value in part_rows(reason, explanation())] == [0.2, 0.1]


def test_an_entity_by_two_relations_of_both_items_is_two_facts() -> None:
    first, second = Relation("rel1", False), Relation("rel2", False)
    pairs = [(first,), (second,), (first, second), (second, first)]
    parts = tuple(fact(*pair, shares=named("Noir")) for pair in pairs)
    reason = Reason(ALIEN, sum(part.value for part in parts), parts)
    expected = "2 facts in common: Noir and 1 more"
    assert reason_clause(reason, explanation()) == expected
    (row,) = part_rows(reason, explanation())
    assert row == (expected, pytest.approx(0.4))


def test_a_summary_tells_the_facts_without_a_word_together() -> None:
    rows = kind_rows(summary())
    assert ("facts in common", pytest.approx(1.0)) in rows
    assert len(rows) == len(dict(rows)) == 5
    text = render_text.render([explanation()], summary())
    assert re.search(r"\+1\.0 +facts in common\n", text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.414, "+0.41"),
        (-2.04, f"{MINUS}2.0"),
        (123.4, "+123"),
        (0.0, "0"),
        (0.00123, "+0.0012"),
    ],
)
def test_numbers_have_two_significant_digits(value: float, expected: str) -> None:
    assert signed(value) == expected
    assert digits(abs(value)) == expected.lstrip(f"+{MINUS}")


def test_percentages_add_up_or_are_left_out() -> None:
    assert percentages([1, 1, 1], 3) == ["34 %", "33 %", "33 %"]
    assert percentages([3, -1], 2) == ["150 %", f"{MINUS}50 %"]
    assert percentages([1, -1.1], -0.1) == ["", ""]
    assert percentages([5, -4.9], 0.1) == ["", ""]


def test_the_first_sentence_says_how_much_is_from_what() -> None:
    assert first_sentence(explanation()) == (
        "40 % of the score is from 2 of your choices, 30 % from your 3 other choices, "
        "10 % from your taste in general, 20 % from its popularity."
    )
    few = dataclasses.replace(
        explanation(),
        n_others=0,
        others=0.0,
        score=0.8,
        shares=(ScoreShare("own", 0.1), ScoreShare("popularity", -0.1)),
    )
    assert first_sentence(few) == (
        "100 % of the score is from your 2 choices, 13 % from your taste in general; "
        "its low popularity takes 13 % off."
    )
    assert first_sentence(compared()) == (
        f"{MINUS}0.30 from your one choice, +0.40 from your taste in general, "
        f"{MINUS}0.10 from its low popularity make 0."
    )
    assert first_sentence(summary()) == (
        "45 % of the 10 scores is from 1 of your choices, 25 % from your 4 other "
        "choices, 10 % from your taste in general, 20 % from their popularity."
    )


def test_text_has_score_rank_reasons_and_parts() -> None:
    shown = render_text.render([explanation()], summary(), with_paths=True)
    assert "What drives the 10 best items of Ann" in shown
    assert "+2.0    14 %" not in shown
    assert "the same birthplace" in shown
    assert "for Ann: score 2.0, rank 3 of 1,234" in shown
    assert "+1.0  50 %  Alien" in shown
    assert "+0.70  12 people chose both" in shown
    assert f"{MINUS}0.30  taken off: much of it is common to many items" in shown
    assert "+0.040  2 smaller parts" in shown
    assert "Without it, it would be at rank 7." in shown
    assert "Without it, it would still be at rank 3." in shown
    assert "+0.60  30 %  your 3 other choices" in shown
    assert "path: you, chose Alien, has genre entity scifi, is genre of" in shown
    assert "path: " not in render_text.render([explanation()])


def test_text_says_what_is_compared_and_what_is_removed() -> None:
    shown = render_text.render([compared()])
    assert "scores 0 above Brazil (rank 4). The reasons add up to this" in shown
    assert "As it would be without Alien. With it: score 2.0, rank 1." in shown
    assert f"{MINUS}0.10  2 people chose both (with Brazil)" in shown


def test_text_says_what_is_not_exact_and_what_no_path_reaches() -> None:
    shown = render_text.render([by_attention()])
    assert "Not exact: KGAT" in shown
    assert "no share of the score" in shown
    assert "attention 0.013" in shown
    assert "+" not in shown
    assert "No path" in render_text.render([unreached()])
    seen = dataclasses.replace(explanation(), rank=None, seen_in="validation")
    assert "not ranked: it is in the validation set" in render_text.render([seen])


# --- bars and graphs ----------------------------------------------------------------


def test_each_bar_begins_where_the_one_before_ends() -> None:
    rows = explanation_rows(explanation())
    assert [row.name for row in rows] == [
        *("Alien", "Brazil", "your 3 other choices"),
        *("your taste in general", "its popularity"),
    ]
    end = 0.0
    for row in rows:
        first = row.start if row.value > 0 else row.start + row.width
        assert first == pytest.approx(end)
        end = row.start + (row.width if row.value > 0 else 0)
    assert end == pytest.approx(1.0)
    assert [row.share for row in rows] == [
        "50 %",
        f"{MINUS}10 %",
        "30 %",
        "10 %",
        "20 %",
    ]


def test_the_graph_of_a_reason_has_its_parts_by_width() -> None:
    height, boxes, lines = figure(BY_ALIEN, explanation())
    labels = [box.label for box in boxes]
    assert labels[:4] == ["Alien", HOSTILE, "12 people chose both", "entity scifi"]
    assert len(lines) == 2 * (len(boxes) - 2)
    assert [line.width for line in lines] == sorted(w.width for w in lines)[::-1]
    assert {line.raises for line in lines} == {True, False}
    assert all(0 <= box.y < height for box in boxes)


# --- pages and figures --------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_page_escapes_every_name(sample: Callable[[], Explanation]) -> None:
    record = sample()
    page = Page(render_html.render([record, record], summary()))
    tags = [tag for tag, _ in page.elements]
    assert "img" not in tags
    assert tags.count("script") == 1, "the record alone"
    assert any(HOSTILE in heading for heading in page.texts["h2"])
    assert from_json(page.texts["script"][0]) == [record, record]


def test_the_page_asks_no_host_and_runs_nothing() -> None:
    content = render_html.render([explanation()])
    page = Page(content)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "base")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    without_names = content.replace("http-equiv", "")
    assert not re.search(r"https?:|url\(|@import", without_names)
    (policy,) = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_row_opens_and_has_the_graph_of_its_reason() -> None:
    page = Page(render_html.render([explanation()]))
    tags = [tag for tag, _ in page.elements]
    rows = [a for t, a in page.elements if t == "details" and a["class"] == "row"]
    assert len(rows) == tags.count("svg") == 2
    assert any("2 paths, with the attention" in text for text in page.texts["summary"])
    cells = " ".join(page.texts["td"])
    assert "0.25" in cells and "+0.21" in cells, "attention and share of a hop"


def test_dot_quotes_every_name() -> None:
    content = render_dot.render([explanation(), by_attention()])
    labels = re.findall(r'label="((?:[^"\\]|\\.)*)"', content)
    assert any(
        label.replace('\\"', '"').replace("\\\\", "\\") == HOSTILE for label in labels
    )
    assert content.count("subgraph cluster_") == 2
    assert "not exact" in content
    assert "+1.0\\n12 people chose both" in content
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", content)
    assert re.fullmatch(r"[\w\s{}\[\]=,;.>-]*", outside)
    assert outside.count("{") == outside.count("}") == 3


@pytest.mark.parametrize(
    ("form", "beginning"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_figures_are_images_and_equal_for_equal_records(
    form: str, beginning: bytes
) -> None:
    records = [sample() for sample in SAMPLES]
    drawn = render_figure.render(records, form)
    assert drawn.startswith(beginning)
    if form != "png":
        assert drawn == render_figure.render(records, form)


def test_renderings_load_no_torch() -> None:
    code = (
        "import sys, json\n"
        "from recbole_kgif.explain import explanation_json as records\n"
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
    from recbole_kgif.explain.explanation_json import to_json

    subprocess.run(
        [sys.executable, "-c", code],
        input=to_json([explanation(), by_attention()]),
        text=True,
        check=True,
    )


def test_embedded_json_is_valid_although_escaped() -> None:
    (data,) = Page(render_html.render([explanation()])).texts["script"]
    assert "<" not in data
    item = json.loads(data)["explanations"][0]["item"]
    assert item["name"] == HOSTILE


def test_titles_name_what_is_explained() -> None:
    titles = {
        f"Why {HOSTILE} for Ann": [explanation()],
        f"Why {HOSTILE} and not Brazil for Ann": [compared()],
        "Why these 2 items for Ann": [explanation(), compared()],
        "No explanations": [],
    }
    for title, records in titles.items():
        assert Page(render_html.render(records)).texts["h1"] == [title]
    assert BRAZIL.label == "Brazil"
