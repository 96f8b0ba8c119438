"""Two replicas, each a process with a home of its own, behind a proxy; they share PostgreSQL, Redis and the objects."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from tests.serving.builders import wait_for
from tests.serving.bundles import Registry, a_model, a_stats_view, looked_up, write_stats
from tests.serving.server_process import a_process
from touchline.features import open_online_store
from touchline.storage.tables import predictions

pytestmark = pytest.mark.services


class _ToNextReplica(socketserver.BaseRequestHandler):
    """One connection of a client, all of it with one replica."""

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", next(self.server.turns))) as replica:  # type: ignore[attr-defined]
            back = threading.Thread(target=_copy, args=(replica, self.request))
            back.start()
            _copy(self.request, replica)
            back.join()


@contextmanager
def a_proxy(addresses: Sequence[str]) -> Iterator[str]:
    """The address of a proxy that gives each connection to the next replica."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _ToNextReplica) as server:
        server.turns = cycle(urlsplit(address).port for address in addresses)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _copy(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while data := here.recv(65536):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)


def _ask(address: str) -> tuple[int, str]:
    """The version that answers over a new connection, and the id of the prediction."""
    answer = httpx.post(f"{address}/predict", json={"customer_id": "c1"}, timeout=120).raise_for_status().json()
    return answer["version"], answer["prediction_id"]


def test_a_promotion_reaches_every_replica_and_each_answer_is_logged(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    registry = Registry.open(tmp_path, url=postgres_url)
    models = [looked_up(a_model(seed=version)) for version in (1, 2)]
    views = (a_stats_view(models[0].columns),)
    example = {"customer_id": "c1"}
    ids = [registry.keep(at, model, example=example, views=views) for at, model in enumerate(models, start=1)]
    registry.promote(1, ids[0])
    store = open_online_store("redis", redis_url)
    write_stats(store, models[0].columns)
    homes = [tmp_path / name for name in ("first", "second")]
    where = {"database": postgres_url, "redis": redis_url, "objects": str(tmp_path / "objects")}
    with ExitStack() as stack:
        for home in homes:
            home.mkdir()
        replicas = [stack.enter_context(a_process(home, **where)) for home in homes]
        proxy = stack.enter_context(a_proxy([one.address for one in replicas]))
        answers = [_ask(proxy) for _ in range(10)]
        assert {version for version, _ in answers} == {1}
        registry.promote(2, ids[1])
        wait_for(lambda: {_ask(one.address)[0] for one in replicas} == {2})
        answers += [_ask(proxy) for _ in range(10)]
        assert {version for version, _ in answers[10:]} == {2}
        expected = {found for _, found in answers}
        wait_for(lambda: expected <= _logged(registry))
        assert all(list((home / "spool").iterdir()) for home in homes)  # both had their share
    store.close()
    registry.database.close()


def _logged(registry: Registry) -> set[str]:
    with registry.database.connect() as connection:
        return set(connection.scalars(sa.select(predictions.c.prediction_id)))
