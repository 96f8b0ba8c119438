"""What doctor says of an MLflow server, by the answer that it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from touchline.cli.opening import Home
from touchline.cli.processes.backend_checks import database_checks
from touchline.settings import Settings


@contextmanager
def a_server_that_answers(status: int, media_type: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "media_type", "mark", "text"),
    [
        (200, "application/json", "ok", "http://127.0.0.1"),
        (401, "application/json", "wrong", "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (200, "text/html", "wrong", "whether the address is that of an MLflow server"),
        (503, "application/json", "wrong", "answers 503. Look into its log"),
    ],
)
def test_an_mlflow_server_is_judged_by_its_answer(
    home: Path, status: int, media_type: str, mark: str, text: str
) -> None:
    with a_server_that_answers(status, media_type) as url:
        opened = Home(Settings.model_validate({"home": home, "mlflow_tracking_uri": url}), home.parent)
        database, mlflow = database_checks(opened)
        opened.database.close()
    assert (database.mark, mlflow.mark) == ("ok", mark)
    assert text in mlflow.actual
