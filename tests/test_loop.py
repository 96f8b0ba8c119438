"""The whole loop through the command line, as a person runs it: real processes, real ports, real kills."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from tests.cli.conftest import copy_of_trained
from tests.servers import spare_port
from tests.shop import write_shop
from tests.stores import with_tables
from touchline.cli.main import app
from touchline.clock import SystemClock
from touchline.predictions import OpenExampleRecords
from touchline.registry import Journal, load_release
from touchline.storage import Database
from touchline.storage.tables import manifests, model_versions, pipeline_steps, releases, snapshots


class Shop:
    """A checkout with the shop's project, its own home and its own ports."""

    def __init__(self, place: Path, *, is_fresh: bool = False) -> None:
        self.place, self.port = place, spare_port()
        if not (place / "projects").exists():
            write_shop(place)
        self.environment = {
            **os.environ,
            "TOUCHLINE_HOME": str(place / "home"),
            "TOUCHLINE_PORT": str(self.port),
            "TOUCHLINE_SCHEDULER": "false",  # what is due would be done beside the commands of a test
            "TOUCHLINE_MLFLOW_PORT": str(spare_port()),
        }
        if not is_fresh:  # MLflow's tables and its server take seconds each
            tables = with_tables(place / "home") / "mlflow.db"
            self.environment["TOUCHLINE_MLFLOW_TRACKING_URI"] = f"sqlite:///{tables}"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "touchline.cli.main"]

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints. One that starts processes or fails has a process, others spare the seconds of that."""
        if code or words[0] == "up":
            return self._in_a_process(*words, code=code)
        with chdir(self.place):
            done = CliRunner().invoke(app, words, env=self.environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def _in_a_process(self, *words: str, code: int) -> str:
        done = subprocess.run(
            [*self.command, *words], cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def ask(self, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        while True:
            answer = httpx.request("GET" if body is None else "POST", url, json=body, timeout=120)
            if answer.status_code != 503 or "retry-after" not in answer.headers:
                return answer.raise_for_status().json()
            time.sleep(int(answer.headers["retry-after"]))  # the machine is busy

    def next_visit(self, customer: str) -> str:
        database = self.database()
        found = OpenExampleRecords(database, "shop").read()
        database.close()
        return next(one.example_id for one in found if one.entity_keys["customer"] == customer)

    def database(self) -> Database:
        return Database.open(f"sqlite:///{self.place / 'home' / 'touchline.db'}")


@contextmanager
def a_shop(place: Path, *, is_fresh: bool = False) -> Iterator[Shop]:
    """The shop, whose processes end with the block."""
    shop = Shop(place, is_fresh=is_fresh)
    yield shop
    subprocess.run([*shop.command, "stop"], cwd=shop.place, env=shop.environment, capture_output=True, timeout=300)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
def trained_shop(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop with a version in Production."""
    with a_shop(copy_of_trained(tmp_path_factory, tmp_path / "shop")) as shop:
        yield shop


@pytest.fixture
def fresh_shop(tmp_path: Path) -> Iterator[Shop]:
    """The shop where nothing is made yet, with MLflow's server."""
    with a_shop(tmp_path, is_fresh=True) as shop:
        yield shop


def until(condition: Callable[[], Any], *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.03)


@pytest.mark.services
def test_from_a_file_to_an_answer_that_can_be_traced_replayed_and_settled(fresh_shop: Shop) -> None:
    shop = fresh_shop
    summary = shop.json("up")
    assert summary["projects"][0]["semantic_version"] == "1.0.0"
    visits = {customer: shop.next_visit(customer) for customer in ("c11", "c2")}
    asked = shop.ask("/predict", {"example_id": visits["c11"]})
    assert asked["probabilities"]["yes"] > 0.8
    assert shop.ask("/predict", {"example_id": visits["c2"]})["probabilities"]["yes"] < 0.2
    until(lambda: len(shop.json("outcomes", "-p", "shop")) == 3)

    chain = shop.json("trace", asked["prediction_id"], "-p", "shop")
    [file] = chain["sources"][0]["ingests"][0]["files"]
    assert file["sha256"] == sha256_of(shop.place / "visits.csv")
    assert shop.json("replay", "-p", "shop")["mismatches"] == []

    shop.run("clock", "advance", "2024-06-06", "-p", "shop")
    assert shop.json("ingest", "-p", "shop")["outcomes"]["settled"] == 50
    labels = {one["entity_keys"]["customer"]: one["label"] for one in shop.json("outcomes", "-p", "shop")}
    assert (labels["c11"], labels["c2"]) == ("yes", "no")
    assert shop.json("monitor", "drift", "-p", "shop")["state"] == "not_enough_data"
    assert "is not shown worse than that of Production version 1" in shop.run("train", "-p", "shop")


