"""The page in a browser: run it with -m browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.explain.renderings import render_html
from tests.explain.sample_explanations import by_attention, explanation, unreached

pytestmark = pytest.mark.browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of this machine, driven by Playwright."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    )
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The opened page; what goes wrong, and what it asks for, makes the test fail."""
    file = tmp_path / "page.html"
    file.write_text(
        render_html.render([explanation(), by_attention(), unreached()]), "utf-8"
    )
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    requests: list[str] = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert problems == []
    assert requests == [file.as_uri()]
    opened.close()


def test_a_click_follows_a_path_and_another_lets_it_go(page: Any) -> None:
    button = page.locator("section").first.locator("button[data-path='1']")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    section = page.locator("section").first
    assert "following" in section.get_attribute("class")
    names = section.locator(".node.on text").all_text_contents()
    assert {"Ann", "Alien", "user 27"} <= set(names)
    assert "Brazil" not in names
    assert section.locator(".link.on").count() == 3
    button.click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    assert button.get_attribute("aria-pressed") == "false"
    assert "following" not in (section.get_attribute("class") or "")


def test_a_path_is_kept_by_the_keyboard_alone(page: Any) -> None:
    section = page.locator("section").first
    section.locator("button[data-path='0']").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    pressed = section.locator("button[aria-pressed='true']")
    assert pressed.get_attribute("data-path") == "1"
    page.keyboard.press("Escape")
    assert pressed.count() == 0


def test_a_node_follows_all_its_paths(page: Any) -> None:
    section = page.locator("section").first
    section.locator(".node", has_text="Alien").click()
    assert section.locator("button[aria-pressed='true']").count() == 3


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_stay_text(page: Any) -> None:
    assert page.locator("img").count() == 0
    assert "<img" in page.locator("h2").first.inner_text()
