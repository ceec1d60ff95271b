"""The live page in a real browser: it shows the state of the process, logs no errors and fits the screen.

Screenshots are left in the build folder, under screenshots/.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from observability.browser import Browser
from observability.stage import Stage
from servers.state import BUILD

SLOW_MS = 9  # the emulator holds half of the INSERTs back for 16 times 0.66 ms at least
SCREENSHOTS = BUILD / "screenshots"
SIZES = {"wide": (1280, 1000, False), "narrow": (400, 900, False), "dark": (1280, 1000, True)}
RATE = "document.querySelector('#tiles .value span').textContent"
DONE = "Number([...document.querySelectorAll('#accounting div')].find(d => d.innerText.startsWith('done')).querySelector('dd').textContent.replaceAll(',', ''))"
P50_MS = """(() => { const cells = [...document.querySelectorAll('#latency tr')].find(r => r.cells[0].innerText === 'insert visit').cells;
  const [n, unit] = cells[1].innerText.split(' '); return n * {'µs': 1e-3, ms: 1, s: 1e3}[unit]; })()"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    running = Stage(tmp_path_factory.mktemp("page"), 300)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def browser(tmp_path: pathlib.Path) -> Iterator[Browser]:
    opened = Browser(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


def show(browser: Browser, stage: Stage, size: str, anchor: str = "") -> None:
    width, height, dark = SIZES[size]
    browser.open(f"http://127.0.0.1:{stage.port}/{anchor}", width, height, dark)
    browser.wait_for("document.querySelector('#state')?.textContent === 'running'")
    browser.wait_for(f"{RATE} !== '–' && document.querySelectorAll('#latency tr').length > 5")


@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_the_screen_and_logs_no_errors(browser: Browser, stage: Stage, size: str):
    show(browser, stage, size)
    browser.wait_for(f"{DONE} > 0")
    browser.wait_for("document.querySelector('#heat_range').textContent !== ''")
    before = browser.evaluate(DONE)
    browser.wait_for(f"{DONE} > {before}")
    browser.screenshot(SCREENSHOTS / f"front-page-{size}.png")
    width = SIZES[size][0]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "nothing is cut off or scrolls sideways"
    wider = browser.evaluate(
        f"[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > {width + 1}).map(e => e.id || e.tagName)"
    )
    assert wider == []
    overlapping = browser.evaluate(
        """(() => { const cards = [...document.querySelectorAll('.card')].filter(c => !c.hidden).map(c => c.getBoundingClientRect());
        return cards.some((a, i) => cards.some((b, k) => i < k && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)); })()"""
    )
    assert overlapping is False
    assert browser.console == []


def test_it_sends_requests_to_the_process_only(browser: Browser, stage: Stage):
    show(browser, stage, "wide")
    asked = browser.evaluate("performance.getEntriesByType('resource').map(e => new URL(e.name).host)")
    assert set(asked) == {f"127.0.0.1:{stage.port}"}


def test_the_switch_slows_the_database_down_and_restores_it(browser: Browser, stage: Stage):
    show(browser, stage, "wide", f"#switch={stage.control_port}")
    browser.wait_for(f"{P50_MS} > 0")
    browser.evaluate("document.querySelector('#slower').click()")
    browser.wait_for("document.querySelector('#slower').getAttribute('aria-pressed') === 'true'")
    browser.wait_for(f"{P50_MS} > {SLOW_MS}")
    browser.screenshot(SCREENSHOTS / "front-page-slow.png")
    browser.evaluate("document.querySelector('#slower').click()")
    browser.wait_for("document.querySelector('#slower').getAttribute('aria-pressed') === 'false'")
    assert browser.console == []


def test_the_switch_is_hidden_without_its_port(browser: Browser, stage: Stage):
    show(browser, stage, "wide")
    assert browser.evaluate("document.querySelector('#experiment').hidden")


def test_errors_and_the_oldest_record_in_flight_are_shown(browser: Browser, stage: Stage):
    stage.order("/stuck/1")
    stage.order("/poison/3")
    show(browser, stage, "wide")
    browser.wait_for("!document.querySelector('#stuck').hidden")
    assert "visits" in browser.evaluate("document.querySelector('#stuck').innerText")
    browser.wait_for("document.querySelector('#failures').innerText.includes('intake')")
    browser.screenshot(SCREENSHOTS / "front-page-stuck.png")
    browser.wait_for("document.querySelector('#stuck').hidden")
    assert browser.console == []
