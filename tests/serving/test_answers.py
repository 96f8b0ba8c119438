"""What a request gets: an answer that is logged, or a problem that names the field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.serving.builders import NOW, Ratings, Server, Shelf, a_match_release, a_release, a_server, wait_for
from touchline.errors import OnlineStoreUnavailable
from touchline.http.problems import InvalidRequest
from touchline.registry import InputField
from touchline.serving import Limits
from touchline.serving.predicting.predict import Predictor
from touchline.storage.tables import predictions

pytestmark = pytest.mark.services


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path, Shelf.of(a_release()), limits=Limits(body_bytes=2000, rows=3, lag_seconds=60.0)) as server:
        yield server


@pytest.fixture
def ratings() -> Ratings:
    return Ratings({"A": 1.0, "B": 2.0})


@pytest.fixture
def matches(tmp_path: Path, ratings: Ratings) -> Iterator[Server]:
    with a_server(tmp_path, Shelf.of(a_match_release()), reader=ratings) as server:
        yield server


def _logged(server: Server, prediction_id: str) -> sa.RowMapping:
    query = sa.select(predictions).where(predictions.c.prediction_id == prediction_id)

    def look() -> sa.RowMapping | None:
        with server.database.connect() as connection:
            return connection.execute(query).mappings().first()

    found: sa.RowMapping = wait_for(look)
    return found


def test_raw_inputs_are_answered_and_logged_with_their_vector(shop: Server) -> None:
    answer = shop.client.post("/predict", json={"age": 30, "colour": "red"}).json()
    assert answer["probabilities"]["yes"] == pytest.approx(0.9569, abs=1e-4)
    assert (answer["release"], answer["version"], answer["variant"]) == ("shop-1-d1", 1, "production")
    row = _logged(shop, answer["prediction_id"])
    assert row["inputs"] == {"age": 30.0, "colour": "red"}
    assert memoryview(row["vector"]).cast("d").tolist() == [30.0, 1.0]
    assert row["output"] == {"probabilities": answer["probabilities"]}


def test_curl_without_a_content_type_is_understood(shop: Server) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert shop.client.post("/predict", content=b'{"age": 3}', headers=form).status_code == 200


def test_a_list_gives_a_prediction_for_each_row(shop: Server) -> None:
    answers = shop.client.post("/projects/shop/predict", json=[{"age": 1}, {"age": 2}]).json()["predictions"]
    assert len({answer["prediction_id"] for answer in answers}) == 2
    rows = [_logged(shop, answer["prediction_id"]) for answer in answers]
    assert rows[0]["request_id"] == rows[1]["request_id"]


def test_entity_keys_are_looked_up_and_their_freshness_told(matches: Server) -> None:
    answer = matches.client.post("/predict", json={"home_team": "A", "away_team": "Z"}).json()
    assert answer["features"]["form:home"] == {"status": "present", "event_timestamp": "2009-04-15T00:00:00Z"}
    assert answer["features"]["form:away"]["status"] == "missing"
    assert _logged(matches, answer["prediction_id"])["entity_keys"] == {"home_team": "A", "away_team": "Z"}


def test_complete_feature_values_need_no_store(matches: Server, ratings: Ratings) -> None:
    ratings.failure = OnlineStoreUnavailable("store", "gone", 1.0)
    body = {"features": {"home_elo": 1.0, "away_elo": 2.0}}
    by_values = matches.client.post("/predict", json=body).json()
    ratings.failure = None
    by_keys = matches.client.post("/predict", json={"home_team": "A", "away_team": "B"}).json()
    assert by_values["probabilities"] == by_keys["probabilities"]


def test_a_store_that_is_away_is_a_clear_refusal(matches: Server, ratings: Ratings) -> None:
    ratings.failure = OnlineStoreUnavailable("store", "gone", 1.0)
    refused = matches.client.post("/predict", json={"home_team": "A", "away_team": "B"})
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["type"] == "urn:touchline:problem:features-unavailable"


def test_the_cutoff_is_project_time_unless_the_request_says_another(shop: Server) -> None:
    assert shop.client.post("/predict", json={"age": 3}).json()["cutoff"] == "2009-04-15T00:00:00Z"
    later = (NOW + timedelta(days=2)).isoformat()
    assert shop.client.post("/predict", json={"age": 3, "cutoff": later}).json()["cutoff"] == "2009-04-17T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "status", "field", "words"),
    [
        ('{"age": 300}', 422, "age", "number >= 0 <= 120"),
        ('{"age": NaN}', 422, "age", "number"),
        ('{"age": Infinity}', 422, "age", "number"),
        ('{"age": "old"}', 422, "age", "number"),
        ('{"age": null}', 422, "age", "number"),
        ('{"colour": "red"}', 422, "age", "number"),
        ('{"age": 3, "agee": 3}', 422, "agee", "age, colour, cutoff"),
        ('{"age": 3, "cutoff": "2009-04-15T00:00:00"}', 422, "cutoff", "a zone, such as 2009-04-15T13:30:00Z"),
        ('{"age": 3, "cutoff": 0}', 422, "cutoff", "a zone, such as 2009-04-15T13:30:00Z"),
        ('{"age": 3, "cutoff": "9999-12-31T23:59:59-10:00"}', 422, "cutoff", "between the years 1 and 9999"),
        ('{"age": 3, "cutoff": "0001-01-01T00:00:00+10:00"}', 422, "cutoff", "between the years 1 and 9999"),
        ('{"age": 3, "cutoff": "1239800000"}', 422, "cutoff", "a zone, such as 2009-04-15T13:30:00Z"),
        ('[{"age": 3}, {"age": -1}]', 422, "1.age", "number >= 0"),
        ("[]", 422, "", "1 to 3 rows"),
        ("[1]", 422, "0", ""),
        ('"x"', 422, "", ""),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_what_is_allowed(
    shop: Server, body: str, status: int, field: str, words: str
) -> None:
    refused = shop.client.post("/predict", content=body)
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    errors = {error["field"]: error.get("allowed", "") for error in refused.json()["errors"]}
    assert words in errors[field]


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"home_team": 7, "away_team": "B"}, "home_team", "string"),
        ({"home_team": 0.0, "away_team": "B"}, "home_team", "string"),
        ({"home_team": True, "away_team": "B"}, "home_team", "string"),
        ({"home_team": 10**30, "away_team": "B"}, "home_team", "string"),
        ({"home_team": "", "away_team": "B"}, "home_team", "string"),
        ({"home_team": "A\0", "away_team": "B"}, "home_team", "text without NUL"),
        ({"home_team": "A", "away_team": "B", "example_id": 7}, "example_id", "string"),
        ({"home_team": "A"}, "away_team", "an entity key"),
        ({"features": {"home_elo": "high", "away_elo": 1.0}}, "features.home_elo", ""),
    ],
)
def test_a_key_of_another_type_is_never_taken_for_an_unknown_entity(
    matches: Server, row: dict[str, object], field: str, words: str
) -> None:
    refused = matches.client.post("/predict", json=row)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert words in refused.json()["errors"][0].get("allowed", "")


def test_a_whole_number_key_comes_as_number_or_digits_and_is_one_entity() -> None:
    release = a_match_release(views=tuple(replace(view, key_types=("int",)) for view in a_match_release().views))
    predictor = Predictor(release, None)
    for home, away in ((b"7", b'"007"'), (b"7.0", b"7"), (b'"7"', b'"7"')):
        rows, _ = predictor.requests.read_body(b'{"home_team": %s, "away_team": %s}' % (home, away), 1)
        assert (rows[0]["home_team"], rows[0]["away_team"]) == ("7", "7")
    rows, _ = predictor.requests.read_body(b'{"home_team": "1610521604143693015", "away_team": 1610521604143693016}', 1)
    assert (rows[0]["home_team"], rows[0]["away_team"]) == ("1610521604143693015", "1610521604143693016")
    for wrong in (b"7.5", b"1e16", b'"x"', b"true", b"9223372036854775808", b'"9223372036854775808"'):
        with pytest.raises(InvalidRequest, match="allowed: integer or string"):
            predictor.requests.read_body(b'{"home_team": %s, "away_team": 1}' % wrong, 1)


def test_the_row_check_of_another_release_is_taken_over_only_where_it_is_the_same() -> None:
    first = Predictor(a_release(), None)
    assert Predictor(a_release(2), None, like=first).models.row is first.models.row
    other = Predictor(a_release(3, inputs=(InputField("age", {"type": "integer"}),)), None, like=first)
    assert set(other.models.row.model_fields) == {"age", "cutoff", "example_id"}
    match = Predictor(a_match_release(), None)
    kept = Predictor(a_match_release(2), None, like=match)
    assert kept.models.row is match.models.row
    fewer = a_match_release(3, columns=a_match_release().columns[:1])
    assert Predictor(fewer, None, like=match).models.row is not match.models.row


def test_an_integer_beyond_64_bits_is_refused() -> None:
    predictor = Predictor(a_release(inputs=(InputField("age", {"type": "integer"}),)), None)
    with pytest.raises(InvalidRequest, match="age: Input should be less than"):
        predictor.requests.read_body(b'{"age": 9223372036854775808}', 1)
    assert predictor.requests.read_body(b'{"age": 9223372036854775807}', 1)[0][0]["age"] == 2**63 - 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"age": 3, "colour": "' + b"x" * 3000 + b'"}', 413),
        (b"[" + b'{"age": 3},' * 3 + b'{"age": 3}]', 422),
    ],
)
def test_a_body_that_is_no_request_is_refused(shop: Server, body: bytes, status: int) -> None:
    refused = shop.client.post("/predict", content=body)
    assert refused.status_code == status
    assert refused.json()["status"] == status


def test_a_body_of_unknown_length_is_stopped_at_the_limit(shop: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    for path in ("/predict", "/outcomes"):
        assert shop.client.post(path, content=endless()).status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict"),
        ("POST", "/explain"),
        ("POST", "/outcomes"),
        ("POST", "/predict/jobs"),
        ("GET", "/model-info"),
        ("GET", "/projects/shop/model-info"),
        ("GET", "/health"),
        ("GET", "/metrics"),
    ],
)
def test_an_unknown_query_parameter_is_refused_by_name(shop: Server, method: str, path: str) -> None:
    body = {"age": 3} if method == "POST" else None
    refused = shop.client.request(method, f"{path}?versoin=3", json=body)
    assert refused.status_code == 422, refused.text
    (problem,) = [one for one in refused.json()["errors"] if one["field"] == "versoin"]
    assert (problem["actual"], problem["allowed"]) == ("3", "none: this route takes no query")


def test_an_unknown_field_names_its_neighbour(shop: Server) -> None:
    (problem,) = shop.client.post("/predict", json={"age": 3, "color": "red"}).json()["errors"]
    assert problem["problem"] == "unknown field. Did you mean 'colour'?"


def test_other_methods_and_paths_are_problems_too(shop: Server) -> None:
    assert shop.client.get("/predict").status_code == 405
    assert shop.client.get("/predict").headers["allow"] == "POST"
    assert shop.client.get("/nothing").json()["type"] == "urn:touchline:problem:not-found"
    assert shop.client.post("/projects/nobody/predict", json={}).status_code == 404


def test_a_correlation_id_goes_through_and_is_made_when_absent(shop: Server) -> None:
    marked = shop.client.post("/predict", json={"age": 3}, headers={"X-Correlation-ID": "order-7"})
    assert marked.headers["x-correlation-id"] == "order-7"
    assert _logged(shop, marked.json()["prediction_id"])["correlation_id"] == "order-7"
    assert len(shop.client.get("/health").headers["x-correlation-id"]) == 26


def test_the_document_shows_the_fields_of_the_release(shop: Server) -> None:
    schemas = shop.client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["ShopRow"]["properties"]["age"] == {
        "maximum": 120,
        "minimum": 0,
        "title": "Age",
        "type": "number",
    }
    assert schemas["ShopRow"]["example"] == {"age": 40, "colour": "red"}
    assert shop.client.get("/docs").status_code == 200


def test_a_browser_gets_a_page_and_a_program_gets_json(shop: Server) -> None:
    assert "/docs" in shop.client.get("/", headers={"Accept": "text/html,*/*"}).text
    assert shop.client.get("/").json()["projects"]["shop"]["release"] == "shop-1-d1"


def test_the_state_of_the_model_is_told(shop: Server) -> None:
    assert shop.client.get("/healthz").json() == {"status": "alive"}
    assert shop.client.get("/readyz").status_code == 200
    assert shop.client.get("/health").json()["models"]["shop"]["version"] == 1
    assert shop.client.get("/model-info").json()["classes"] == ["yes", "no"]
    shop.client.post("/predict", json={"age": 3})
    assert 'touchline_predictions_total{project="shop",variant="production",version="1"} 1.0' in _figures(shop)


def _figures(server: Server) -> str:
    return server.client.get("/metrics").text
