"""A connection that sends no whole request head is closed, and no other is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest
import uvicorn

from tests.serving.builders import wait_for
from touchline.serving.http.connection_timeout import TimedProtocol

_SECONDS = 0.3


class Impatient(TimedProtocol):
    head_seconds = _SECONDS


async def _slow_app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body, then takes longer to answer than a head may take to arrive."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(2 * _SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    options = {"http": Impatient, "lifespan": "off", "log_level": "error", "timeout_keep_alive": 60}
    server = uvicorn.Server(uvicorn.Config(_slow_app, **options))  # type: ignore[arg-type]
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_for(lambda: server.started)
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join()


def _is_closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:  # closed while bytes were on their way
        return True


@contextmanager
def _answered(port: int, request: bytes) -> Iterator[socket.socket]:
    """A connection whose first request was answered. A machine that is busy can send its head too late: once more."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, suppress(ConnectionError):
            connection.sendall(request)
            if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                yield connection
                return
    pytest.fail("a request whose answer takes longer than its head may take was never answered")


@pytest.mark.parametrize("sent", [b"", b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-"])
def test_a_connection_without_a_whole_head_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        assert _is_closed(connection, 60)


def test_a_head_that_arrives_byte_by_byte_gains_no_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        # Four minutes of bytes, each of them soon after the one before.
        for _ in range(16_000):
            if _is_closed(connection, _SECONDS / 20):
                return
            with suppress(ConnectionError):
                connection.sendall(b"x")
        pytest.fail("the connection stays open while its head arrives")


def test_a_head_that_grows_for_ever_is_refused_and_a_large_body_is_not(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 2_000_000)
        connection.settimeout(60)
        received = b""
        with suppress(ConnectionError):  # closed while bytes were on their way
            while part := connection.recv(4096):
                received += part
        assert not received or received.startswith(b"HTTP/1.1 400")
    with _answered(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000):
        pass


def test_a_request_that_is_being_answered_and_an_idle_client_after_it_are_left_alone(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with _answered(port, request) as connection:
        connection.sendall(request)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert not _is_closed(connection, 2 * _SECONDS)  # uvicorn's own timeout holds for what comes between requests
        connection.sendall(request[:10])
        assert _is_closed(connection, 60)
