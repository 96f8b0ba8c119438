"""Production goes on with its own feature versions while the declaration has moved on to others."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.automation.test_promotion import Shop
from touchline.automation import ingest_and_settle, run_pipeline
from touchline.automation.runs.ingest_sources import Ingested
from touchline.cli.opening import pipeline_context
from touchline.features import FeatureReader
from touchline.predictions import OpenExampleRecords
from touchline.project import advance_clock
from touchline.registry import Releases, read_version

pytestmark = pytest.mark.services


class LivingShop(Shop):
    """A shop in Production whose clock moves on and whose declaration is edited."""

    def start(self) -> None:
        run_pipeline(pipeline_context(self.opened()), trigger="train", actor="tests")

    def edit(self, before: str, after: str) -> None:
        assert before in self.text
        (self.folder / "project.py").write_text(self.text.replace(before, after))

    def a_day_later(self) -> datetime:
        """The clock moves on by a day on which each customer spent an amount of its own."""
        opened = self.opened()
        now = opened.clock.now() + timedelta(days=1)
        with (self.place / "visits.csv").open("a") as file:
            for who in range(20):
                at = now - timedelta(hours=3)
                file.write(f"{now:%d}-{who},{at:%Y-%m-%dT%H:%M:%SZ},c/{who},{who % 3},{7.0 + who + now.day}\n")
        return advance_clock(opened.project, opened.stores.database, to=now)

    def ingest(self) -> Ingested:
        context = pipeline_context(self.opened())
        return ingest_and_settle(context, context.project.sources)

    def served(self, customer: str) -> tuple[float, str]:
        """What Production reads of a customer now: value and status."""
        opened = self.opened()
        stores = opened.stores
        state = stores.journal.state("shop")
        release = Releases(stores).open(state.releases[state.production or 0])
        reader = FeatureReader(release.views, release.columns, stores.online, release.transforms)
        vector, statuses = reader.read_one({"customer": customer}, opened.clock.now())
        return float(vector[0]), statuses[0].status

    def usual(self, customer: str, window: int) -> float:
        """The mean of a customer's last visits that are over, by hand."""
        with (self.place / "visits.csv").open() as file:
            visits = [
                (datetime.fromisoformat(row["at"]), float(row["spent"]))
                for row in csv.DictReader(file)
                if row["customer"] == customer
            ]
        now = self.opened().clock.now()
        spent = [amount for at, amount in sorted(visits) if at + timedelta(hours=1) <= now]
        return sum(spent[-window:]) / window


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> LivingShop:
    shop = LivingShop(tmp_path_factory.mktemp("living"))
    shop.start()
    return shop


EDITS = {
    "another window": ("rolling_mean(10", "rolling_mean(3"),
    "a feature renamed": ("usual=pl.col", "typical=pl.col"),
    "another time to live": ("ttl=timedelta(days=365)", "ttl=timedelta(days=200)"),
    "the view renamed": ("spending", "outlay"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_ingest_renews_the_view_that_production_reads(shop: LivingShop, edit: str) -> None:
    shop.edit(*EDITS[edit])
    shop.a_day_later()
    done = shop.ingest()
    assert [(one.view, one.readers, one.failure) for one in done.renewed] == [("spending", "Production", None)]
    assert (done.renewed[0].rows or 0) > 0
    for customer in ("c/1", "c/2"):
        assert shop.served(customer) == (pytest.approx(shop.usual(customer, 10)), "present")


def test_what_cannot_be_renewed_is_said(shop: LivingShop) -> None:
    shop.edit("rolling_mean(10", "rolling_mean(4")
    code = next(shop.place.rglob("releases/*/code/project.py"))
    text = code.read_text()
    try:
        code.write_text("raise RuntimeError('no such library')\n" + text)
        done = shop.ingest()
    finally:
        code.write_text(text)
    assert [one.rows for one in done.renewed] == [None]
    assert "could not be renewed" in done.renewed[0].message
    assert "no such library" in done.renewed[0].message


def test_a_release_that_cannot_be_read_is_said(shop: LivingShop) -> None:
    manifest = next(shop.place.rglob("releases/*/release.json"))
    text = manifest.read_bytes()
    manifest.write_bytes(text[: len(text) // 2])
    try:
        done = shop.ingest()
    finally:
        manifest.write_bytes(text)
    assert [(one.readers, one.rows) for one in done.renewed] == [("Production", None)]
    assert "release.json" in done.renewed[0].message


@pytest.mark.parametrize("edit", ["a feature renamed", "another window"])
def test_a_gate_compares_production_by_its_own_features(tmp_path: Path, edit: str) -> None:
    shop = LivingShop(tmp_path)
    shop.text = shop.text.replace(
        'gates=[Gate("accuracy", at_least=0.6)]', 'gates=[Gate("accuracy", at_least=0.6), Gate.improves("log_loss")]'
    )
    shop.text = shop.text.replace('test="20d"', 'test="35d"')
    shop.edit("", "")
    shop.start()
    before, after = EDITS.get(edit, ("", ""))
    shop.edit(before, after)
    report = run_pipeline(pipeline_context(shop.opened()), trigger="train", actor="tests")
    assert report.refusal is not None  # as good a model is no improvement
    assert "is not surely better than that of Production version 1" in str(report.refusal)
    objects = shop.opened().stores.objects
    first, second = (read_version(shop.opened().stores, "shop", number) for number in (1, 2))
    opponent = pl.read_parquet(objects.local_path(f"{second.object_key}/opponents/1.parquet"))
    own = pl.read_parquet(objects.local_path(f"{first.object_key}/predictions.parquet"))
    names = ["example_id", "p_no", "p_yes"]
    # The same rows, recipe and features: the refit gives what the evaluation of version 1 gave.
    assert opponent.select(names).sort("example_id").equals(own.select(names).sort("example_id"))


def test_an_open_example_brings_the_inputs_that_production_reads(tmp_path: Path) -> None:
    """An input that the declaration has dropped is still a field of Production's requests."""
    shop = LivingShop(tmp_path)
    task = 'features=[spending.on("customer")]'
    shop.text = shop.text.replace(task, f'{task}, inputs=["hour"]').replace(
        'cutoff="at",', 'cutoff="at",\n        hour=pl.col("at").dt.hour(),'
    )
    shop.edit("", "")
    shop.start()
    shop.edit(', inputs=["hour"]', "")
    tomorrow = shop.a_day_later() + timedelta(hours=20)
    with (shop.place / "visits.csv").open("a") as file:
        file.write(f"next,{tomorrow:%Y-%m-%dT%H:%M:%SZ},c/1,1,\n")
    shop.ingest()
    database = shop.opened().stores.database
    examples = OpenExampleRecords(database, "shop").read()
    assert examples
    assert all(set(example.inputs) == {"hour"} for example in examples)
