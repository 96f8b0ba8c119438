from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browser import running_browser
from tests.dashboard.builders import a_dashboard, build_shop
from tests.stores import built_once

# The tests of other workers share the cores. An expectation ends as soon as it is met.
_WAIT_MILLISECONDS = 60_000
expect.set_options(timeout=_WAIT_MILLISECONDS)


# Playwright runs an event loop in this thread while a browser is open, which tests of other files could not bear.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def _built_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (files("touchline.api") / "static" / "index.html").is_file():
        pytest.skip("the dashboard is not built: tools/web build")
    return built_once(tmp_path_factory, "dashboard", build_shop)


@pytest.fixture
def place(tmp_path: Path, _built_shop: Path) -> Path:
    """The folder of a shop of its own, for one test."""
    return Path(shutil.copytree(_built_shop, tmp_path / "shop"))


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    with a_dashboard(place) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of the dashboard; the test fails if its console has an error."""
    with browser.new_context(base_url=address, reduced_motion="reduce") as context:
        opened = context.new_page()
        opened.set_default_timeout(_WAIT_MILLISECONDS)
        errors: list[str] = []
        opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
    assert errors == []
