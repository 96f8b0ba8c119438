"""A server reads its journal at once where a command asks for it, with a key and without."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving.builders import NOW, Shelf, a_release, a_server, wait_for
from touchline.cli.opening import Home
from touchline.cli.processes.probe import request_look
from touchline.http.api_keys import make_key
from touchline.serving.http.state import Limits
from touchline.settings import Settings


@pytest.mark.parametrize("needs_key", [False, True])
def test_a_command_has_the_server_look_at_once(tmp_path: Path, needs_key: bool) -> None:
    shelf = Shelf.of(a_release(1), a_release(2))
    with a_server(tmp_path, shelf, limits=Limits(poll_seconds=3600.0, lag_seconds=60.0)) as server:
        slot = server.serving.slots["shop"]
        wait_for(lambda: slot.current)
        key = make_key(server.database, "ops", "viewer", now=NOW) if needs_key else None
        server.serving.keys.read_again()
        shelf.promote("shop-2-d2")
        port = urlsplit(str(server.client.base_url)).port
        request_look(Home(Settings(home=tmp_path / "home", port=port, api_key=key), tmp_path))
        wait_for(lambda: slot.current is not None and slot.current.release.id == "shop-2-d2", seconds=60)


def test_where_no_server_runs_nothing_is_raised(tmp_path: Path) -> None:
    request_look(Home(Settings(home=tmp_path / "home", port=1), tmp_path))
