"""The command line as a client of a server that is busy."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from tests.serving.builders import Shelf, a_release, a_server, wait_for
from touchline.cli.server_client import request_json


def test_a_server_that_is_too_busy_is_asked_again(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        limits = server.serving.limits
        server.serving.limits = replace(limits, in_flight=-1)
        answers: list[int] = []
        url = f"{server.client.base_url}/predict"
        client = threading.Thread(target=lambda: answers.append(request_json(url, body={"age": 3})["version"]))
        client.start()
        wait_for(lambda: any(status == 503 for one in server.serving.meters for _, status in one.requests))
        server.serving.limits = limits
        client.join()
    assert answers == [1]
