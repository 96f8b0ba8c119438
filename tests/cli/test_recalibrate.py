"""Prior shift is mended by a recorded release: the same model, corrected for the new class shares, behind the gates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.cli.conftest import Cli, a_shop
from tests.test_loop import Shop, until
from touchline.automation.production_release import open_production
from touchline.automation.production_release import test_rows as read_test_rows
from touchline.automation.settled_rows import settled_rows_as_served
from touchline.cli.opening import OpenedProject, open_project
from touchline.errors import NotComparable, ReasonMissing, RecalibrationRefused
from touchline.predictions import Outcome, OutcomeRecords, PredictionRecords
from touchline.registry import Releases, read_recalibration, read_version, read_versions
from touchline.statistics import with_prior
from touchline.storage.tables import outcomes, predictions
from touchline.storage.ulids import ulid_at

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Cli]:
    with a_shop(tmp_path) as cli:
        cli.run("train")
        yield cli


def rows_of(opened: OpenedProject, *, yes: int, no: int) -> tuple[Array, Array]:
    """Vectors and labels of the test window, drawn so that the classes have these numbers."""
    production = open_production(opened.project, opened.stores)
    test = read_test_rows(opened.project, opened.stores, production)
    labels = test.labels[production.profile.sample_places]
    rng = np.random.default_rng(3)
    chosen = [rng.choice(np.flatnonzero(labels == code), count) for code, count in ((0, no), (1, yes))]
    places = rng.permutation(np.concatenate(chosen))
    return production.profile.sample[places, :1], labels[places]


def serve(opened: OpenedProject, vectors: Array, labels: Array, *, settled: int = 0) -> Array:
    """Log the answers of Production to these vectors on the days before now, the first ones with their outcome."""
    stores = opened.stores
    release_id = read_version(stores, "shop", "Production").release_id or ""
    said = Releases(stores).open(release_id).model.predict(vectors)
    rows = []
    for at, (vector, scores) in enumerate(zip(vectors, said, strict=True)):
        cutoff = stores.clock.now() - timedelta(days=20 - at * 20 // len(vectors), minutes=-at)
        probabilities = dict(zip(("no", "yes"), scores.tolist(), strict=True))
        rows.append(
            {
                "prediction_id": ulid_at(cutoff),
                "request_id": "r",
                "project": "shop",
                "release_id": release_id,
                "role": "answer",
                "variant": "production",
                "probability": 1.0,
                "override": False,
                "example_id": f"live-{at}",
                "entity_keys": {"customer": f"c{at % 40}"},
                "cutoff": cutoff,
                "answered_at": cutoff,
                "views": {},
                "inputs": {},
                "vector": vector.astype("<f8").tobytes(),
                "output": {"probabilities": probabilities},
            }
        )
    with stores.database.begin() as connection:
        connection.execute(sa.delete(predictions))
        connection.execute(sa.delete(outcomes))
        connection.execute(predictions.insert(), rows)
    known = [Outcome(("no", "yes")[int(label)], f"live-{at}") for at, label in enumerate(labels[:settled])]
    OutcomeRecords(stores.database, "shop").record(known, source="api", now=stores.clock.now())
    return np.asarray(said)


def test_prior_shift_becomes_a_version_that_serves_the_old_answers_under_the_new_shares(shop: Cli) -> None:
    opened = open_project("shop")
    vectors, labels = rows_of(opened, yes=60, no=540)
    said = serve(opened, vectors, labels, settled=200)

    found = shop.json("monitor", "recalibrate", "-p", "shop")
    assert found["refusal"] is None
    assert found["prior"]["now"][1] == pytest.approx(0.1, abs=0.06)
    assert found["loss"]["recalibrated_loss"] < found["loss"]["served_loss"]
    assert len(read_versions(opened.stores, "shop")) == 1

    printed = shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
    assert "log_loss is not shown worse than that of Production version 1 as served" in printed
    stores = open_project("shop").stores
    version = read_version(stores, "shop", "Production")
    assert (version.version, version.recalibrates, version.semantic_version) == (2, 1, "1.0.1")
    lineage = read_recalibration(stores, version)
    assert (lineage["recalibrates"], lineage["estimate"]["prior"]["rows"], lineage["reason"]) == (
        1,
        600,
        "fewer buyers",
    )

    release = Releases(stores).open(version.release_id or "")
    before, now = found["prior"]["before"], found["prior"]["now"]
    assert np.allclose(release.model.predict(vectors), with_prior(said, before, now), atol=1e-12)
    assert release.lineage["recalibration"]["recalibrates"] == 1
    assert "Recalibration" in shop.run("models", "card", "2", "-p", "shop")
    assert "2" in shop.run("models", "list", "-p", "shop")
    assert "all identical" in shop.run("models", "reproduce", "2", "-p", "shop")
    # The next one starts from what is served now, and finds nothing more to mend.
    serve(open_project("shop"), vectors, labels)
    assert "not shown to have changed" in shop.json("monitor", "recalibrate", "-p", "shop")["refusal"]


def test_outcomes_that_contradict_the_estimate_are_concept_change_and_nothing_is_registered(shop: Cli) -> None:
    opened = open_project("shop")
    vectors, _ = rows_of(opened, yes=60, no=540)
    # Customers who look like small spenders buy now: the probabilities have shifted, and mean something else.
    serve(opened, vectors, np.ones(600), settled=200)
    with pytest.raises(RecalibrationRefused, match=r"200 settled predictions have the class shares .*concept change"):
        shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
    assert "would be refused" in shop.run("monitor", "recalibrate", "-p", "shop")
    assert len(read_versions(opened.stores, "shop")) == 1


def test_a_change_of_the_inputs_and_too_few_rows_are_refused_with_the_next_step(shop: Cli) -> None:
    opened = open_project("shop")
    vectors, labels = rows_of(opened, yes=300, no=300)
    serve(opened, vectors * 0.3 + 35, labels)
    assert "alone do not explain" in shop.json("monitor", "recalibrate", "-p", "shop")["refusal"]
    with pytest.raises(RecalibrationRefused, match=r"0 predictions since 2024-06-20 .* --since DAY"):
        shop.run("monitor", "recalibrate", "-p", "shop", "--since", "2024-06-20")
    with pytest.raises(ReasonMissing):
        shop.run("monitor", "recalibrate", "-p", "shop", "--apply")


def test_the_same_estimate_is_the_same_version_which_only_a_person_brings_back(shop: Cli) -> None:
    opened = open_project("shop")
    serve(opened, *rows_of(opened, yes=60, no=540))
    shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
    shop.run("models", "rollback", "-p", "shop", "--reason", "a mistake")
    assert read_version(opened.stores, "shop", "Production").version == 1
    shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers after all")
    assert len(read_versions(opened.stores, "shop")) == 2
    with pytest.raises(NotComparable, match="which is in Production no more"):
        settled_rows_as_served(opened.project, opened.stores, read_version(opened.stores, "shop", 2))(
            read_version(opened.stores, "shop", 2)
        )


@pytest.mark.services
def test_a_recalibrated_release_is_served_traced_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("TOUCHLINE_HOME", "TOUCHLINE_PORT", "TOUCHLINE_MLFLOW_PORT"):
        monkeypatch.setenv(name, running.environment[name])
    try:
        running.run("up")
        old = running.ask("/predict", {"customer": "c11"})["probabilities"]["yes"]
        opened = open_project("shop")
        serve(opened, *rows_of(opened, yes=60, no=540))
        applied = running.json("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
        assert applied["version"]["version"] == 2
        until(lambda: running.ask("/model-info")["version"] == 2)
        said = running.ask("/predict", {"customer": "c11"})
        version = read_version(opened.stores, "shop", 2)
        shares = read_recalibration(opened.stores, version)["shares"]
        expected = with_prior([[1 - old, old]], shares["before"], shares["now"])[0, 1]
        assert said["probabilities"]["yes"] == pytest.approx(expected, abs=1e-12)
        records = PredictionRecords(opened.stores.database, "shop")
        until(lambda: records.counts(release_id=version.release_id).predictions > 0)
        assert running.json("trace", said["prediction_id"])["version"] == 2
        replayed = running.json("replay", said["prediction_id"])
        assert replayed["output_matches"]
    finally:
        running.run("stop")
