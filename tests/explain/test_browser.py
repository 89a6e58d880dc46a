"""The page in a browser: run it with -m browser."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.explain.renderings import render_html
from tests.browser import opened_page
from tests.explain.sample_explanations import (
    by_attention,
    compared,
    explanation,
    summary,
    unreached,
)

pytestmark = pytest.mark.browser

_MOST_PRINTED_PAGES = 6


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The opened page; what goes wrong, and what it asks for, makes the test fail."""
    file = tmp_path / "page.html"
    records = [explanation(), compared(), by_attention(), unreached()]
    file.write_text(render_html.render(records, summary()), "utf-8")
    with opened_page(browser, file.as_uri()) as (opened, requests):
        yield opened
        assert requests == [file.as_uri()]


def test_the_graph_is_shown_for_the_open_row_alone(page: Any) -> None:
    rows = page.locator("#item-1 details.row")
    assert rows.count() == 2
    assert not page.locator("#item-1 svg").first.is_visible()
    rows.nth(0).locator("summary").first.click()
    assert rows.nth(0).locator("svg").is_visible()
    assert not rows.nth(1).locator("svg").is_visible()
    rows.nth(0).locator("summary").first.click()
    assert not rows.nth(0).locator("svg").is_visible()


def test_a_row_and_its_paths_open_by_the_keyboard_alone(page: Any) -> None:
    row = page.locator("#item-1 details.row").first
    row.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert row.locator("svg").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert row.locator(".path").first.is_visible()


def test_the_bars_of_an_item_end_where_the_next_begin(page: Any) -> None:
    boxes = [bar.bounding_box() for bar in page.locator("#item-1 .fill").all()]
    ends = [(box["x"], box["x"] + box["width"]) for box in boxes]
    values = ["against" not in bar for bar in classes(page, "#item-1 .fill")]
    position = ends[0][0]
    for (left, right), raises in zip(ends, values):
        assert (left if raises else right) == pytest.approx(position, abs=2)
        position = right if raises else left


def classes(page: Any, selector: str) -> list[str]:
    return [found.get_attribute("class") for found in page.locator(selector).all()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_off_screen(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    texts = page.locator("h1, h2, p, summary, li, td, .value, svg").all()
    for text in texts:
        box = text.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    channels = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = int(re.findall(r"\d+", channels)[0])
    assert (brightness < 128) == (scheme == "dark")


def test_headings_break_between_words(browser: Any, tmp_path: Path) -> None:
    long = dataclasses.replace(
        explanation().item, name="Incontrovertible Anthropomorphism of Constellations"
    )
    record = dataclasses.replace(explanation(), item=long, paths=())
    file = tmp_path / "page.html"
    file.write_text(render_html.render([record]), "utf-8")
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    opened.goto(file.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    style = opened.evaluate(
        "(({overflowWrap, wordBreak}) => [overflowWrap, wordBreak])"
        "(getComputedStyle(document.querySelector('h1')))"
    )
    assert style == ["break-word", "normal"]
    opened.close()


def test_ten_items_print_on_six_pages(browser: Any, tmp_path: Path) -> None:
    reason = explanation().reasons[0]
    many = dataclasses.replace(
        explanation(),
        paths=(),
        reasons=(reason,) * 5,
        others=explanation().others - 4 * reason.value + 0.2 - 0.4,
    )
    file = tmp_path / "page.html"
    file.write_text(render_html.render([many] * 10, summary()), "utf-8")
    opened = browser.new_page()
    opened.goto(file.as_uri())
    printed = opened.pdf(format="A4")
    n_pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 1 < n_pages <= _MOST_PRINTED_PAGES
    opened.close()


def test_names_stay_text(page: Any) -> None:
    assert page.locator("img").count() == 0
    assert "<img" in page.locator("#item-1 h2").inner_text()
