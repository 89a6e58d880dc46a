"""The page of the service in a browser: run it with -m browser."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from recbole_kgif.serving.model_store import ModelStore
from recbole_kgif.serving.service import Service
from recbole_kgif.serving.service_limits import Limits
from tests.browser import opened_page
from tests.serving.conftest import Exported

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(exports: dict[str, Exported]) -> Iterator[str]:
    """A running service."""
    app = Service(ModelStore(exports["extended"].folder), Limits()).app()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(address: str, browser: Any) -> Iterator[Any]:
    """The opened page; problems, and requests to elsewhere, make the test fail."""
    with opened_page(browser, address) as (opened, requests):
        yield opened
        assert all(url.startswith((address, "data:,")) for url in requests)


def choose(page: Any, text: str) -> None:
    """Search for an item and choose the first one found, by the keyboard alone."""
    page.locator("#search").fill(text)
    page.locator("#found button").first.wait_for()
    page.locator("#found button").first.press("Enter")
    page.locator("#choices li", has_text=text).wait_for()


def listed(page: Any) -> list[str]:
    """Names of the list, once it is there."""
    page.locator("#list li").first.wait_for()
    return page.locator("#list .name").all_inner_texts()


def test_choices_give_a_list_with_reasons(page: Any) -> None:
    choose(page, "left_alien")
    choose(page, "left_dune")
    page.wait_for_function("document.querySelectorAll('#choices li').length == 2")
    first = page.locator("#list li").first
    first.locator("summary").press("Enter")
    reasons = first.locator(".reason")
    text = " ".join(reasons.all_inner_texts())
    assert "your choice item left_alien" in text
    assert "your choice item left_dune" in text
    values = [
        float(value.replace("\u2212", "-"))
        for value in first.locator(".reason .value").all_inner_texts()
    ]
    score = float(first.locator(".score").inner_text())
    # Rounded to two digits each; a visitor has no own vector.
    assert sum(values) == pytest.approx(score, abs=0.01 * (len(values) + 1))


def test_removing_a_choice_shows_what_changes(page: Any) -> None:
    choose(page, "left_alien")
    before = listed(page)
    choose(page, "right_dune")
    page.locator("#changes", has_text="With item right_dune").wait_for()
    both = listed(page)
    assert "item right_dune" not in both
    page.get_by_role("button", name="Remove item left_alien").press("Enter")
    page.locator("#changes", has_text="Without item left_alien").wait_for()
    after = listed(page)
    assert after not in (before, both)
    gone = [name for name in both if name not in after]
    text = page.locator("#changes").inner_text()
    assert all(name in text for name in gone)
    marked = page.locator("#list li", has=page.locator(".change"))
    assert marked.count() > 0
    page.get_by_role("button", name="Remove item right_dune").click()
    page.locator("#no-choice").wait_for()
    assert page.locator("#list li").count() == 0


def test_nothing_found_and_no_service_are_said(page: Any, address: str) -> None:
    page.locator("#search").fill("no such item")
    page.locator("#found", has_text="No item has this name or id.").wait_for()
    choose(page, "left_alien")
    page.route(f"{address}/v1/*", lambda route: route.abort())
    page.get_by_role("button", name="Remove item left_alien").click()
    page.locator("#search").fill("left")
    page.locator("#problem", has_text="The service does not answer.").wait_for()
    # The browser itself reports that the request failed.
    assert all("Failed to load" in text for text in page.seen_problems)
    page.seen_problems.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_off_screen(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    choose(page, "left_alien")
    listed(page)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    channels = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = int(re.findall(r"\d+", channels)[0])
    assert (brightness < 128) == (scheme == "dark")
