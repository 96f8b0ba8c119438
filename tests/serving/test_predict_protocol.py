"""A prediction that is answered within uvicorn's protocol gets the response that it gets through ASGI."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.serving.builders import FAST_LOG, NOW, Shelf, a_database, a_release, drain_here, wait_for
from touchline.clock import FrozenClock
from touchline.serving import Limits, ServedProject, ServerOptions, create_app
from touchline.serving.http.predict_protocol import PredictProtocol

_KEEP_ALIVE_SECONDS = 1
_ROW = b'{"age": 40, "colour": "red"}'
_BODIES = [
    _ROW,
    b'{"age": 40}',
    b'{"age": 40, "colour": "gr\\u00fcn"}',
    b'{"age": 140}',
    b'{"age": 1, "age": 2}',
    b'{"age": NaN}',
    b'{"age": 40, "shoe": 1}',
    b'{"age": 40, "cutoff": "2009-04-15T13:30:00Z"}',
    b'{"age": 40, "cutoff": "yesterday"}',
    b"[" + _ROW + b"," + _ROW + b"]",
    b"{",
    b"",
    b'{"age": 40, "colour": "' + b"r" * 20_000 + b'"}',
]


class Counted(PredictProtocol):
    """Counts the requests that take uvicorn's way."""

    passed_on = 0

    def _begin_cycle(self) -> None:
        Counted.passed_on += 1
        super()._begin_cycle()


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """One application behind both protocols: ours, then uvicorn's own."""
    folder: Path = tmp_path_factory.mktemp("protocol")
    database = a_database(folder)
    project = ServedProject("shop", Shelf({"a": a_release()}, "a"), FrozenClock(NOW))
    options = ServerOptions(Limits(poll_seconds=0.05, lag_seconds=60.0), FAST_LOG, drains=drain_here)
    app = create_app([project], database=database, spool=folder / "spool", options=options)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    servers, threads = [], []
    for listener, protocol in zip(listeners, (Counted, HttpToolsProtocol), strict=True):
        lifespan: Any = "on" if not servers else "off"
        config = uvicorn.Config(
            app, http=protocol, lifespan=lifespan, log_level="error", timeout_keep_alive=_KEEP_ALIVE_SECONDS
        )
        servers.append(uvicorn.Server(config))
        threads.append(Thread(target=servers[-1].run, kwargs={"sockets": [listener]}))
        threads[-1].start()
        wait_for(lambda: servers[-1].started)
    yield listeners[0].getsockname()[1], listeners[1].getsockname()[1]
    for server, thread in zip(reversed(servers), reversed(threads), strict=True):
        server.should_exit = True
        thread.join()
    database.close()


def _request(body: bytes, *headers: bytes, path: bytes = b"/predict", version: bytes = b"1.1") -> bytes:
    lines = [b"POST %s HTTP/%s" % (path, version), b"Host: localhost", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def _responses(port: int, packets: list[bytes], count: int = 1) -> list[tuple[int, dict[str, str], Any]]:
    """The responses to bytes that are sent packet by packet: status, headers and document without what is random."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
        stream = connection.makefile("rb")
        return [_response(stream) for _ in range(count)]


def _response(stream: Any) -> tuple[int, dict[str, str], Any]:
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    if status == 100:
        return status, headers, None
    document = stream.read(int(headers["content-length"])).decode()
    for name in ("date", "x-correlation-id", "content-length"):
        assert headers.pop(name)
    return status, headers, json.loads(re.sub('"(prediction_id|correlation_id)":"[^"]*"', '"id":""', document))


@pytest.mark.parametrize(("body", "passed_on"), [(_ROW, 0), (b'{"age": 140}', 0), (b"[%s]" % _ROW, 1)])
def test_a_single_row_makes_no_asgi_call(ports: tuple[int, int], body: bytes, passed_on: int) -> None:
    before = Counted.passed_on
    _responses(ports[0], [_request(body)])
    assert Counted.passed_on - before == passed_on


@pytest.mark.parametrize("body", _BODIES)
def test_both_ways_give_the_same_response(ports: tuple[int, int], body: bytes) -> None:
    ours, theirs = (_responses(port, [_request(body)]) for port in ports)
    assert ours == theirs


@pytest.mark.parametrize(
    "headers",
    [(b"Origin: https://evil.example",), (b"Connection: close",), (b"X-Correlation-ID: mine", b"X-Api-Key: none")],
)
def test_headers_have_the_same_effect_on_both_ways(ports: tuple[int, int], headers: tuple[bytes, ...]) -> None:
    ours, theirs = (_responses(port, [_request(_ROW, *headers)]) for port in ports)
    assert ours == theirs


def test_a_request_may_arrive_in_any_packets(ports: tuple[int, int]) -> None:
    request = _request(_ROW)
    head = request[: -len(_ROW)]
    whole = _responses(ports[0], [request])
    assert whole[0][0] == 200
    assert _responses(ports[0], [head, _ROW]) == whole
    assert _responses(ports[0], [bytes([byte]) for byte in request]) == whole
    chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [chunked, b"5\r\n%s\r\n" % _ROW[:5], b"%x\r\n%s\r\n0\r\n\r\n" % (len(_ROW) - 5, _ROW[5:])]
    assert _responses(ports[0], parts) == whole


def test_a_late_body_is_read_by_uvicorn(ports: tuple[int, int]) -> None:
    request = _request(_ROW)
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=20) as connection:
        connection.sendall(request[:-5])
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(20)
        connection.sendall(request[-5:])
        assert _response(connection.makefile("rb"))[0] == 200


def test_pipelined_requests_are_answered_in_their_order(ports: tuple[int, int]) -> None:
    probe = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    packet = _request(_ROW) + probe + _request(b'{"age": 999}') + probe + _request(b"[%s]" % _ROW) + _request(_ROW)
    for port in ports:
        found = _responses(port, [packet], count=6)
        assert [status for status, _, _ in found] == [200, 200, 422, 200, 200, 200]
        assert "predictions" in found[4][2]
        assert "probabilities" in found[5][2]


def test_a_client_that_waits_for_permission_gets_it(ports: tuple[int, int]) -> None:
    request = _request(_ROW, b"Expect: 100-continue")
    head = request[: -len(_ROW)]
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(head)
            stream = connection.makefile("rb")
            assert _response(stream)[0] == 100
            connection.sendall(_ROW)
            assert _response(stream)[0] == 200


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(ports: tuple[int, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=20) as connection:
        stream = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(_request(_ROW))
            assert _response(stream)[0] == 200
        assert stream.read(1) == b""
