"""Serve while the declaration changes, and compare every vector with the definitions of the release that answered.

    python benchmarks/prove_life.py

One server answers throughout. Meanwhile a feature is renamed, an input dropped, a view added, a time to live shortened
and the label's limit moved; each time a version is trained and promoted, and in between the clock moves, rows come and
are corrected, and there are rollbacks. After each step all customers are asked for. The expected values are computed in
plain Python from the rows of the file, by the definitions that the release in Production was trained with; no code of
touchline takes part (`simulations/shop_by_hand.py`). Training sets are compared as well: the label and the features of
each example at its cutoff.
One value that differs ends the program with exit code 1.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from httpx import Client

sys.path.insert(0, str(Path(__file__).parents[1]))
from simulations.shop_by_hand import Definition, Knowledge
from tests.serving.builders import on_loopback, wait_for  # the folder above has to be found first
from touchline.automation import ingest_and_settle, promote_version, roll_back, run_pipeline
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.features import read_training_set
from touchline.predictions.records import PredictionRecords
from touchline.project import advance_clock, load_project
from touchline.registry import Decision, read_version
from touchline.settings import Settings

START = datetime(2024, 6, 1, tzinfo=UTC)
CUSTOMERS = [f"c/{number}" for number in range(30)]
NOW = Decision("prove", "as the run asks", now=True)


@dataclass
class Comparison:
    """The number of compared values and of differences; the first ten are printed."""

    compared: int = 0
    differing: int = 0

    def compare(self, expected: dict[str, float], values: dict[str, Any], what: str) -> None:
        if set(expected) != set(values):
            print(f"  {what}: columns {sorted(values)}, expected {sorted(expected)}")
        for name, number in expected.items():
            value = math.nan if values.get(name) is None else float(values[name])
            is_equal = math.isclose(value, number, rel_tol=1e-9) or (math.isnan(value) and math.isnan(number))
            self.count(is_equal)
            if not is_equal and self.differing <= 10:
                print(f"  {what}: {name} is {value}, expected {number}")

    def count(self, is_equal: bool) -> None:
        self.compared += 1
        self.differing += not is_equal


@dataclass
class Life:
    """The project, its clock, and what is expected of it."""

    place: Path
    random: Random = field(default_factory=lambda: Random(5))
    declared: Definition = field(default_factory=Definition)
    trained: dict[int, Definition] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    knowledge: Knowledge = field(default_factory=Knowledge)
    seen: Comparison = field(default_factory=Comparison)

    @property
    def folder(self) -> Path:
        return self.place / "projects" / "shop"

    def open(self) -> OpenedProject:
        home = Home(Settings(home=self.place / "home"), self.place)
        return OpenedProject(home, load_project(self.folder, base=self.place))

    def declare(self, **changes: Any) -> None:
        self.declared = replace(self.declared, **changes)
        self.declared.write(self.folder)

    def add_day(self, day: datetime, *, customers: int = 28) -> None:
        """Visits of one day; the last two customers never come, those from 20 on came only in spring."""
        coming = customers if day < START - timedelta(days=25) else 20
        for hour in range(8, 16):
            who = self.random.randrange(coming)
            at = day.replace(hour=hour)  # a day that has begun has visits ahead, whose amounts are hidden
            spent = f"{max(0.0, self.random.gauss(65 - 30 * (who % 2), 20)):.2f}"
            row = {"visit_id": f"{at:%m%d}-{hour}", "at": f"{at:%Y-%m-%dT%H:%M:%S+00:00}", "customer": f"c/{who}"}
            self.rows.append({**row, "hour": str(hour), "spent": spent})

    def write_rows(self) -> None:
        with (self.place / "visits.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def correct(self) -> None:
        """Four visits of the last week cost something else."""
        for row in self.random.sample(self.rows[-80:-30], 4):
            row["spent"] = f"{self.random.uniform(0, 150):.2f}"

    def move(self, **length: float) -> None:
        opened = self.open()
        advance_clock(opened.project, opened.stores.database, to=opened.clock.now() + timedelta(**length))

    def ingest(self) -> None:
        self.write_rows()
        context = pipeline_context(self.open())
        done = ingest_and_settle(context, context.project.sources)
        assert [one.failure for one in done.renewed if one.failure] == []
        self.knowledge.ingest(self.rows, context.clock.now())

    def train(self) -> int:
        """Train on a new ingest, and compare the training set; the version."""
        self.write_rows()
        context = pipeline_context(self.open())
        version = run_pipeline(context, trigger="train", actor="prove").version
        self.knowledge.ingest(self.rows, context.clock.now())
        self.trained[version.version] = self.declared
        found = read_training_set(version.training_set_hash, project="shop", stores=context.stores)
        assert found is not None
        newest = {one.visit_id: one.spent for one in self.knowledge.versions}
        for row in found.frame.iter_rows(named=True):
            visits, spent = self.knowledge.at(row["cutoff"]), newest.get(row["example_id"])
            self.seen.count(row["label"] == (None if spent is None else "yes" if spent > self.declared.limit else "no"))
            expected = self.declared.values(visits, row["customer"], row["cutoff"].hour, row["cutoff"])
            self.seen.compare(expected, {name: row[name] for name in expected}, f"example {row['example_id']}")
        return version.version

    def train_and_promote(self) -> None:
        version = self.train()
        context = pipeline_context(self.open())
        if context.stores.journal.state("shop").production != version:
            promote_version(context, read_version(context.stores, "shop", version), NOW)

    def roll_back(self) -> None:
        roll_back(pipeline_context(self.open()), NOW)

    def ask(self, client: Client) -> int:
        """Ask for every customer, and compare the logged vectors; the version that answered."""
        opened = self.open()
        now, version = opened.clock.now(), opened.stores.journal.state("shop").production or 0
        definition, at = self.trained[version], self.knowledge.ingested_at
        assert at is not None
        requests = [{"customer": who, **({"hour": 9} if definition.has_hour else {})} for who in CUSTOMERS]
        wait_for(lambda: _stands_at(client.post("/predict", json=requests[0]), version, now))
        ids = {}
        for request in requests:
            response = client.post("/predict", json=request)
            assert response.status_code == 200, response.text
            ids[response.json()["prediction_id"]] = request["customer"]
        records = PredictionRecords(opened.stores.database, "shop")
        logged = wait_for(lambda: len(found := records.read(ids)) == len(ids) and found, seconds=30)
        columns = [one["name"] for one in client.get("/model-info").json()["features"]]
        for record in logged:
            expected = definition.values(self.knowledge.at(at), str(ids[record.prediction_id]), 9, now)
            values = dict(zip(columns, record.numbers.tolist(), strict=True))
            self.seen.compare(expected, values, f"{ids[record.prediction_id]} of version {version}")
        return version


def _stands_at(response: Any, version: int, now: datetime) -> bool:
    if response.status_code != 200:
        return False
    body = response.json()
    return bool(body["version"] == version and datetime.fromisoformat(body["cutoff"]) == now)


def steps(life: Life) -> Iterator[tuple[str, Callable[[], object]]]:
    """The life of the project, one step after another."""

    def next_day() -> None:
        life.move(hours=24 - life.open().clock.now().hour)
        life.add_day(life.open().clock.now())

    def a_day_with_rows() -> None:
        next_day()
        life.correct()
        life.ingest()

    changes: dict[str, dict[str, Any]] = {
        "rename the feature": {"feature": "typical"},
        "drop the input": {"has_hour": False},
        "add a view": {"has_visiting": True},
        "a shorter time to live": {"ttl_days": 26},
        "another limit of the label": {"limit": 60},
    }
    yield "ingest again, no new rows", life.ingest
    yield "a day passes, no ingest", next_day
    yield "ingest, with corrections", lambda: (life.correct(), life.ingest())
    for change, values in changes.items():
        yield f"declare: {change}", lambda values=values: life.declare(**values)
        yield "  a day with rows and corrections", a_day_with_rows
        yield "  train and promote", life.train_and_promote
        yield "  five hours pass, no ingest", lambda: life.move(hours=5)
        yield "  a day with rows and corrections", a_day_with_rows
    yield "roll back", life.roll_back
    yield "  a day with rows and corrections", a_day_with_rows
    yield "roll back again", life.roll_back
    yield "  a day with rows and corrections", a_day_with_rows
    yield "declare: all as at first", lambda: life.declare(**vars(Definition()))
    yield "  a day with rows and corrections", a_day_with_rows
    yield "  train and promote", life.train_and_promote
    yield "  400 days pass, no ingest", lambda: life.move(days=400)
    yield "  ingest", life.ingest


def main() -> int:
    for name in [name for name in os.environ if name.startswith("TOUCHLINE_")]:
        del os.environ[name]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        life.folder.mkdir(parents=True)
        life.declare()
        for day in range(70):
            life.add_day(START - timedelta(days=70 - day))
        life.add_day(START)
        life.train_and_promote()
        print(
            f"train and promote: {life.seen.compared:,} values of the training set, {life.seen.differing} differ",
            flush=True,
        )
        app = create_full_app(life.open().home, [life.folder], host="127.0.0.1")
        app.serving.limits = replace(app.serving.limits, lag_seconds=60.0, poll_seconds=0.05)
        with on_loopback(app) as address, Client(base_url=address, timeout=60) as client:
            for name, step in steps(life):
                compared, differing = life.seen.compared, life.seen.differing
                step()
                version = life.ask(client)
                print(
                    f"{name:<36} version {version} answers: {life.seen.compared - compared:>6,} values compared, "
                    f"{life.seen.differing - differing} differ",
                    flush=True,
                )
    print(f"{life.seen.compared:,} values compared, {life.seen.differing} differ; {time.perf_counter() - began:.0f} s")
    return 1 if life.seen.differing else 0


if __name__ == "__main__":
    sys.exit(main())
