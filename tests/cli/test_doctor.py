"""`touchline doctor` as a playbook: what an operator sees of a fault, why it is one, and the next command."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.cli.served_rows import rows_of, serve
from touchline.cli.opening import open_project
from touchline.cli.processes.playbooks import disk_result, unwritable_home
from touchline.storage import find_lock

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The shop, trained and in Production, its visits from a server on loopback that can refuse."""
    with a_shop(tmp_path_factory.mktemp("shop")) as cli, an_origin(cli.place / "visits.csv") as url:
        edit(cli, 'CsvFiles("visits.csv")', f'HttpTable("{url}/visits.csv", retries=1, backoff_seconds=0.01)')
        edit(cli, "import CsvFiles", "import HttpTable\nfrom touchline.monitoring import Drift, Monitoring")
        edit(cli, "    clock=", "    monitoring=Monitoring(drift=Drift(windows=1)),\n    clock=")
        cli.run("train")
        yield cli


@contextmanager
def an_origin(table: Path) -> Iterator[str]:
    """A server that gives the file, or answers 429 while there is none."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = table.read_bytes() if table.exists() else b""
            self.send_response(200 if content else 429)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def edit(cli: Cli, old: str, new: str) -> None:
    project = cli.place / "projects" / "shop" / "project.py"
    text = project.read_text()
    assert old in text
    project.write_text(text.replace(old, new))


def findings(cli: Cli, *, code: int = 0) -> dict[str, tuple[str, str]]:
    """The mark and the text of each finding about the shop, by its subject."""
    found = cli.json("doctor", code=code)
    return {one["what"].removeprefix("shop: "): (one["mark"], one["actual"]) for one in found}


def test_a_sound_project_has_no_symptom(shop: Cli) -> None:
    found = findings(shop)
    assert not {"predictions", "release", "source visits"} & found.keys()
    assert "wrong" not in {mark for mark, _ in found.values()}
    [unknown] = [one for one in shop.json("doctor", "-p", "shopp", code=1) if one["what"] == "projects"]
    assert (unknown["mark"], "shopp" in unknown["actual"]) == ("wrong", True)


def test_predictions_suddenly_bad(shop: Cli) -> None:
    """The answers of twenty days come in with outcomes that contradict them."""
    opened = open_project("shop")
    vectors, labels = rows_of(opened, yes=150, no=150)
    serve(opened, vectors, 1 - labels, settled=300)
    shop.run("monitor", "performance")
    mark, text = findings(shop, code=1)["predictions"]
    assert mark == "wrong"
    assert "Loss incident since about 2024-05-1" in text
    assert text.endswith("Next: touchline monitor cause -p shop")
    assert "log_loss" in shop.run("monitor", "cause")
    serve(opened, vectors, labels, settled=300)
    shop.run("monitor", "performance")


def test_feature_drift_detected(shop: Cli) -> None:
    """The answers of the newest days are about customers who spend three times as much."""
    opened = open_project("shop")
    vectors, labels = rows_of(opened, yes=200, no=200)
    serve(opened, np.asarray(vectors * 3), labels)
    shop.run("monitor", "drift")
    mark, text = findings(shop)["drift"]
    assert mark == "note"
    assert "usual" in text
    assert "Drift alone is no loss" in text
    assert text.endswith("Next: touchline monitor drift -p shop")


def test_api_rate_limit_hit(shop: Cli) -> None:
    """The source answers 429: the last rows stay, and the finding says who refused and what to do."""
    table = shop.place / "visits.csv"
    away = table.rename(table.with_suffix(".away"))
    before = shop.json("models", "list")
    shop.run("ingest")
    mark, text = findings(shop, code=1)["source visits"]
    away.rename(table)
    assert mark == "wrong"
    assert "it answered 429" in text
    assert text.endswith("Next: touchline ingest visits -p shop")
    assert shop.json("models", "list") == before
    shop.run("ingest")
    assert "source visits" not in findings(shop)


def test_a_locked_database_names_its_holder(shop: Cli) -> None:
    file = shop.place / "home" / "touchline.db"
    assert find_lock(file) is None
    with subprocess.Popen([sys.executable, "-c", LOCK, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        mark, text = findings(shop, code=1)["database"]
        holder.communicate()
    assert mark == "wrong"
    assert f"locked by process {holder.pid} (" in text
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("BEGIN IMMEDIATE")


def test_a_full_disk_says_what_stops_and_what_frees_space() -> None:
    assert [disk_result(Path("/h"), free).mark for free in (10**10, 10**8, 10**6)] == ["ok", "note", "wrong"]
    text = disk_result(Path("/h"), 10**6).actual
    assert "the disk is full (1 MB free): nothing can be ingested, trained or logged" in text
    assert "touchline data prune" in text


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOSPC, "No space left on device; delete or move something else first"),
        (errno.EDQUOT, "quota exceeded; delete or move something else first"),
        (errno.EACCES, "Permission denied; set TOUCHLINE_HOME to a writable folder"),
    ],
)
def test_a_home_that_takes_no_byte_has_the_step_of_its_cause(number: int, step: str) -> None:
    result = unwritable_home(Path("/h"), OSError(number, os.strerror(number)))
    assert result.mark == "wrong"
    assert step in result.actual
