"""A real browser: Chromium of the machine, else the one that Playwright installs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without a window; the test is skipped where the machine has none."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=_executable(playwright), args=options)
        yield browser
        browser.close()


def tab_until(page: Page, name: str) -> None:
    """Press Tab until the element with this name (its label or its text) has the focus, once the page has it."""
    page.wait_for_function(
        "name => [...document.querySelectorAll('a, button, input, select, textarea, summary, [tabindex]')]"
        ".some(one => (one.labels?.[0] ?? one).textContent.trim() === name)",
        arg=name,
    )
    named = "() => (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
    for _ in range(80):
        if page.evaluate(named) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name!r}")


def wait_until_loaded(page: Page) -> None:
    """Wait for the title of a page and the end of its requests."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def serious_faults(page: Page, options: dict[str, Any]) -> list[Any]:
    """What axe finds on the page that is open, of serious and critical impact."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    results = page.evaluate("options => axe.run(document, {resultTypes: ['violations'], ...options})", options)
    return [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in results["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def _executable(playwright: Playwright) -> str:
    """The path of the browser: from `TOUCHLINE_TEST_BROWSER`, on the machine, or Playwright's own."""
    own = playwright.chromium.executable_path
    places = [os.environ.get("TOUCHLINE_TEST_BROWSER"), *map(shutil.which, _NAMES), own if Path(own).exists() else None]
    executable = next(filter(None, places), None)
    if executable is None:
        pytest.skip(
            "no Chromium for the journeys in the dashboard: apt install chromium, "
            "or .venv/bin/playwright install chromium, or TOUCHLINE_TEST_BROWSER=/path"
        )
    return executable
