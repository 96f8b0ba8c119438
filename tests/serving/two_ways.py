"""One application behind two protocols: ours, which answers a prediction at once, and uvicorn's own."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.databases import a_database
from tests.serving.builders import FAST_LOG, NOW, Shelf, drain_here, wait_for
from touchline.clock import FrozenClock
from touchline.serving import Limits, ServedProject, ServerOptions, create_app
from touchline.serving.http.predict_protocol import PredictProtocol
from touchline.storage import Database

KEEP_ALIVE_SECONDS = 1

Response = tuple[int, dict[str, str], Any]


class Counted(PredictProtocol):
    """Counts the requests that take uvicorn's way, and those whose head was known."""

    passed_on = 0
    known_heads = 0

    def _answer_known(self, data: bytes) -> bool:
        is_answered = super()._answer_known(data)
        Counted.known_heads += is_answered
        return is_answered

    def _begin_cycle(self) -> None:
        Counted.passed_on += 1
        super()._begin_cycle()


@dataclass(frozen=True)
class TwoWays:
    """The ports of the two protocols, and the database that both log to."""

    at_once: int
    by_asgi: int
    database: Database

    @property
    def ports(self) -> tuple[int, int]:
        return self.at_once, self.by_asgi


@contextmanager
def two_ways(folder: Path, shelf: Shelf) -> Iterator[TwoWays]:
    """One application behind both protocols."""
    database = a_database(folder)
    project = ServedProject("shop", shelf, FrozenClock(NOW))
    options = ServerOptions(Limits(poll_seconds=0.05, lag_seconds=60.0), FAST_LOG, drains=drain_here)
    app = create_app([project], database=database, spool=folder / "spool", options=options)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    servers, threads = [], []
    for listener, protocol in zip(listeners, (Counted, HttpToolsProtocol), strict=True):
        lifespan: Any = "on" if not servers else "off"
        config = uvicorn.Config(
            app, http=protocol, lifespan=lifespan, log_level="error", timeout_keep_alive=KEEP_ALIVE_SECONDS
        )
        servers.append(uvicorn.Server(config))
        threads.append(Thread(target=servers[-1].run, kwargs={"sockets": [listener]}))
        threads[-1].start()
        wait_for(lambda: servers[-1].started)
    yield TwoWays(listeners[0].getsockname()[1], listeners[1].getsockname()[1], database)
    for server, thread in zip(reversed(servers), reversed(threads), strict=True):
        server.should_exit = True
        thread.join()
    database.close()


def request_bytes(body: bytes, *headers: bytes, path: bytes = b"/predict", version: bytes = b"1.1") -> bytes:
    lines = [b"POST %s HTTP/%s" % (path, version), b"Host: localhost", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def responses(port: int, packets: list[bytes], count: int = 1) -> list[Response]:
    """The responses to bytes that are sent packet by packet: status, headers and document without what is random."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
        stream = connection.makefile("rb")
        return [read_response(stream) for _ in range(count)]


def in_turn(port: int, requests: list[bytes]) -> list[Response]:
    """The responses to requests on one connection, each sent after the response to the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        stream = connection.makefile("rb")
        found = []
        for request in requests:
            connection.sendall(request)
            found.append(read_response(stream))
        return found


def read_response(stream: Any) -> Response:
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
