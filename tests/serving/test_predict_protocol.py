"""A prediction that is answered within uvicorn's protocol gets the response that it gets through ASGI."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.serving.builders import Shelf, a_release
from tests.serving.two_ways import Counted, in_turn, read_response, request_bytes, responses, two_ways

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


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of one application: behind our protocol, then behind uvicorn's own."""
    with two_ways(tmp_path_factory.mktemp("protocol"), Shelf({"a": a_release()}, "a")) as both:
        yield both.ports


@pytest.mark.parametrize(("body", "passed_on"), [(_ROW, 0), (b'{"age": 140}', 0), (b"[%s]" % _ROW, 1)])
def test_a_single_row_makes_no_asgi_call(ports: tuple[int, int], body: bytes, passed_on: int) -> None:
    before = Counted.passed_on
    responses(ports[0], [request_bytes(body)])
    assert Counted.passed_on - before == passed_on


@pytest.mark.parametrize("body", _BODIES)
def test_both_ways_give_the_sameread_response(ports: tuple[int, int], body: bytes) -> None:
    ours, theirs = (responses(port, [request_bytes(body)]) for port in ports)
    assert ours == theirs


@pytest.mark.parametrize(
    "headers",
    [(b"Origin: https://evil.example",), (b"Connection: close",), (b"X-Correlation-ID: mine", b"X-Api-Key: none")],
)
def test_headers_have_the_same_effect_on_both_ways(ports: tuple[int, int], headers: tuple[bytes, ...]) -> None:
    ours, theirs = (responses(port, [request_bytes(_ROW, *headers)]) for port in ports)
    assert ours == theirs


def test_a_request_may_arrive_in_any_packets(ports: tuple[int, int]) -> None:
    request = request_bytes(_ROW)
    head = request[: -len(_ROW)]
    whole = responses(ports[0], [request])
    assert whole[0][0] == 200
    assert responses(ports[0], [head, _ROW]) == whole
    assert responses(ports[0], [bytes([byte]) for byte in request]) == whole
    chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [chunked, b"5\r\n%s\r\n" % _ROW[:5], b"%x\r\n%s\r\n0\r\n\r\n" % (len(_ROW) - 5, _ROW[5:])]
    assert responses(ports[0], parts) == whole


def test_a_late_body_is_read_by_uvicorn(ports: tuple[int, int]) -> None:
    request = request_bytes(_ROW)
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=60) as connection:
        connection.sendall(request[:-5])
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(60)
        connection.sendall(request[-5:])
        assert read_response(connection.makefile("rb"))[0] == 200


def test_requests_with_a_known_head_get_the_same_responses(ports: tuple[int, int]) -> None:
    rows = [b'{"age": %d, "colour": "red"}' % age for age in (40, 41, 42, 43)]
    bodies = [*rows, b'{"age": 44, "colour":  1.5}', b'{"age": 45, "example_id":"x"}', rows[0]]
    requests = [request_bytes(body, b"X-Client: one") for body in bodies]
    before = Counted.known_heads
    ours, theirs = (in_turn(port, requests) for port in ports)
    assert ours == theirs
    assert [status for status, _, _ in ours[:4]] == [200] * 4
    # The first two are parsed: the second one follows an answer, so that its head is the packet's beginning.
    assert Counted.known_heads - before >= 2


def test_what_follows_a_known_head_is_read_as_http(ports: tuple[int, int]) -> None:
    request = request_bytes(_ROW, b"X-Client: two")
    cut = len(request) - 5
    probe = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        expected = [200]
        for packets in ([request], [request], [request], [request[:cut], request[cut:]], [request + probe], [request]):
            for packet in packets:
                connection.sendall(packet)
            found = [read_response(stream)[0] for _ in range(2 if probe in packets[-1] else 1)]
            assert found == expected * len(found)


def test_a_client_that_names_its_requests_gets_each_name_back(ports: tuple[int, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=60) as connection:
        stream = connection.makefile("rb")
        for name in (b"a1", b"a1", b"a1", b"b2"):
            connection.sendall(request_bytes(_ROW, b"X-Correlation-ID: " + name))
            lines = iter(stream.readline, b"\r\n")
            headers = dict(line.strip().lower().split(b": ", 1) for line in lines if b": " in line)
            assert headers[b"x-correlation-id"] == name
            stream.read(int(headers[b"content-length"]))


def test_pipelined_requests_are_answered_in_their_order(ports: tuple[int, int]) -> None:
    probe = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    packet = (
        request_bytes(_ROW)
        + probe
        + request_bytes(b'{"age": 999}')
        + probe
        + request_bytes(b"[%s]" % _ROW)
        + request_bytes(_ROW)
    )
    for port in ports:
        found = responses(port, [packet], count=6)
        assert [status for status, _, _ in found] == [200, 200, 422, 200, 200, 200]
        assert "predictions" in found[4][2]
        assert "probabilities" in found[5][2]


def test_a_client_that_waits_for_permission_gets_it(ports: tuple[int, int]) -> None:
    request = request_bytes(_ROW, b"Expect: 100-continue")
    head = request[: -len(_ROW)]
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head)
            stream = connection.makefile("rb")
            assert read_response(stream)[0] == 100
            connection.sendall(_ROW)
            assert read_response(stream)[0] == 200


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(ports: tuple[int, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=60) as connection:
        stream = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(request_bytes(_ROW))
            assert read_response(stream)[0] == 200
        assert stream.read(1) == b""
