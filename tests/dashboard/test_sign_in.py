"""Keys and tabs: a sign-out reaches other tabs, an ended key says why, a late refusal of an old key changes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.api.builders import a_home
from tests.dashboard.builders import a_dashboard
from tests.serving.builders import wait_for
from touchline.clock import SystemClock
from touchline.http import KeyDecision, list_keys, make_key, revoke_key, rotate_key

pytestmark = pytest.mark.services


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()


def sign_in_to_the_same_runs(page: Page, key: str) -> None:
    sign_in(page, key)
    expect(page.get_by_role("heading", name="Runs of shop")).to_be_visible()
    expect(page.get_by_text("Ada (viewer)")).to_be_visible()


def expect_the_end_of(key: str, page: Page, address: str) -> None:
    """The open page, which nobody touches, leads to the sign-in once the server has read the keys again."""
    bearer = {"authorization": f"Bearer {key}"}
    wait_for(lambda: httpx.get(f"{address}/api/session", headers=bearer, timeout=30).status_code == 401, seconds=60)
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("alert")).to_contain_text("it has expired or was revoked")


def test_tabs_follow_each_other_and_a_key_that_ends_leads_back_to_the_same_page(browser: Browser, place: Path) -> None:
    home, now = a_home(place), SystemClock().wall()
    ada, bob = (make_key(home.database, name, "viewer", now=now) for name in ("Ada", "Bob"))
    held: list[Route] = []
    with a_dashboard(place) as address, browser.new_context(base_url=address) as context:
        first, second = context.new_page(), context.new_page()
        second.clock.install()  # runs as ever, and can jump over the half minute between two looks at the server
        for page, path in ((first, "/ui/shop/models"), (second, "/ui/shop/data")):
            page.goto(path)
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        # Both wait for a key: the one that is entered in a tab is taken over by the other.
        sign_in(first, ada)
        for page in (first, second):
            expect(page.get_by_text("Ada (viewer)")).to_be_visible()
        # A request with the first key is answered only after the second key has been entered.
        second.route("**/feature-store/stats", lambda route: route.continue_() if held else held.append(route))
        second.get_by_role("link", name="Features", exact=True).click()
        expect(second.get_by_text("Loading…").first).to_be_visible()
        first.get_by_role("button", name="Sign out").click()
        expect(second.get_by_role("alert")).to_contain_text("You signed out in another tab")
        sign_in(second, bob)
        expect(second.get_by_test_id("verdict")).to_be_visible()
        expect(second).to_have_url(f"{address}/ui/shop/features")
        for route in held:  # the first one alone
            route.fulfill(status=401, content_type="application/problem+json", body='{"title": "No", "status": 401}')
        expect(first.get_by_text("Bob (viewer)")).to_be_visible()
        expect(second.get_by_text("Bob (viewer)")).to_be_visible()
        # A key ends while a page is open: one is revoked, the next expires.
        second.get_by_role("link", name="Runs", exact=True).click()
        expect(second.get_by_role("heading", name="Runs of shop")).to_be_visible()
        ids = {one.name: one.id for one in list_keys(home.database)}
        revoke_key(home.database, ids["Bob"], now=SystemClock().wall())
        expect_the_end_of(bob, second, address)
        sign_in_to_the_same_runs(second, ada)
        quarterly = KeyDecision("Grace", "every quarter")
        new = rotate_key(home.database, ids["Ada"], now=SystemClock().wall(), overlap=timedelta(0), by=quarterly)
        assert [one.state(SystemClock().wall()) for one in list_keys(home.database)] == ["expired", "revoked", "valid"]
        expect_the_end_of(ada, second, address)
        sign_in_to_the_same_runs(second, new)
    home.database.close()
