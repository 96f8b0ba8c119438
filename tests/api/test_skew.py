"""`/api/model/skew`: served features against those of history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from httpx import Client

from tests.api.builders import a_client, a_home
from tests.serving.builders import wait_for
from touchline.storage.tables import predictions

pytestmark = pytest.mark.services
CUSTOMERS = 5


def test_a_served_value_that_history_does_not_give_is_shown_beside_the_right_one(shop: Path) -> None:
    with a_client(shop) as client:
        unchecked = client.get("/api/model/skew").json()
        assert (unchecked["checked"], unchecked["verified_at"]) == (0, None)
        assert unchecked["sentence"].endswith("served features were not checked against history yet.")
        for number in range(CUSTOMERS):
            client.post("/predict", json={"customer": f"c/{number}"}).raise_for_status()
        wait_for(lambda: len(client.get("/api/predictions").json()["items"]) == CUSTOMERS)
        assert number_of_predictions(client, "version=1&since=2020-01-01") == CUSTOMERS
        assert (
            number_of_predictions(client, "until=2020-01-01") == number_of_predictions(client, "since=2120-01-01") == 0
        )
        assert client.get("/api/predictions?version=9").status_code == 404
        equal = client.post("/api/model/skew", json={"sample": 100}).json()
        assert (equal["checked"], equal["mismatched"], equal["mismatches"]) == (CUSTOMERS, 0, [])
        changed = client.get("/api/predictions").json()["items"][0]["prediction_id"]
        usual = serve_zero(shop, changed)
        skewed = client.post("/api/model/skew", json={"sample": 100}).json()
        assert "4 of 5 served vectors match history, 1 differ" in skewed["sentence"]
        assert {(one["prediction_id"], one["column"]) for one in skewed["mismatches"]} == {(changed, "usual")}
        (value,) = skewed["mismatches"]
        assert (value["served_value"], value["offline_value"]) == (0.0, usual)
        assert client.get("/api/model/skew").json() == skewed


def number_of_predictions(client: Client, query: str) -> int:
    return len(client.get(f"/api/predictions?{query}").json()["items"])


def serve_zero(shop: Path, prediction: str) -> float:
    """Change the first logged feature of a prediction to 0; its value before."""
    home = a_home(shop)
    this = predictions.c.prediction_id == prediction
    with home.database.begin() as connection:
        vector = np.frombuffer(
            connection.execute(sa.select(predictions.c.vector).where(this)).scalar_one(), dtype="<f8"
        )
        changed = vector.copy()
        changed[0] = 0.0
        connection.execute(sa.update(predictions).where(this).values(vector=changed.tobytes()))
    home.database.close()
    return float(vector[0])
