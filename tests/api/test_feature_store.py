"""Entities and views over HTTP, and values that clients push."""

from __future__ import annotations

import json

import pytest
from httpx import Client

pytestmark = pytest.mark.services


def test_every_view_tells_its_rows_reads_and_distributions(client: Client) -> None:
    client.post("/predict", json={"customer": "c/1"})
    views = {view["view"]: view for view in client.get("/api/feature-store/stats").json()["views"]}
    assert set(views) == {"spending", "turnover", "habits"}
    spending = views["spending"]
    assert (spending["online_rows"], spending["models"], spending["reads"]["present"]) == (20, [1], 1)
    (usual, last) = spending["features"]
    assert (usual["name"], usual["count"], len(usual["quantiles"])) == ("usual", 20, 5)
    assert last["dtype"] == "timestamp"
    assert views["turnover"]["reads"] is None


def test_entities_are_listed_page_by_page(client: Client) -> None:
    page = client.get("/api/feature-store/customers?limit=15").json()
    assert (page["total"], page["next_offset"], len(page["items"]), page["views"]) == (20, 15, 15, ["spending"])
    rest = client.get("/api/feature-store/customers?limit=15&offset=15").json()
    assert (rest["next_offset"], len(rest["items"])) == (None, 5)
    names = [item["customer"] for item in page["items"] + rest["items"]]
    assert names == sorted(f"c/{number}" for number in range(20))


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("customers/c%2F1", {"customer": "c/1"}),
        ("branches/2", {"branch": "2"}),
        ("habits/c%2F5,2", {"customer": "c/5", "branch": "2"}),
    ],
)
def test_one_entity_tells_what_is_online_and_what_was_known_before(
    client: Client, path: str, keys: dict[str, str]
) -> None:
    answer = client.get(f"/api/feature-store/{path}?history=3").json()
    assert answer["keys"] == keys
    (view,) = answer["views"]
    assert view["status"] == "present"
    newest, *earlier = view["history"]
    assert len(earlier) == 2
    assert {name: newest[name] for name in view["values"]} == view["values"]
    assert newest["event_timestamp"] == view["event_timestamp"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("custmers", "Did you mean 'customers'?"),
        ("customers/nobody", "No feature view knows the customer 'nobody'. /api/"),
        ("customers/C%2F19", "No feature view knows the customer 'C/19'. Did you mean 'c/19'?"),
        ("habits/c1", "no habit 'c1'. Known: customer,branch"),
    ],
)
def test_what_is_not_there_is_a_problem(client: Client, path: str, says: str) -> None:
    answer = client.get(f"/api/feature-store/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert says in answer.json()["detail"]


def test_a_key_of_the_wrong_type_names_the_type(client: Client) -> None:
    answer = client.get("/api/feature-store/branches/north")
    assert answer.status_code == 422
    assert "must be a whole number" in answer.json()["detail"]


def test_a_pushed_value_is_online_and_in_the_history_at_once(client: Client) -> None:
    row = {"customer": "new", "usual": 12.5, "last_visit": "2024-05-30T12:00:00Z"}
    receipt = client.post("/api/features/spending", json={"rows": [row]}).json()
    assert (receipt["rows"], receipt["online_rows"], receipt["created_timestamp"]) == (1, 1, "2024-06-01T00:00:00Z")
    (view,) = client.get("/api/feature-store/customers/new").json()["views"]
    assert (view["status"], view["values"]["usual"]) == ("present", 12.5)
    assert view["values"]["last_visit"] == "2024-05-30T12:00:00Z"
    assert client.post("/predict", json={"customer": "new"}).json()["features"]["spending"]["status"] == "present"


def test_the_nan_of_pandas_is_null_when_it_is_pushed(client: Client) -> None:
    body = b'{"rows": [{"customer": "new", "usual": NaN, "last_visit": NaN, "event_timestamp": NaN}]}'
    json = {"content-type": "application/json"}
    pushed = client.post("/api/features/spending", content=body, headers=json)
    assert pushed.status_code == 200, pushed.text
    (view,) = client.get("/api/feature-store/customers/new").json()["views"]
    assert (view["status"], view["values"]) == ("present", {"usual": None, "last_visit": None})
    nobody = client.post("/api/features/spending", content=body.replace(b'"new"', b"NaN"), headers=json)
    assert nobody.status_code == 422


@pytest.mark.parametrize(
    ("view", "row", "status", "says"),
    [
        ("spendin", {"customer": "a"}, 404, "Did you mean 'spending'?"),
        ("spending", {"usual": 1.0}, 422, "'customer'"),
        ("spending", {"customer": "a", "usual": 1.0}, 422, "'last_visit' = 'nothing'; it must be given"),
        ("spending", {"customer": "a", "usual": "much"}, 422, "of type float"),
        ("spending", {"customer": "a", "usul": 1.0}, 422, "Did you mean 'usual'?"),
        ("spending", {"customer": "a", "last_visit": "yesterday"}, 422, "an instant such as"),
        ("spending", {"customer": "a", "event_timestamp": "2030-01-01T00:00:00Z"}, 422, "no later than now"),
        ("spending", {"customer": "a", "usual": 10**400}, 422, "rows.1.usual: should be a whole number"),
        ("spending", {"customer": "a", "usual": float("inf")}, 422, "rows.1.usual: should be a finite number"),
        ("spending", {"customer": "a\0", "usual": 1.0}, 422, "rows.1.customer: should be text without NUL"),
    ],
)
def test_a_push_that_does_not_fit_keeps_nothing(
    client: Client, view: str, row: dict[str, object], status: int, says: str
) -> None:
    good = {"customer": "never", "usual": 1.0, "last_visit": None}
    body = json.dumps({"rows": [good, row]}).replace("Infinity", "1e999")
    answer = client.post(f"/api/features/{view}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert client.get("/api/feature-store/customers/never").status_code == 404
