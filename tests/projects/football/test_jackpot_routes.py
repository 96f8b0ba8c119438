"""Jackpots over HTTP, on the packaged matches: predicted, explained, settled; wrong requests are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from playwright.sync_api import expect

from tests.dashboard.browser import running_browser, tab_until
from tests.samples import SAMPLES, a_small_sample, trained
from tests.serving.builders import on_loopback, wait_for
from touchline.cli.processes.apps import create_full_app

if TYPE_CHECKING:
    import schemathesis

pytestmark = pytest.mark.services

TWO = [
    {"home_team": "Schalke 04", "away_team": "Energie Cottbus"},
    {"home_team": "Werder Bremen", "away_team": "Hamburger SV"},
]
OUTCOMES = ("home", "draw", "away")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    opened = a_small_sample("football", tmp_path_factory.mktemp("football"))
    trained(opened)
    app = create_full_app(opened.home, [SAMPLES["football"].folder], host="127.0.0.1")
    app.serving.limits = replace(app.serving.limits, lag_seconds=60.0)  # how busy the machine is, is not tested here
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def a_jackpot(client: httpx.Client, fixtures: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    response = client.post("/api/jackpots", json={"fixtures": fixtures, **fields})
    assert response.status_code == 200, response.text
    return dict(response.json())


def a_problem(client: httpx.Client, body: Any, path: str = "/api/jackpots") -> str:
    response = client.post(path, json=body)
    assert response.status_code == 422
    return str(response.json())


def test_the_chances_follow_from_the_probabilities_of_predict(client: httpx.Client) -> None:
    jackpot = a_jackpot(client, TWO, budget=2, name="Derby")
    predicted = client.post("/predict", json=TWO).json()["predictions"]
    probabilities = [fixture["probabilities"] for fixture in jackpot["fixtures"]]
    assert probabilities == [one["probabilities"] for one in predicted]
    first, second = (sorted(own.values(), reverse=True) for own in probabilities)
    assert jackpot["single"]["chance_of_all"] == pytest.approx(first[0] * second[0])
    doubles = ((first[0] + first[1]) * second[0], first[0] * (second[0] + second[1]))
    assert jackpot["best"]["chance_of_all"] == pytest.approx(max(doubles))
    assert (jackpot["best"]["columns"], jackpot["best"]["cost"]) == (2, 2)
    assert sum(jackpot["best"]["chances_of_right"]) == pytest.approx(1)
    for fixture in jackpot["fixtures"]:
        assert fixture["scores"]["over"]["2.5"] + fixture["scores"]["under"]["2.5"] == pytest.approx(1)
    assert client.get(f"/projects/football/api/jackpots/{jackpot['id']}").json() == jackpot


def test_a_team_is_known_by_the_spellings_of_other_sources(client: httpx.Client) -> None:
    other = [{"home_team": "Werder Bremen", "away_team": "Hamburg"}]
    fixtures = [a_jackpot(client, fixtures)["fixtures"][0] for fixtures in (TWO[1:], other)]
    assert fixtures[0]["request"] == fixtures[1]["request"] == TWO[1]
    assert fixtures[0]["probabilities"] == fixtures[1]["probabilities"]


def test_contributions_sum_to_each_prediction(client: httpx.Client) -> None:
    jackpot = a_jackpot(client, TWO)
    document = client.get(f"/api/jackpots/{jackpot['id']}/contributions").json()
    for fixture, explained in zip(jackpot["fixtures"], document["fixtures"], strict=True):
        for outcome in OUTCOMES:
            added = [one["adds"][outcome] for one in explained["outcomes"]["features"]]
            total = explained["outcomes"]["base"][outcome] + sum(added)
            assert total == pytest.approx(fixture["probabilities"][outcome], abs=1e-9)
        for terms in explained["goals"].values():
            assert all(0.0001 < abs(terms[name]) < 1.0 for name in ("attack", "defence"))  # features of known teams
            log = terms.pop("log_expected_goals")
            assert sum(terms.values()) == pytest.approx(log)


def test_outcomes_settle_a_jackpot_and_count_in_the_history(client: httpx.Client) -> None:
    jackpot = a_jackpot(client, TWO, budget=4)
    assert jackpot["best"]["settlement"]["state"] == "open"
    for fixture, picks in zip(jackpot["fixtures"], jackpot["best"]["picks"], strict=True):
        _record(client, {"prediction_id": fixture["prediction_id"], "label": picks[-1]})
    settled = client.get(f"/api/jackpots/{jackpot['id']}").json()
    assert settled["best"]["settlement"]["state"] == "won"
    assert settled["single"]["settlement"]["state"] == "lost"
    newest = client.get("/api/jackpots", params={"limit": 1}).json()
    assert newest["jackpots"] == [settled]
    record = newest["record"]
    assert (record["settled"], record["won"], record["fixtures_observed"], record["fixtures_right"]) == (1, 1, 2, 0)
    assert record["expected_to_win"] == pytest.approx(settled["best"]["chance_of_all"])


def _record(client: httpx.Client, outcome: dict[str, str]) -> None:
    """The log writes a prediction within a second."""
    wait_for(lambda: client.post("/outcomes", json=outcome).status_code == 200)


def test_an_abandoned_match_is_declared_void(client: httpx.Client) -> None:
    jackpot = a_jackpot(client, TWO)
    path = f"/api/jackpots/{jackpot['id']}/void"
    assert "a number from 1 to 2" in a_problem(client, {"fixtures": [3], "reason": "abandoned"}, path)
    after = client.post(path, json={"fixtures": [1], "reason": "abandoned in the fog"}).json()
    assert after["best"]["settlement"] | {"state": "open", "void": 1, "right": 1} == after["best"]["settlement"]
    assert [fixture["outcome"] for fixture in after["fixtures"]] == ["void", None]
    assert after["voided"] == [{"fixtures": [1], "reason": "abandoned in the fog", "actor": "local user"}]


def test_a_match_is_the_same_whichever_way_it_is_named(client: httpx.Client) -> None:
    by_example = {"example_id": "2008-schalke_04-energie_cottbus"}
    for other in (by_example, {**TWO[0], **by_example}, {**TWO[0], "cutoff": "2009-04-14T00:00:00Z"}):
        assert "is the same match as fixture 1" in a_problem(client, {"fixtures": [TWO[0], other]})
    other = {"home_team": "Werder Bremen", "away_team": "Schalke 04"}
    first, second = a_jackpot(client, [by_example, other])["fixtures"]
    assert (first["request"], first["teams"]) == (by_example, ["Schalke 04", "Energie Cottbus"])
    assert "Schalke 04 plays in two fixtures" in " ".join(second["notes"])


def test_a_team_without_history_and_odds_that_disagree_are_noted(client: httpx.Client) -> None:
    odds = {"home": 30.0, "draw": 10.0, "away": 1.05}
    promoted = {"home_team": "Bayern Muenchen", "away_team": "FC Promoted", "odds": odds}
    fixture = a_jackpot(client, [promoted])["fixtures"][0]
    notes = " ".join(fixture["notes"])
    (about_the_team,) = (note for note in fixture["notes"] if "have no history" in note)
    assert about_the_team.startswith("team_strength:away, ")
    assert "the odds disagree" in notes
    assert sum(fixture["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("fixtures", "fields", "expected"),
    [
        ([], {}, "fixtures"),
        ([TWO[0], TWO[1], TWO[0]], {}, "is the same match as fixture 1"),
        ([{"home_team": "Schalke 04", "away_team": "Schalke 04"}], {}, "a team plays itself"),
        ([{"home_team": "Bayern Munich", "away_team": "Bayern Muenchen"}], {}, "a team plays itself"),
        ([{"home_team": "Schalke 04"}], {}, "fixtures.0.away_team"),
        ([{**TWO[0], "odds": {"home": 0.9, "draw": 3.0, "away": 4.0}}], {}, "fixtures.0.odds.home"),
        ([{**TWO[0], "odds": {"home": 1.9, "draw": 3.0}}], {}, "fixtures.0.odds.away"),
        ([{**TWO[0], "wether": "rain"}], {}, "fixtures.0.wether"),
        (TWO, {"budget": 1, "stake": 2}, "buys no column"),
        (TWO, {"budget": "NaN"}, "budget"),
        (TWO, {"budget": 1e9, "stake": 5e-324}, "greater than or equal to 0.000001"),  # their ratio is no number
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    client: httpx.Client, fixtures: list[dict[str, Any]], fields: dict[str, Any], expected: str
) -> None:
    problem = a_problem(client, {"fixtures": fixtures, **fields})
    assert expected in problem
    assert "Tuple" not in problem


def test_limits_and_unknown_ids_of_the_history(client: httpx.Client) -> None:
    assert client.get("/api/jackpots", params={"limit": 0}).status_code == 422
    for path in ("/api/jackpots", "/projects/football/api/jackpots"):
        misspelt = client.get(path, params={"limt": 1})
        assert (misspelt.status_code, "Did you mean 'limit'?" in misspelt.text) == (422, True)
    unknown = client.get("/api/jackpots/none/contributions")
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404,
        "Project football has no jackpot with the id 'none'.",
    )


def test_a_jackpot_is_entered_on_its_page_by_keyboard_alone(client: httpx.Client) -> None:
    with running_browser() as browser, browser.new_context(base_url=str(client.base_url)) as context:
        page, errors = context.new_page(), []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto("/ui/football/jackpots")
        expect(page.get_by_label("Home team")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        tab_until(page, "Name")
        page.keyboard.type("By hand")
        for label, text in (("Home team", "Schalke 04"), ("Away team", "Energie Cottbus"), ("Odds home", "1.5")):
            tab_until(page, label)
            page.keyboard.type(text)
        for label, price in (("Odds draw", "4"), ("Odds away", "7")):
            tab_until(page, label)
            page.keyboard.type(price)
        tab_until(page, "Predict and store")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="1. Schalke 04 – Energie Cottbus")).to_be_visible()
        jackpot = client.get("/api/jackpots").json()["jackpots"][0]
        shown = client.get("/api/projects/football/pages/jackpots", params={"item": jackpot["id"]}).json()["content"]
        expect(page.get_by_test_id("verdict")).to_have_text(shown["sentence"])
        assert (jackpot["name"], jackpot["budget"], bool(jackpot["fixtures"][0]["market"])) == ("By hand", 8, True)
        fixtures = page.get_by_role("table", name="Fixtures; choose one")
        for probability in jackpot["fixtures"][0]["probabilities"].values():
            expect(fixtures).to_contain_text(f"{probability:.4f}".rstrip("0"))
        page.get_by_role("link", name="All of Jackpots").click()
        expect(page.get_by_role("link", name="By hand")).to_be_visible()
        assert errors == []


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_no_made_up_request_breaks_the_routes(client: httpx.Client, kind: str) -> None:
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    mode = schemathesis.GenerationMode(kind)
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith("/api/jackpots"):
            continue
        if mode.is_negative and not (list(operation.query) or operation.method == "post"):
            continue

        @settings(
            max_examples=10, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            tried.add(case.operation.label)
            # The release in Production, not the document, says which fields a fixture has.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
    assert {"POST /api/jackpots", "GET /api/jackpots", "POST /api/jackpots/{jackpot_id}/void"} <= tried
