"""Outcomes: append-only, each once, corrected by a new revision."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tests.predictions.builders import a_row, check_changed_labels, write_rows
from tests.serving.builders import (
    NOW,
    Ratings,
    Server,
    Shelf,
    a_database,
    a_match_release,
    a_release,
    a_server,
    wait_for,
)
from touchline.errors import UnknownPrediction
from touchline.predictions import (
    EVERY_ROLE,
    OpenExample,
    OpenExampleRecords,
    Outcome,
    OutcomeRecords,
    PredictionRecords,
    Receipt,
    read_settled,
    settle_outcomes,
)
from touchline.predictions.open_examples import only_example
from touchline.storage import Database
from touchline.storage.tables import outcomes, predictions


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return a_database(tmp_path)


def _tell(store: Database, *received: Outcome) -> list[Receipt]:
    return OutcomeRecords(store, "shop").record(received, source="test", now=NOW)


def test_the_same_label_again_changes_nothing_and_another_is_a_correction(store: Database) -> None:
    outcome = Outcome("yes", example_id="e1")
    assert _tell(store, outcome)[0].status == "recorded"
    assert _tell(store, outcome)[0].status == "unchanged"
    corrected = _tell(store, Outcome("no", example_id="e1"))[0]
    assert (corrected.status, corrected.revision) == ("corrected", 2)
    with store.connect() as connection:
        labels = connection.scalars(sa.select(outcomes.c.label).order_by(outcomes.c.revision)).all()
    assert labels == ["yes", "no"]


def test_twice_in_one_request_counts_once(store: Database) -> None:
    receipts = _tell(store, Outcome("yes", example_id="e1"), Outcome("yes", example_id="e1"))
    assert [receipt.status for receipt in receipts] == ["recorded", "unchanged"]


def test_an_unknown_prediction_records_nothing(store: Database) -> None:
    with pytest.raises(
        UnknownPrediction, match=r"prediction log of shop has no 'p9'\. An id has 26 .*give the example_id"
    ):
        _tell(store, Outcome("yes", example_id="e1"), Outcome("yes", prediction_id="p9"))
    assert _tell(store, Outcome("yes", example_id="e1"))[0].status == "recorded"


def test_a_label_of_an_example_that_nothing_knows_is_stored_and_says_so(store: Database) -> None:
    write_rows(store, [a_row("1", example_id="e1")])
    _settle(store, _examples(("e2", "A", NOW + timedelta(days=1), None)))
    receipts = _tell(store, *(Outcome("yes", example_id=f"e{number}") for number in (1, 2, 3)))
    assert [(receipt.status, receipt.predictions) for receipt in receipts] == [
        ("recorded", 1),
        ("recorded", 0),
        ("recorded", 0),
    ]
    assert [receipt.note is None for receipt in receipts] == [True, True, False]
    assert "no open example has the id 'e3'; the label is stored" in str(receipts[2].note)
    write_rows(store, [a_row("2", example_id="e3")])
    assert [(one.prediction_id, one.label) for one in read_settled(store, "shop", limit=1)] == [("2", "yes")]


def test_a_label_known_before_the_prediction_is_stored_and_says_that_it_is_not_evaluated(store: Database) -> None:
    write_rows(store, [a_row("1", example_id="e1", cutoff=NOW), a_row("2", cutoff=NOW)])
    early, late = NOW - timedelta(days=9), NOW + timedelta(seconds=1)
    receipts = _tell(
        store,
        Outcome("yes", example_id="e1", label_timestamp=early),
        Outcome("yes", prediction_id="2", label_timestamp=early),
        Outcome("yes", example_id="e1", label_timestamp=late),
    )
    assert [receipt.status for receipt in receipts] == ["recorded", "recorded", "corrected"]
    notes = [str(receipt.note) for receipt in receipts]
    assert ["lies before the cutoff of the prediction" in note for note in notes] == [True, True, False]


def test_over_http_by_prediction_id(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        said = server.client.post("/predict", json={"age": 3}).json()["prediction_id"]
        body = {"prediction_id": said, "label": "yes"}
        wait_for(lambda: server.client.post("/outcomes", json=body).status_code == 200)
        found = read_settled(server.database, "shop")[0]
        assert (found.prediction_id, found.label, found.predicted) == (said, "yes", "yes 0.57")
        again = server.client.post("/outcomes", json=body).json()["outcomes"][0]
        assert (again["status"], again["predictions"]) == ("unchanged", 1)
        wrong = server.client.post("/outcomes", json={**body, "label": "maybe"})
        assert wrong.status_code == 422
        assert "allowed: one of yes, no" in wrong.json()["detail"]
        assert server.client.post("/outcomes", json={"label": "yes"}).status_code == 422
        assert server.client.post("/outcomes", json={**body, "prediction_id": "p9"}).status_code == 404


_INSTANT = pl.Datetime("us", "UTC")


def _examples(*rows: tuple[str, str, datetime, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "example_id": [row[0] for row in rows],
            "home_team": [row[1] for row in rows],
            "away_team": ["B"] * len(rows),
            "cutoff": [row[2] for row in rows],
            "label": [row[3] for row in rows],
            "label_timestamp": [row[2] + timedelta(hours=2) for row in rows],
            "cluster": ["day"] * len(rows),
        },
        schema_overrides={"cutoff": _INSTANT, "label": pl.String, "label_timestamp": _INSTANT},
    )


def _settle(database: Database, frame: pl.DataFrame, now: datetime = NOW) -> tuple[int, int, int, int, int]:
    found = settle_outcomes(database, "shop", frame, entity_columns=["home_team", "away_team"], now=now)
    return (found.settled, found.corrected, found.unchanged, found.open, found.named)


def test_labels_that_are_stored_as_they_are_are_not_read(store: Database) -> None:
    check_changed_labels(store)


def test_what_was_open_is_settled_by_the_next_ingest(store: Database) -> None:
    kickoff, later = NOW + timedelta(days=1), NOW + timedelta(days=2)
    history = ("e0", "C", NOW - timedelta(days=9), "yes")
    assert _settle(store, _examples(history, ("e1", "A", kickoff, None))) == (0, 0, 0, 1, 0)
    assert [example.example_id for example in OpenExampleRecords(store, "shop").read()] == ["e1"]
    assert _settle(store, _examples(history, ("e1", "A", kickoff, "yes")), later) == (1, 0, 0, 0, 0)
    assert _settle(store, _examples(history, ("e1", "A", kickoff, "yes")), later) == (0, 0, 1, 0, 0)
    assert _settle(store, _examples(history, ("e1", "A", kickoff, "no")), later) == (0, 1, 0, 0, 0)
    assert OpenExampleRecords(store, "shop").read() == []


def test_a_label_from_after_now_is_still_open(store: Database) -> None:
    assert _settle(store, _examples(("e1", "A", NOW + timedelta(days=1), "yes")))[3] == 1


def _example_of(server: Server, prediction_id: str) -> str | None:
    query = sa.select(predictions.c.example_id).where(predictions.c.prediction_id == prediction_id)
    with server.database.connect() as connection:
        found: str | None = connection.scalar(query)
    return found


def test_a_request_by_keys_finds_the_only_open_example_that_fits(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        past, later = NOW - timedelta(days=1), NOW + timedelta(days=3)
        _settle(server.database, _examples(("e0", "A", past, None), ("e1", "A", later, None)))
        response = server.client.post("/predict", json={"home_team": "A", "away_team": "B"}).json()
        wait_for(lambda: _example_of(server, response["prediction_id"]) == "e1")
        record = PredictionRecords(server.database, "shop").find(response["prediction_id"])
        assert record.example_source == "entity"


def test_a_request_that_two_open_examples_fit_belongs_to_neither(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        days = [NOW + timedelta(days=day) for day in (3, 9)]
        _settle(server.database, _examples(*[(f"e{n}", "A", day, None) for n, day in enumerate(days)]))
        response = server.client.post("/predict", json={"home_team": "A", "away_team": "B"}).json()
        wait_for(lambda: server.serving.log.status().written == 1)
        assert _example_of(server, response["prediction_id"]) is None


def test_an_example_id_alone_brings_the_keys_of_its_example(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        _settle(server.database, _examples(("e1", "A", NOW + timedelta(days=3), None)))
        response = server.client.post("/predict", json={"example_id": "e1"})
        assert response.status_code == 200, response.text
        wait_for(lambda: _example_of(server, response.json()["prediction_id"]) == "e1")
        record = PredictionRecords(server.database, "shop").find(response.json()["prediction_id"])
        assert (record.entity_keys, record.example_source) == ({"home_team": "A", "away_team": "B"}, "request")


def test_an_example_id_with_the_keys_of_another_example_is_refused(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        _settle(server.database, _examples(("e1", "A", NOW + timedelta(days=3), None)))
        rows = [{"home_team": "A", "away_team": "B", "example_id": "e1"}, {"home_team": "C", "example_id": "e1"}]
        response = server.client.post("/predict", json=rows)
        assert response.status_code == 422
        (problem,) = response.json()["errors"]
        assert (problem["field"], problem["actual"]) == ("1.home_team", "C")
        assert problem["allowed"] == "'A', which the open example 'e1' has"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json"])
def test_an_outcome_is_json_whatever_the_client_calls_it(tmp_path: Path, content_type: str) -> None:
    """curl -d sends the type of a form, for predictions and for outcomes alike."""
    with a_server(tmp_path, Shelf.of(a_match_release())) as server:
        body = b'{"example_id": "e", "label": "yes"}'
        response = server.client.post("/outcomes", content=body, headers={"Content-Type": content_type})
        assert response.status_code == 200, response.text


def test_wrong_outcomes_are_named_by_row_and_field_alone(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release())) as server:
        rows = [
            {"example_id": "e", "label": "yes"},
            {"example_id": "f", "label": "maybe"},
            {"example_id": "g", "label": 1},
        ]
        response = server.client.post("/outcomes", json=rows)
        assert response.status_code == 422
        assert [problem["field"] for problem in response.json()["errors"]] == ["1.label", "2.label"]
        assert response.json()["errors"][0]["allowed"] == "one of yes, no"
        response = server.client.post("/outcomes", json=[rows[0], {"example_id": "f", "label": None}])
        (problem,) = response.json()["errors"]
        told = "is null: send an outcome once its label is known; found: nothing"
        assert (problem["field"], problem["problem"]) == ("1.label", told)
        response = server.client.post("/outcomes", json={"example_id": "f", "label": "yes", "label_timestmp": "x"})
        (problem,) = response.json()["errors"]
        assert problem["problem"] == "is no field of this request. Did you mean 'label_timestamp'?"
        assert OutcomeRecords(server.database, "shop").newest(["e"]) == {}


def test_an_example_that_is_not_open_needs_its_keys_in_the_request(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        response = server.client.post("/predict", json={"example_id": "e9"})
        assert response.status_code == 422
        problems = {problem["field"]: problem for problem in response.json()["errors"]}
        assert set(problems) == {"example_id", "home_team", "away_team"}
        assert problems["example_id"]["problem"] == "is no open example"
        whole = {"example_id": "e9", "home_team": "A", "away_team": "B"}  # an example that a later ingest may bring
        assert server.client.post("/predict", json=whole).status_code == 200


def test_a_prediction_of_years_ago_is_not_about_an_example_that_is_open_now(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        keys = {"home_team": "A", "away_team": "B"}
        kickoff = NOW + timedelta(days=3)
        early, missed = NOW - timedelta(days=2), NOW - timedelta(days=1, hours=1)
        _settle(server.database, _examples(), early)
        _settle(server.database, _examples(("e1", "A", kickoff, None)), NOW - timedelta(days=1))
        cutoffs = ["2003-04-15T00:00:00Z", f"{early - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"]
        old = [server.client.post("/predict", json={**keys, "cutoff": cutoff}).json() for cutoff in cutoffs]
        new = [server.client.post("/predict", json={**keys, "cutoff": f"{missed:%Y-%m-%dT%H:%M:%SZ}"}).json()]
        new.append(server.client.post("/predict", json=keys).json())
        wait_for(lambda: server.serving.log.status().written == 4)
        assert [_example_of(server, one["prediction_id"]) for one in old] == [None, None]
        assert [_example_of(server, one["prediction_id"]) for one in new] == ["e1", "e1"]
        # Nor does a later ingest that changes or settles the example take them.
        moved = kickoff + timedelta(days=1)
        assert _settle(server.database, _examples(("e1", "A", moved, None)), NOW)[4] == 0
        assert _settle(server.database, _examples(("e1", "A", moved, "yes")), moved + timedelta(days=1))[0] == 1
        labels = {one.prediction_id: one.label for one in read_settled(server.database, "shop")}
        assert [labels[one["prediction_id"]] for one in (*old, *new)] == [None, None, "yes", "yes"]


def test_an_example_that_the_first_ingest_brings_is_open_from_that_ingest_on(store: Database) -> None:
    _settle(store, _examples(("e1", "A", NOW + timedelta(days=1), None)))
    assert [example.open_since for example in OpenExampleRecords(store, "shop").read()] == [NOW]


def test_a_cutoff_before_the_named_example_was_open_is_refused(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        _settle(server.database, _examples(("e1", "A", NOW + timedelta(days=3), None)), NOW - timedelta(days=1))
        early = server.client.post("/predict", json=[{"example_id": "e1", "cutoff": "2003-04-15T00:00:00Z"}])
        assert early.status_code == 422
        (problem,) = early.json()["errors"]
        assert (problem["field"], problem["problem"]) == ("0.cutoff", "is before the named example was open")
        assert problem["allowed"].startswith(f"from {(NOW - timedelta(days=1)).isoformat()} on")
        cutoff = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        assert server.client.post("/predict", json={"example_id": "e1", "cutoff": cutoff}).status_code == 200


def test_examples_with_equal_keys_are_told_apart_by_their_inputs() -> None:
    examples = [OpenExample(f"e{n}", NOW, {"team": "A"}, None, {"odds": odds}) for n, odds in enumerate((1.5, 2.0))]
    assert only_example(examples, NOW, {"odds": 2}) is examples[1]
    assert only_example(examples, NOW, {"odds": 3}) is None
    assert only_example(examples, NOW, {}) is None
    assert only_example(examples, NOW, {"odds": 2.0, "not stored": 1}) is examples[1]


def test_an_answer_given_before_its_example_was_known_finds_it_later(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=Ratings({})) as server:
        answer = server.client.post("/predict", json={"home_team": "A", "away_team": "B"}).json()
        wait_for(lambda: server.serving.log.status().written == 1)
        assert _example_of(server, answer["prediction_id"]) is None
        assert _settle(server.database, _examples(("e1", "A", NOW + timedelta(days=1), None)))[4] == 1
        assert _example_of(server, answer["prediction_id"]) == "e1"


def test_examples_that_only_a_shadow_version_predicted_are_named_and_settled_too(store: Database) -> None:
    keys = {"away_team": "B", "home_team": "A"}
    write_rows(store, [a_row("1", role="shadow", cutoff=NOW, entity_keys=keys)])
    kickoff, later = NOW + timedelta(days=1), NOW + timedelta(days=2)
    assert _settle(store, _examples(("e1", "A", kickoff, None)))[4] == 1
    assert PredictionRecords(store, "shop").find("1", roles=EVERY_ROLE).example_key == "e1"
    with store.begin() as connection:
        OpenExampleRecords(store, "shop").replace(connection, [], now=later)
    assert _settle(store, _examples(("e1", "A", kickoff, "yes")), later)[0] == 1
