"""Who may ask, how often, and what happens when it is too much."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.databases import a_database
from tests.serving.builders import NOW, Server, Shelf, a_release, a_server, wait_for
from tests.serving.two_ways import read_response, request_bytes
from touchline.errors import KeyNotFound, KeyRequired, MissingDependency
from touchline.http import KeyDecision, find_key, list_keys, make_key, revoke_key, rotate_key
from touchline.http.correlation import PROBE_ID, correlation_of, trace_context
from touchline.http.key_ring import KeyRing
from touchline.http.problems import RateLimited
from touchline.serving import Limits
from touchline.serving.http.admission import Admission, Buckets
from touchline.serving.http.fast_path import Front
from touchline.serving.predicting.batching import Batcher
from touchline.serving.telemetry.log_format import JsonLines, Words, log_config
from touchline.serving.telemetry.open_telemetry import tracer_from_environment
from touchline.storage import Database
from touchline.storage.tables import api_keys, predictions

pytestmark = pytest.mark.services

ROW = {"age": 3}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path, Shelf.of(a_release()), limits=Limits(poll_seconds=0.01, lag_seconds=600.0)) as server:
        yield server


def _status(server: Server, key: str | None, path: str = "/predict", **headers: str) -> int:
    marked = headers | ({"Authorization": f"Bearer {key}"} if key else {})
    return server.client.post(path, json=ROW, headers=marked).status_code


def test_requests_are_open_until_the_first_key_is_made(shop: Server) -> None:
    assert _status(shop, None) == 200
    key = make_key(shop.database, "shop front", "scorer", now=NOW)
    wait_for(lambda: _status(shop, None) == 401)
    assert _status(shop, key) == 200
    assert _status(shop, None, **{"X-API-Key": key}) == 200
    assert _status(shop, key[:-1] + "!") == 401
    assert shop.client.get("/healthz").status_code == 200


def test_a_key_does_what_its_role_may(shop: Server) -> None:
    viewer = make_key(shop.database, "dashboard", "viewer", now=NOW)
    wait_for(lambda: _status(shop, None) == 401)
    refused = shop.client.post("/predict", json=ROW, headers={"X-API-Key": viewer})
    assert (refused.status_code, refused.json()["needed"]) == (403, "scorer")
    assert shop.client.get("/model-info", headers={"X-API-Key": viewer}).status_code == 200
    assert shop.client.get("/model-info").status_code == 401


def test_a_revoked_key_stops_working_and_never_opens_the_server(shop: Server) -> None:
    key = make_key(shop.database, "gone", "admin", now=NOW)
    wait_for(lambda: _status(shop, None) == 401)
    revoke_key(shop.database, list_keys(shop.database)[0].id, now=NOW)
    wait_for(lambda: _status(shop, key) == 401)
    with pytest.raises(KeyNotFound, match="revoked already"):
        revoke_key(shop.database, list_keys(shop.database)[0].id, now=NOW)


def test_a_key_is_checked_again_in_each_request_of_a_connection(shop: Server) -> None:
    key = make_key(shop.database, "gone", "scorer", now=NOW)
    wait_for(lambda: _status(shop, None) == 401)
    request = request_bytes(b'{"age": 3}', b"X-API-Key: " + key.encode())
    with socket.create_connection(("127.0.0.1", shop.client.base_url.port), timeout=60) as connection:
        stream = connection.makefile("rb")

        def status() -> int:
            connection.sendall(request)
            return read_response(stream)[0]

        assert [status() for _ in range(4)] == [200] * 4
        revoke_key(shop.database, list_keys(shop.database)[0].id, now=NOW)
        wait_for(lambda: status() == 401)


def test_a_key_is_found_by_the_name_that_only_it_has(database: Database) -> None:
    text = make_key(database, "shop front", "scorer", now=NOW)
    first = find_key(database, "shop front", now=NOW)
    assert text.startswith(f"tl_{first}_")
    assert find_key(database, first, now=NOW) == first
    rotate_key(database, first, now=NOW, overlap=timedelta(days=7), by=KeyDecision("ann", "quarter"))
    with pytest.raises(KeyNotFound, match=f"2 valid API keys have the name shop front: {first}, .* id of one"):
        find_key(database, "shop front", now=NOW)
    assert find_key(database, "shop front", now=NOW + timedelta(days=8)) != first
    with pytest.raises(KeyNotFound, match="no valid API key shop back"):
        find_key(database, "shop back", now=NOW)


def test_only_a_hash_is_kept(shop: Server) -> None:
    key = make_key(shop.database, "secret", "viewer", now=NOW)
    with shop.database.connect() as connection:
        row = connection.execute(sa.select(api_keys)).mappings().one()
    assert key.split("_", 2)[2] not in str(dict(row))


def test_another_address_than_loopback_needs_a_key(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    with pytest.raises(KeyRequired, match=r"listen on 0\.0\.0\.0"), a_server(tmp_path, Shelf(), host="0.0.0.0"):
        pass
    make_key(database, "first", "admin", now=NOW)
    with a_server(tmp_path, Shelf.of(a_release()), host="0.0.0.0") as server:
        assert _status(server, None) == 401


def test_a_key_has_a_rate_and_is_told_when_to_come_back(tmp_path: Path) -> None:
    # Twice the rate at once; the next token takes 17 minutes, so that no machine is too slow to be refused.
    with a_server(
        tmp_path, Shelf.of(a_release()), limits=Limits(requests_per_second=0.001, lag_seconds=60.0)
    ) as server:
        answers = [server.client.post("/predict", json=ROW) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert 900 < int(answers[-1].headers["retry-after"]) <= 1000


def test_a_rate_lets_twice_its_requests_of_a_second_come_at_once() -> None:
    buckets = Buckets(2)
    for _ in range(4):
        buckets.take("k")
    with pytest.raises(RateLimited):
        [buckets.take("k") for _ in range(10**6)]  # no machine is so slow that a token comes for each turn


def test_a_server_that_lags_sends_new_requests_away(shop: Server) -> None:
    def ask_while_it_lags() -> httpx.Response | None:
        shop.serving.lag_seconds = 900.0  # until it measures again
        answer = shop.client.post("/predict", json=ROW)
        return answer if answer.status_code == 503 else None

    assert wait_for(ask_while_it_lags).headers["retry-after"] == "1"
    wait_for(lambda: _status(shop, None) == 200)


@pytest.mark.parametrize("limits", [{"in_flight": -1}, {"lag_seconds": -1.0}])
def test_a_busy_server_says_so_to_holders_of_a_key_and_is_monitored(shop: Server, limits: dict[str, float]) -> None:
    viewer = make_key(shop.database, "prometheus", "viewer", now=NOW)
    scorer = make_key(shop.database, "shop front", "scorer", now=NOW)
    wait_for(lambda: _status(shop, None) == 401)
    shop.serving.limits = replace(shop.serving.limits, **limits)

    def statuses(key: str | None) -> list[int]:
        headers = {"X-API-Key": key} if key else {}
        paths = ("/healthz", "/readyz", "/health", "/metrics", "/model-info")
        found = [shop.client.get(path, headers=headers).status_code for path in paths]
        return [*found, _status(shop, key), _status(shop, key, "/outcomes")]

    assert statuses(None) == [200, 200, 401, 401, 401, 401, 401]
    assert statuses(viewer[:-1] + "!") == statuses(None)
    assert statuses(viewer) == [200, 200, 200, 200, 503, 403, 403]
    assert statuses(scorer) == [200, 200, 200, 200, 503, 503, 503]


@pytest.mark.parametrize("header", ["X-Correlation-ID", "X-Request-ID"])
def test_a_client_cannot_hide_its_predictions_as_probes(shop: Server, header: str) -> None:
    scorer = make_key(shop.database, "shop front", "scorer", now=NOW)
    operator = make_key(shop.database, "scheduler", "operator", now=NOW)
    wait_for(lambda: (_status(shop, None), _status(shop, operator)) == (401, 200))
    statuses = [_status(shop, key, **{header: PROBE_ID}) for key in (scorer, operator, None)]
    assert statuses == [403, 200, 401]
    assert _status(shop, scorer) == 200

    log = sa.select(predictions.c.correlation_id, predictions.c.role).order_by(predictions.c.prediction_id)

    def newest() -> list[tuple[str, str]]:
        with shop.database.connect() as connection:
            return [(row.correlation_id, row.role) for row in connection.execute(log)][-2:]

    wait_for(lambda: [role for _, role in newest()] == ["probe", "answer"])
    assert newest()[0][0] == PROBE_ID


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),  # a name that was pointed at this machine
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "https://evil.example", "Content-Type": "text/plain"}, 403),
        ({"Origin": "null", "Content-Type": "text/plain"}, 403),
        ({"Origin": "http://[", "Content-Type": "text/plain"}, 403),
        ({"Origin": "https://ours.example"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/outcomes"])
def test_a_page_of_another_site_has_nothing_sent_while_requests_are_open(
    tmp_path: Path, path: str, headers: dict[str, str], status: int
) -> None:
    body = ROW if path == "/predict" else {"example_id": "e", "label": "yes"}
    limits = Limits(poll_seconds=0.01, lag_seconds=60.0, origins=("https://ours.example",))
    with a_server(tmp_path, Shelf.of(a_release()), limits=limits) as server:
        response = server.client.post(
            path, content=json.dumps(body), headers={"Content-Type": "application/json", **headers}
        )
    assert response.status_code == status, response.text
    if status == 403:
        assert response.json()["title"] == "Requests of other sites are refused"


def test_every_origin_may_be_allowed(tmp_path: Path) -> None:
    limits = Limits(poll_seconds=0.01, lag_seconds=60.0, origins=("*",))
    with a_server(tmp_path, Shelf.of(a_release()), limits=limits) as server:
        response = server.client.post("/predict", json=ROW, headers={"Origin": "https://any.example"})
    assert response.status_code == 200


@pytest.mark.parametrize("at", ["2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_label_that_is_known_only_in_the_future_is_refused(shop: Server, at: str) -> None:
    body = {"example_id": "e", "label": "yes", "label_timestamp": at}
    response = shop.client.post("/outcomes", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == "label_timestamp"


def test_a_corrected_time_of_a_label_is_a_correction(shop: Server) -> None:
    def send(at: str) -> str:
        body = {"example_id": "e", "label": "yes", "label_timestamp": at}
        response = shop.client.post("/outcomes", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["outcomes"][0]["status"])

    assert [send(at) for at in ("2009-01-01T00:00:00Z", "2009-01-01T00:00:00Z", "2009-01-02T00:00:00Z")] == [
        "recorded",
        "unchanged",
        "corrected",
    ]


def test_a_client_that_hangs_up_leaves_nothing_behind(shop: Server) -> None:
    address = shop.client.base_url
    with socket.create_connection((address.host, address.port)) as half:
        half.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        wait_for(lambda: shop.serving.in_flight == 1)
    wait_for(lambda: shop.serving.in_flight == 0)
    assert 'status="499"' in shop.client.get("/metrics").text


def test_a_body_that_never_comes_is_given_up(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release()), limits=Limits(body_seconds=0.05, lag_seconds=60.0)) as server:
        address = server.client.base_url
        with socket.create_connection((address.host, address.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            assert b" 408 " in slow.recv(1000)


def test_requests_that_wait_together_are_one_call() -> None:
    calls: list[int] = []

    def double(batch: Sequence[int]) -> list[int]:
        calls.append(len(batch))
        return [2 * one for one in batch]

    async def ask_many() -> list[int]:
        batcher: Batcher[int, int] = Batcher(double)
        found = await asyncio.gather(*[batcher.submit(n) for n in range(20)])
        batcher.close()
        return found

    assert asyncio.run(ask_many()) == [2 * n for n in range(20)]
    assert len(calls) < 20


def test_a_failed_batch_fails_its_requests_and_no_later_one() -> None:
    def fail_on_zero(batch: Sequence[int]) -> list[int]:
        return [1 // one for one in batch]

    async def ask_both() -> tuple[bool, int]:
        batcher: Batcher[int, int] = Batcher(fail_on_zero)
        with pytest.raises(ZeroDivisionError):
            await batcher.submit(0)
        later = await batcher.submit(1)
        batcher.close()
        return True, later

    assert asyncio.run(ask_both()) == (True, 1)


def test_requests_that_wait_while_a_release_is_swapped_are_answered() -> None:
    """A swap closes the batcher of the release before, while some requests wait and others are on their way to it."""
    started, finish = threading.Event(), threading.Event()

    def slow(batch: Sequence[int]) -> list[int]:
        started.set()
        assert finish.wait(120)
        return [2 * one for one in batch]

    async def swap() -> list[int]:
        batcher: Batcher[int, int] = Batcher(slow, most=1)
        requests = [asyncio.ensure_future(batcher.submit(n)) for n in range(3)]
        await asyncio.to_thread(started.wait, 120)
        batcher.close()
        late = asyncio.ensure_future(batcher.submit(3))
        finish.set()
        return await asyncio.wait_for(asyncio.gather(*requests, late), 120)

    assert asyncio.run(swap()) == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({b"traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"}, "a" * 32),
        ({b"traceparent": b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01"}, None),
        ({b"traceparent": b"ff-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"}, None),
        ({b"traceparent": b"nonsense"}, None),
        ({b"x-request-id": b"r1", b"traceparent": b"nonsense"}, "r1"),
        ({b"x-correlation-id": b"line\r\nbreak"}, None),
        ({b"x-correlation-id": b"x" * 129}, None),
    ],
)
def test_the_correlation_id_is_the_callers_or_its_trace(given: dict[bytes, bytes], expected: str | None) -> None:
    assert correlation_of(given) == expected
    context = trace_context(given)
    assert context is None or context.parent_id == "b" * 16


def test_a_request_is_a_span_of_the_callers_trace(tmp_path: Path) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from touchline.serving.telemetry.open_telemetry import OpenTelemetry

    spans = InMemorySpanExporter()
    tracer = OpenTelemetry(spans)
    with a_server(tmp_path, Shelf.of(a_release()), tracer=tracer) as server:
        trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        answer = server.client.post("/predict", json=ROW, headers=trace)
        assert answer.headers["x-correlation-id"] == "a" * 32
        server.client.get("/model-info")
    tracer.close()
    found = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == {"/predict", "/model-info"}
    span = found["/predict"]
    assert span.context is not None
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (int("a" * 32, 16), int("b" * 16, 16))
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
    }


def test_traces_are_kept_only_where_the_environment_asks_for_them() -> None:
    assert tracer_from_environment({}) is None
    assert tracer_from_environment({"OTEL_TRACES_EXPORTER": "none"}) is None
    with pytest.raises(MissingDependency, match="Traces by nowhere"):
        tracer_from_environment({"OTEL_TRACES_EXPORTER": "nowhere"})


def test_a_log_line_is_a_document_with_the_facts_of_its_request() -> None:
    record = logging.LogRecord("touchline.access", logging.WARNING, "", 1, "%s failed", ("POST",), None)
    record.facts = {"status": 503, "correlation_id": "order-7"}
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["message"], line["status"]) == ("WARNING", "POST failed", 503)
    assert line["at"].endswith("Z")
    assert Words("%(message)s").format(record) == "POST failed  status=503  correlation_id=order-7"
    record.msg, record.args, record.facts = "GET %s", ("/a\nERROR é",), {"path": "/a\r\nERROR"}
    assert Words("%(message)s").format(record) == "GET /a\\nERROR é  path=/a\\r\\nERROR"
    for form in ("text", "json"):
        assert log_config("info", form)["loggers"]["touchline"]["level"] == "INFO"


def test_one_sentence_does_not_fill_the_log(shop: Server) -> None:
    front = Front(shop.client, shop.serving, Admission(shop.serving, KeyRing(shop.database, is_open=True)))  # type: ignore[arg-type]  # passes nothing on
    written = sum(front._may_write_down() for _ in range(1000))
    assert 20 <= written <= 60  # a second or two, on a busy machine three
