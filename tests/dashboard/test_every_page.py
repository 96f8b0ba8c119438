"""What holds for every page: no serious fault for people who cannot see it well, and an answer for each state."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.builders import a_home
from tests.dashboard.browser import serious_faults, wait_until_loaded
from tests.dashboard.builders import a_dashboard, predict
from touchline.clock import SystemClock
from touchline.http import key_history, make_key

pytestmark = pytest.mark.services

PAGES = (
    *("models", "runs", "health", "explain", "data", "features"),
    *("rollout", "alerts", "automation", "rehearsal", "system"),
)


_NO_SLICE = "There is no slice 'branch=7'."


def test_no_page_has_a_serious_fault(page: Page, address: str) -> None:
    prediction = predict(address)[0]
    paths = ["/", *(f"/ui/shop/{name}" for name in PAGES)]
    paths += [f"/ui/shop/explain?prediction={prediction}", "/ui/shop/models?version=2", "/ui/shop/nothing"]
    paths += ["/ui/shop/runs?compare=1,2"]
    faults = {}
    for path in paths:
        page.goto(path)
        wait_until_loaded(page)
        faults[path] = serious_faults(page, {})
        # Another theme has other colours, and nothing else.
        page.emulate_media(color_scheme="dark")
        faults[path] += serious_faults(page, {"runOnly": ["color-contrast"]})
        page.emulate_media(color_scheme="light")
    assert faults == {path: [] for path in paths}
    expect_light_paper_with_every_row(page, address)


def expect_light_paper_with_every_row(page: Page, address: str) -> None:
    """A table that scrolls draws the rows in view on the screen, and all on paper."""
    predict(address, rounds=15)
    page.goto("/ui/shop/explain")
    page.get_by_role("button", name="Older predictions").click()
    table, drawn = page.get_by_role("table", name="Newest first"), page.locator("tbody a")
    rows = len(httpx.get(f"{address}/api/predictions?limit=500", timeout=30).json()["items"])
    expect(table).to_have_attribute("aria-rowcount", str(rows + 1))
    assert drawn.count() < rows
    # A listener that comes after those of the page counts what goes to paper.
    page.evaluate(
        "() => addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('tbody a').length })"
    )
    page.pdf()
    assert page.evaluate("() => window.printed") == rows
    expect(table).to_have_attribute("aria-rowcount", str(rows + 1))
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("navigation")).to_be_hidden()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 250)"
    assert drawn.count() == rows


def test_no_page_is_wider_than_a_narrow_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 240, "height": 800})
    details = ("models?version=1", "runs?compare=1,2", f"explain?prediction={predict(address)[0]}")
    for path in ["/", *(f"/ui/shop/{name}" for name in (*details, *PAGES))]:
        page.goto(path)
        wait_until_loaded(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 240, path


def test_a_server_that_goes_away_and_a_newer_build_say_what_to_do(browser: Browser, address: str) -> None:
    with browser.new_context(base_url=address, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto("/ui/shop/models?version=2")
        expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(page).to_have_url(f"{address}/ui/shop/models")
        expect(page.get_by_role("heading", name="Version 2")).to_have_count(0)
        page.go_back()
        expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
        page.route("**/api/**", lambda route: route.abort())
        page.get_by_role("link", name="Data", exact=True).click()
        expect(page.get_by_text("the numbers below are from before")).to_be_visible()
        page.unroute("**/api/**")
        page.get_by_role("alert").get_by_role("button", name="Try again").first.click()
        expect(page.get_by_text("the numbers below are from before")).to_have_count(0)
        page.route("**/assets/**", lambda route: route.fulfill(status=404))
        page.get_by_role("link", name="Rehearsal", exact=True).click()
        expect(page.get_by_role("heading", name="This page could not be shown")).to_be_visible()
        page.unroute("**/assets/**")
        page.get_by_role("button", name="Load it again").click()
        expect(page.get_by_test_id("verdict")).to_be_visible()
        page.route("**/*", lambda route: route.abort())
        page.get_by_role("link", name="Automation", exact=True).click()
        expect(page.get_by_text("this page loads again once it does")).to_be_visible()
        page.unroute("**/*")
        expect(page.get_by_test_id("verdict")).to_be_visible()


def test_an_address_that_is_no_page_leads_back_in_a_browser_and_is_a_problem_document_for_a_program(
    browser: Browser, address: str
) -> None:
    assert httpx.get(f"{address}/nosuch", timeout=60).headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{address}/api/nosuch", headers={"accept": "text/html"}, timeout=60).json()["status"] == 404
    with browser.new_context(base_url=address) as context:
        page = context.new_page()
        missing = page.goto("/nosuch")
        assert missing is not None
        assert missing.status == 404
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
        page.get_by_role("link", name="Overview of all projects").click()
        expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
        page.goto("/ui/shop/models?before=nonsense")
        expect(page.get_by_role("alert")).to_contain_text("before")
        page.get_by_role("link", name="Open the page without the choices in its address").click()
        expect(page.get_by_test_id("verdict")).to_be_visible()
        for path, says in (
            ("shpo/models", "Did you mean 'shop'?"),
            ("shop/explain?prediction=1", "no '1'"),
            ("shop/health?slice=branch%3D7", _NO_SLICE),
            ("shop/explain?version=77", "no version '77'"),
        ):
            page.goto(f"/ui/{path}")
            expect(page.get_by_role("alert")).to_contain_text(says)
        # The choice that was refused can be taken back where it was made.
        page.get_by_label("Version").fill("")
        expect(page.get_by_test_id("verdict")).to_be_visible()
        page.goto("/ui/shop")
        expect(page).to_have_url(f"{address}/ui/shop/models")


def test_a_viewer_reads_everything_and_each_button_says_why_it_does_nothing(browser: Browser, place: Path) -> None:
    home = a_home(place)
    key = make_key(home.database, "Ada", "viewer", now=SystemClock().wall())
    home.database.close()
    with a_dashboard(place) as address, browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.goto("/ui/shop/models?version=2")
        page.get_by_label("API key", exact=True).fill("tl_wrong – Ключ")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text(
            "This key does not work: it is unknown, or has expired or was revoked."
        )
        page.get_by_label("API key", exact=True).fill(key)
        page.get_by_role("button", name="Sign in").click()
        approve = page.get_by_role("button", name="Approve", exact=True)
        expect(approve).to_be_disabled()
        expect(approve).to_have_accessible_description("Your key has the role viewer; a change needs operator.")
        expect(page.get_by_text("Ada (viewer)")).to_be_visible()
        page.goto("/ui/shop/system")
        keys = page.get_by_role("region", name="API keys")
        expect(keys.get_by_role("alert")).to_contain_text("Your key may not see this")
        expect(keys.get_by_role("button", name="Try again")).to_have_count(0)
        keys.get_by_role("button", name="Sign in with another key").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_admin_revokes_a_key_with_a_reason_and_is_asked_to_sign_in_when_the_own_key_ends(
    browser: Browser, place: Path
) -> None:
    home, now = a_home(place), SystemClock().wall()
    admin, *_ = (make_key(home.database, name, "admin", now=now) for name in ("Grace", "Kim", "A" * 120))
    clipboard = ["clipboard-read", "clipboard-write"]
    with a_dashboard(place) as address, browser.new_context(base_url=address, permissions=clipboard) as context:
        page = context.new_page()
        page.goto("/ui/shop/system")
        page.get_by_label("API key", exact=True).fill(admin)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("cell", name="Grace (this one)")).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.get_by_role("button", name="rotate the key of Kim").click()
        page.get_by_label("Reason, for the journal").fill("every quarter")
        page.get_by_role("button", name="Do it").click()
        new = page.get_by_role("dialog").get_by_text(re.compile("^tl_"))
        expect(new).to_be_visible()
        text = new.inner_text()
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
        assert page.evaluate("() => navigator.clipboard.readText()") == text
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_role("cell", name=re.compile("^Kim "))).to_have_count(2)
        assert text not in page.content()
        page.get_by_role("button", name="revoke the key of Grace").click()
        expect(page.get_by_role("dialog")).to_contain_text("you are signed out")
        page.get_by_label("Reason, for the journal").fill("lost laptop")
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_label("API key", exact=True)).to_be_visible()
        page.get_by_label("API key", exact=True).fill(text)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Journal of the keys").click()
        journal = page.get_by_role("list", name="Changes of keys, newest first")
        expect(journal.get_by_text("lost laptop")).to_be_visible()
    assert {one.reason for one in key_history(home.database)} >= {"every quarter", "lost laptop"}
    home.database.close()
