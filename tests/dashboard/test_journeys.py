"""Journeys through the dashboard in a real browser, each with the numbers of the API checked against the screen."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import tab_until
from tests.dashboard.builders import CUSTOMERS, REHEARSAL, predict

pytestmark = pytest.mark.services


def read(address: str, path: str) -> Any:
    return httpx.get(f"{address}/api/{path}", timeout=30).raise_for_status().json()


def press(page: Page, name: str) -> None:
    """Reach an element by Tab and press Enter."""
    tab_until(page, name)
    page.keyboard.press("Enter")


def change_by_keyboard(page: Page, name: str, *, reason: str) -> None:
    """Press a button that asks for a reason, give it, and close the dialog when it is done."""
    press(page, name)
    tab_until(page, "Reason, for the journal")
    page.keyboard.type(reason)
    press(page, "Do it")
    expect(page.get_by_role("dialog").get_by_role("status")).to_be_focused()
    press(page, "Close")


def test_the_first_look_has_the_sentences_and_the_counts_of_the_api(page: Page, address: str) -> None:
    predict(address)
    page.goto("/")
    overview = read(address, "overview")
    (shop,) = overview["projects"]
    expect(page.get_by_test_id("verdict")).to_have_text(overview["sentence"])
    expect(page.get_by_test_id("sentence-shop")).to_have_text(shop["sentence"])
    expect(page.get_by_test_id("predictions-shop")).to_have_text(str(shop["log"]["predictions"]))
    expect(page.get_by_role("link", name=shop["incidents"][0]["title"], exact=True)).to_be_visible()


def test_the_keyboard_alone_finds_why_a_prediction_was_made_and_replays_it(page: Page, address: str) -> None:
    prediction = predict(address)[0]
    page.goto("/ui/shop/explain")
    press(page, prediction)
    trace = read(address, f"predictions/{prediction}")
    first = read(address, f"predictions/{prediction}/contributions")["contributions"][0]
    expect(page.get_by_test_id("verdict")).to_have_text(trace["sentence"])
    (added,) = first["adds"].values()
    whole = read(address, f"predictions/{prediction}/contributions")
    (base,), (total,), (probability,) = (whole[name].values() for name in ("base", "total", "prediction"))
    assert total == pytest.approx(base + sum(sum(one["adds"].values()) for one in whole["contributions"]))
    assert probability == pytest.approx(trace["output"]["probabilities"]["yes"])
    for name, number in (("base", base), ("total", total), ("prediction", probability)):
        expect(page.get_by_test_id(name)).to_have_text(f"{number:.4f}".rstrip("0"))
    expect(page.get_by_test_id(f"adds-{first['column']}")).to_have_text(f"{added:+.4f}".rstrip("0"))
    (source,) = trace["sources"]
    expect(page.get_by_text(source["snapshot_hash"][:12])).to_be_visible()
    expect(page.get_by_text(source["ingests"][0]["files"][0]["sha256"]).first).to_be_visible()
    press(page, "Compute it again")
    expect(page.get_by_test_id("replay")).to_have_text("The same prediction.")


def test_a_waiting_version_is_approved_promoted_and_rolled_back(page: Page, address: str) -> None:
    page.goto("/ui/shop/models?version=2")
    expect(page.get_by_role("table", name="Gates").get_by_text("failed")).to_be_visible()
    change(page, "Approve", reason="reviewed", ticket="SHOP-7")
    change(page, "Promote", reason="approved today")
    expect(page.get_by_test_id("verdict")).to_contain_text("version 2 waits in Staging")
    page.get_by_role("button", name="Promote", exact=True).click()
    page.get_by_label("without a rollout").check()
    confirm(page, reason="no rollout is needed")
    assert read(address, "stages")["production"] == 2
    change_by_keyboard(page, "Roll back", reason="worse on Sunday")
    stages = read(address, "stages")
    assert (stages["production"], stages["rollback"]) == (1, None)
    expect(page.get_by_test_id("verdict")).to_have_text(stages["sentence"])
    journal = read(address, "stages/history")["items"]
    assert ("approved", "SHOP-7") in {("approved", one["ticket"]) for one in journal if one["reason"] == "reviewed"}
    assert {one["actor"] for one in journal[:3]} == {"local user"}
    timeline = page.get_by_role("list", name="Stage changes, newest first")
    expect(timeline.get_by_role("listitem")).to_have_count(len(journal))
    page.get_by_role("button", name="Promote", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("No gate runs for this step.")
    confirm(page, reason="the Sunday was a fault of the feed")
    assert read(address, "stages")["staging"] == 2


def test_the_keyboard_alone_reads_a_loss_incident_silences_it_and_asks_for_a_training(page: Page, address: str) -> None:
    page.goto("/ui/shop/health")
    performance = read(address, "model/performance")
    expect(page.get_by_test_id("verdict")).to_have_text(performance["sentence"])
    row = page.get_by_role("table", name="Settled predictions").get_by_role("row").filter(has_text="log_loss")
    expect(row).to_contain_text(str(performance["performance"]["metrics"][0]["value"]))
    (incident,) = read(address, "alerts")["incidents"]
    press(page, incident["title"])
    expect(page.get_by_text(incident["signals"][0]["next_command"])).to_be_visible()
    change_by_keyboard(page, "Silence for 24 hours", reason="the feed is being mended")
    silence = read(address, "alerts")["incidents"][0]["silence"]
    assert (silence["reason"], silence["actor"]) == ("the feed is being mended", "local user")
    change_by_keyboard(page, "Lift the silence", reason="the feed is back")
    assert read(address, "alerts")["incidents"][0]["silence"] is None
    expect(page.get_by_role("list", name="Silences of this cause").get_by_text("the feed is back")).to_be_visible()
    press(page, "Explain the loss")
    expect(page.get_by_test_id("cause")).to_have_text(read(address, "model/cause")["sentence"])
    press(page, "Train again")
    change_by_keyboard(page, "Train now", reason="the loss has risen")
    (run,) = read(address, "training/automated/status")["waiting"]
    assert (run["reason"], run["actor"]) == ("the loss has risen", "local user")


def test_a_slice_stands_in_the_address_and_shows_its_own_figures(page: Page, address: str) -> None:
    page.goto("/ui/shop/health")
    slices = read(address, "model/performance")["performance"]["slices"]
    expect(page.get_by_test_id("slices")).to_have_text(slices["message"])
    row = page.get_by_role("table", name="log_loss by slice").get_by_role("row").filter(has_text="branch = 1")
    expect(row).to_contain_text("worse, p = 0.003")
    row.get_by_role("button").click()
    expect(page).to_have_url(re.compile(r"[?&]slice=branch%3D1$"))
    detail = read(address, "model/performance?slice=branch%3D1")["slice"]
    expect(page.get_by_test_id("slice")).to_have_text(detail["message"])
    expect(page.get_by_role("heading", name="Calibration where branch = 1")).to_be_visible()
    settled = page.get_by_role("table", name="Settled predictions").get_by_role("row").nth(1)
    expect(settled).to_contain_text(str(detail["metrics"][0]["value"]))
    expect(page.get_by_test_id("distributions")).to_have_text(
        read(address, "model/distributions?slice=branch%3D1")["sentence"]
    )
    page.get_by_role("combobox", name="Predictions").select_option("branch = 0")
    expect(page.get_by_test_id("slice")).to_contain_text("none of its 30 predictions counts with an outcome yet")
    page.go_back()
    expect(page.get_by_test_id("slice")).to_have_text(detail["message"])


def test_the_keyboard_alone_pauses_a_rollout_and_resumes_it(page: Page, address: str) -> None:
    for act in ("decision/approve", "promote"):
        done = httpx.post(f"{address}/api/models/2/{act}", json={"reason": "reviewed"}, timeout=60)
        assert done.is_success, done.text
    page.goto("/ui/shop/rollout")
    rollout = read(address, "rollout")
    assert rollout["rollout"]["status"] == "running"
    expect(page.get_by_test_id("verdict")).to_have_text(rollout["sentence"])
    approve = page.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_disabled()
    expect(approve).to_have_accessible_description("No step waits for an approval.")
    change_by_keyboard(page, "Pause", reason="a holiday")
    expect(page.get_by_role("group", name="Changes")).to_be_focused()
    paused = read(address, "rollout")
    assert paused["rollout"]["status"] == "paused"
    expect(page.get_by_test_id("verdict")).to_have_text(paused["sentence"])
    events = page.get_by_role("list", name="Log of decisions").get_by_role("listitem")
    expect(events).to_have_count(len(paused["rollout"]["events"]))
    expect(events.filter(has_text="a holiday")).to_contain_text("local user")
    change_by_keyboard(page, "Resume", reason="back at work")
    expect(events.filter(has_text="back at work")).to_have_count(1)
    assert read(address, "rollout")["rollout"]["status"] == "running"


def test_two_trainings_are_compared_and_a_rehearsal_shows_its_policies(page: Page, address: str) -> None:
    page.goto("/ui/shop/runs")
    expect(page.get_by_test_id("verdict")).to_have_text(read(address, "trainings")["sentence"])
    page.get_by_label("version 1").check()
    page.get_by_label("version 2").check()
    compared = read(address, "trainings/comparison?version=1&version=2")
    expect(page.get_by_test_id("comparison")).to_have_text(compared["sentence"])
    curve = compared["trainings"][1]["learning_curve"]
    table = page.get_by_role("table", name="Learning curve", exact=True)
    expect(table).to_contain_text(f"{curve[-1]['score']:.4f}".rstrip("0"))
    expect_drawn_in_the_colours_of_the_system(page)
    run = page.get_by_role("link", name=compared["trainings"][0]["summary"]["run_id"][:8])
    expect(run).to_have_attribute("href", re.compile(compared["mlflow_url"]))
    page.goto("/ui/shop/rehearsal")
    expect(page.get_by_test_id("verdict")).to_have_text(REHEARSAL["recommendation"])
    weekly = page.get_by_role("row").filter(has=page.get_by_role("cell", name="weekly", exact=True))
    expect(weekly).to_contain_text("68.6 ± 2.5")
    expect(weekly).to_contain_text("108.7 ± 1.5")


def test_the_keyboard_alone_finds_a_version_and_approves_it(page: Page, address: str) -> None:
    page.goto("/")
    expect(page.get_by_test_id("verdict")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("version 2")
    expect(page.get_by_role("option", name="Version 2")).to_be_visible()
    page.keyboard.press("Enter")
    approve = page.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_enabled()
    tab_until(page, "Approve")
    page.keyboard.press("Enter")
    tab_until(page, "Reason, for the journal")
    page.keyboard.type("by keyboard")
    tab_until(page, "Do it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="stays in None")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(approve).to_be_focused()
    assert read(address, "stages/history")["items"][0]["reason"] == "by keyboard"


def test_a_requested_training_stands_among_the_runs_with_its_reason(page: Page, address: str) -> None:
    page.goto("/ui/shop/automation")
    expect(page.get_by_test_id("verdict")).to_have_text(read(address, "training/automated/status")["sentence"])
    change(page, "Train now", reason="a new season")
    (run,) = read(address, "training/automated/status")["waiting"]
    assert (run["reason"], run["actor"], run["status"]) == ("a new season", "local user", "queued")
    waits = "1 waiting for a worker, and no scheduler runs that would take it: touchline up"
    expect(page.get_by_test_id("verdict")).to_contain_text(waits)
    page.get_by_role("button", name=f"retrain {run['id'][-6:]}").click()
    expect(page.get_by_role("heading", name=run["id"])).to_contain_text("queued")
    expect(page.get_by_role("button", name="Train now")).to_be_disabled()


def test_data_features_and_system_have_the_numbers_of_the_api(page: Page, address: str) -> None:
    page.goto("/ui/shop/data")
    data = read(address, "data/freshness")
    expect(page.get_by_test_id("verdict")).to_have_text(data["sentence"])
    expect(page.get_by_role("table", name="Sources")).to_contain_text(str(data["sources"][0]["rows"]))
    page.get_by_role("button", name="1 refused rows of visits").click()
    quarantine = read(address, "data/sources/visits/quarantine")
    expect(page.get_by_test_id("quarantine")).to_have_text(quarantine["sentence"])
    rejected = page.get_by_role("table", name="Rejected rows as they came").get_by_role("row").nth(1)
    expect(rejected).to_contain_text(quarantine["rows"][0]["rule"])
    expect(rejected).to_contain_text("bad-1")
    contract = read(address, "data/sources/visits")["contract"]
    columns = page.get_by_role("region", name="Contract of visits").get_by_role("row")
    expect(columns).to_have_count(len(contract["columns"]) + 1)
    expect(columns.filter(has_text="branch")).to_contain_text("branch is a whole number; branch is not null")
    page.get_by_role("region", name="Snapshots of visits").get_by_role("button").first.click()
    newest = read(address, "data/sources/visits")["snapshots"][0]["hash"]
    changes = read(address, f"data/sources/visits/changes/{newest}")
    expect(page.get_by_test_id("changes")).to_have_text(changes["sentence"])
    page.goto("/ui/shop/features?kind=customers&entity=c%2F1")
    page.get_by_role("heading", name="spending").wait_for()
    expect(page.get_by_test_id("verdict")).to_have_text(read(address, "feature-store/stats")["sentence"])
    (values,) = read(address, "feature-store/customers/c/1")["views"]
    expect(page.get_by_text(f"{values['values']['usual']:.4f}".rstrip("0"))).to_be_visible()
    expect(page.get_by_test_id("skew")).to_have_text(read(address, "model/skew")["sentence"])
    predict(address)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_test_id("skew")).to_contain_text(f"{CUSTOMERS} of {CUSTOMERS} served vectors match history")
    page.goto("/ui/shop/system")
    expect(page.get_by_test_id("verdict")).to_have_text(read(address, "system/health")["sentence"])
    expect(page.get_by_test_id("keys")).to_have_text(read(address, "keys")["sentence"])
    predict_row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="/predict", exact=True))
    expect(predict_row).to_contain_text(str(CUSTOMERS))


def expect_drawn_in_the_colours_of_the_system(page: Page) -> None:
    """A chart is a canvas: it follows the system's colours while the page is open only if it is drawn again."""
    page.locator(".time-chart canvas").first.wait_for()
    drawn = "document.querySelector('.time-chart canvas').toDataURL()"
    light = page.evaluate(drawn)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {drawn} !== light", arg=light)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"light => {drawn} === light", arg=light)


def change(page: Page, name: str, *, reason: str, ticket: str | None = None) -> None:
    """Press a button, read what it will do, give the reason, do it."""
    page.get_by_role("button", name=name, exact=True).click()
    confirm(page, reason=reason, ticket=ticket)


def confirm(page: Page, *, reason: str, ticket: str | None = None) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason, for the journal").fill(reason)
    if ticket is not None:
        dialog.get_by_label("Ticket").fill(ticket)
    dialog.get_by_role("button", name="Do it").click()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
