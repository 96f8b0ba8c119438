"""Several API processes behind one port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Cli
from tests.servers import spare_port
from tests.serving.builders import on_loopback, wait_for
from touchline.cli.opening import open_home
from touchline.cli.processes.server import api_app
from touchline.cli.server_client import request_json


@pytest.mark.services
def test_two_workers_answer_on_one_port_and_end_when_asked(cli: Cli) -> None:
    port = spare_port()
    command = [sys.executable, "-m", "touchline.cli.main", "serve", "--port", str(port), "--workers", "2"]
    with subprocess.Popen(
        command, cwd=cli.place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, server)
            answers = [request_json(f"{url}/predict", body={"customer": "c11"}) for _ in range(20)]
            assert len({answer["prediction_id"] for answer in answers}) == 20
            # Whichever worker is asked tells of both: ten times in a row, each over a connection of its own.
            wait_for(lambda: all(_predictions(url) == 20 for _ in range(10)), seconds=240)
        finally:
            os.kill(server.pid, signal.SIGTERM)
            printed, _ = server.communicate(timeout=240)
    assert printed.count("Started server process") == 2, printed


@pytest.mark.services
def test_no_count_is_lost_or_goes_back_while_a_worker_ends_and_another_takes_its_place(cli: Cli) -> None:
    port = spare_port()
    command = [sys.executable, "-m", "touchline.cli.main", "serve", "--port", str(port), "--workers", "2"]
    with subprocess.Popen(command, cwd=cli.place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, server)
            answered, scraped = 0, [_predictions(url)]
            for _ in range(2):
                answered += _ask(url, 15)
                first = _workers(server.pid)
                os.kill(first[0], signal.SIGTERM)
                answered += _ask(url, 15)
                scraped.append(_predictions(url))
                wait_for(lambda ended=first[0]: ended not in _workers(server.pid), seconds=240)
                wait_for(lambda: len(_workers(server.pid)) == 2, seconds=240)
                _wait_until_ready(url, server)
                scraped += [_predictions(url) for _ in range(5)]
            answered += _ask(url, 10)
            wait_for(lambda: scraped.append(_predictions(url)) or scraped[-1] >= answered, seconds=240)
            scraped += [_predictions(url) for _ in range(10)]
            assert scraped == sorted(scraped)
            assert set(scraped[-10:]) == {answered}
        finally:
            os.kill(server.pid, signal.SIGTERM)
            server.wait(timeout=240)


def _ask(url: str, count: int) -> int:
    """Ask over new connections; the number of answers. A worker that ends may refuse some."""
    answered = 0
    for _ in range(count):
        with suppress(httpx.TransportError):
            answered += httpx.post(f"{url}/predict", json={"customer": "c11"}, timeout=120).status_code == 200
    return answered


def _workers(pid: int) -> list[int]:
    """The children of the server that serve: each listens; a helper of Python's own does not."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in _command_line(child)]


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.services
def test_workers_end_when_the_process_that_started_them_is_killed(cli: Cli) -> None:
    port = spare_port()
    command = [sys.executable, "-m", "touchline.cli.main", "serve", "--port", str(port), "--workers", "2"]
    with subprocess.Popen(command, cwd=cli.place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        _wait_until_ready(f"http://127.0.0.1:{port}", server)
        server.kill()
        server.wait(timeout=240)
    wait_for(lambda: _is_free(port), seconds=240)


@pytest.mark.services
def test_browsers_may_ask_from_the_origins_that_are_set(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHLINE_CORS_ORIGINS", "https://dashboard.example")
    app = api_app(open_home(), [cli.place / "projects" / "shop"], "127.0.0.1", only_serving=True)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        for origin, status in [("https://dashboard.example", 200), ("https://elsewhere.example", 400)]:
            assert client.options("/predict", headers={"Origin": origin, **asked}).status_code == status
        answer = client.post("/predict", json={"customer": "c11"}, headers={"Origin": "https://dashboard.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://dashboard.example")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _predictions(url: str) -> float:
    response: list[httpx.Response] = []

    def is_read() -> bool:
        with suppress(httpx.TransportError):  # a worker that ends has closed the connection
            response.append(httpx.get(f"{url}/metrics", timeout=120))
        return bool(response)

    wait_for(is_read)
    lines = response[0].text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("touchline_predictions_total"))


def _wait_until_ready(url: str, server: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the server did not become ready")