@pytest.mark.services
def test_a_second_up_reuses_everything(trained_shop: Shop) -> None:
    shop = trained_shop
    shop.run("up")
    before = counts(shop)
    assert shop.json("plan", "-p", "shop")["changes"] == []
    shop.run("up")
    assert counts(shop) == before

    # A start serves what is there: training a changed declaration is asked for.
    project = shop.place / "projects" / "shop" / "project.py"
    project.write_text(project.read_text().replace("rolling_mean(10", "rolling_mean(3"))
    shop.run("up")
    assert counts(shop) == before


@pytest.mark.services
def test_a_project_that_its_gate_refuses_keeps_no_other_from_being_served(trained_shop: Shop) -> None:
    shop = trained_shop
    other = shop.place / "projects" / "strict"
    text = (shop.place / "projects" / "shop" / "project.py").read_text()
    other.mkdir()
    strict = text.replace('name="shop"', 'name="strict"').replace("at_least=0.6", "at_least=0.999")
    (other / "project.py").write_text(strict)
    shop.environment["TOUCHLINE_PROJECT"] = "shop"
    printed = shop.run("up")
    assert "nothing in Production yet: touchline models list -p strict" in printed
    assert shop.ask("/projects/shop/predict", {"customer": "c11"})["probabilities"]["yes"] > 0.8


def _pid(shop: Shop) -> int:
    return int(json.loads((shop.place / "home" / "run" / "supervisor.json").read_text())["pid"])


@pytest.mark.services
def test_a_changed_setting_and_a_first_key_reach_the_running_server_and_the_command_line(trained_shop: Shop) -> None:
    shop = trained_shop
    shop.run("up")
    first = _pid(shop)
    shop.run("up")
    assert _pid(shop) == first
    shop.environment["TOUCHLINE_LOG_FORMAT"] = "json"
    shop.run("up")
    assert _pid(shop) != first

    key = shop.run("keys", "make", "analyst").strip()
    until(lambda: httpx.get(f"http://127.0.0.1:{shop.port}/model-info", timeout=120).status_code == 401)
    refusal = shop.run("predict", "customer=c11", code=1)
    assert "TOUCHLINE_API_KEY" in refusal
    assert "Traceback" not in refusal
    assert "prediction" in shop.run("predict", "customer=c11", "--key", key)
    assert "no sample prediction" in shop.run("up")
    shop.environment["TOUCHLINE_API_KEY"] = key
    assert "Next:" in shop.run("up")
    assert "prediction" in shop.run("predict", "customer=c11")


@pytest.mark.services
@pytest.mark.parametrize("step", ["ingest", "train", "promote"])
def test_a_kill_in_any_step_leaves_a_state_from_which_the_same_command_carries_on(shop: Shop, step: str) -> None:
    shop.run("migrate")
    process = subprocess.Popen(
        [*shop.command, "train", "-p", "shop"],
        cwd=shop.place,
        env=shop.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: step in steps(shop) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shop.run("train", "-p", "shop")
    found = counts(shop)
    assert (found["snapshots"], found["versions"], found["releases"]) == (1, 1, 1)
    database = shop.database()
    changes = Journal(database, SystemClock()).history("shop")
    assert [change.to_stage for change in changes] == ["Staging", "Production"]
    with database.connect() as connection:
        release = connection.execute(sa.select(releases)).one()
    load_release(shop.place / "home" / "objects" / release.object_key, digest=release.digest)
    database.close()


@pytest.mark.services
def test_a_taken_port_names_the_setting_to_change(trained_shop: Shop) -> None:
    shop = trained_shop
    with socket.socket() as other:
        other.bind(("127.0.0.1", shop.port))
        other.listen()
        assert f"TOUCHLINE_PORT={shop.port + 1}" in shop.run("up", code=1)


def steps(shop: Shop) -> set[str]:
    database = shop.database()
    with database.connect() as connection:
        found = set(connection.scalars(sa.select(pipeline_steps.c.name)))
    database.close()
    return found


def counts(shop: Shop) -> dict[str, int]:
    database = shop.database()
    tables = {"snapshots": snapshots, "versions": model_versions, "releases": releases}
    with database.connect() as connection:
        found = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in tables.items()
        }
        found["changes"] = rows_in(connection, sa.select(manifests).where(manifests.c.status == "new"))
    database.close()
    return found


def rows_in(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def sha256_of(file: Path) -> str:
    from hashlib import sha256

    return sha256(file.read_bytes()).hexdigest()
