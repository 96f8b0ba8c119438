"""A query that a route does not have is refused: a misspelled filter must not answer without it."""

from __future__ import annotations

import pytest
from httpx import Client

pytestmark = pytest.mark.services


def test_every_route_refuses_an_unknown_query_parameter(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    routes = [path for path, methods in paths.items() if path.startswith("/api/") and "get" in methods]
    assert len(routes) >= 60
    for path in routes:
        refused = client.get(path.replace("{name}", "shop"), params={"numbr": "2"})
        assert (path, refused.status_code) == (path, 422)
        assert refused.json()["errors"][0]["field"] == "numbr"


def test_a_misspelled_parameter_names_its_neighbour_and_the_value(client: Client) -> None:
    (wrong,) = client.get("/api/rollout?numbr=2").json()["errors"]
    told = "is no query parameter of this route. Did you mean 'number'?"
    assert wrong == {"field": "numbr", "problem": told, "actual": "2", "allowed": "number"}


def test_a_refused_value_is_named(client: Client) -> None:
    (wrong,) = client.post("/api/rollout/stop", json={"reason": "wrong prices"}).json()["errors"]
    assert (wrong["field"], wrong["actual"]) == ("act", "stop")
    (wrong,) = client.post("/api/rollout/pause", json={"reason": 7}).json()["errors"]
    assert (wrong["field"], wrong["actual"]) == ("reason", 7)


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("rollout?number=99", 404, "shop has no rollout 99. Rollouts: none yet."),
        (
            "rollout?number=x",
            422,
            "number: should be a valid integer, unable to parse string as an integer; found: 'x'",
        ),
        ("rollout/history?limit=-1", 422, "limit: should be greater than or equal to 1; found: '-1'"),
    ],
)
def test_the_asked_for_rollout_is_answered_or_refused(client: Client, address: str, status: int, told: str) -> None:
    answer = client.get(f"/api/projects/shop/{address}")
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True)
