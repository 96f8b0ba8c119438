"""Prior shift is mended by a recorded release: the same model, corrected for the new class shares, behind the gates."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.conftest import Cli
from tests.cli.served_rows import rows_of, serve
from tests.test_loop import Shop, until
from touchline.automation.production.settled_rows import settled_rows_as_served
from touchline.cli.opening import open_project
from touchline.errors import GateFailed, NotComparable, ReasonMissing, RecalibrationRefused
from touchline.predictions import PredictionRecords
from touchline.registry import Releases, read_recalibration, read_version, read_versions
from touchline.statistics import with_prior


@pytest.fixture
def shop(trained_shop: Cli) -> Cli:
    return trained_shop


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
    assert "log_loss on 200 settled examples is lower by" in printed
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
    assert "of version 1; class shares since" in shop.run("models", "show", "2", "-p", "shop")
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
    assert "mends it: touchline monitor recalibrate" in shop.run("monitor", "performance", "-p", "shop")
    shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
    shop.run("models", "rollback", "-p", "shop", "--reason", "a mistake")
    assert read_version(opened.stores, "shop", "Production").version == 1
    shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers after all")
    assert len(read_versions(opened.stores, "shop")) == 2
    with pytest.raises(NotComparable, match="which is in Production no more"):
        settled_rows_as_served(opened.project, opened.stores, read_version(opened.stores, "shop", 2))(
            read_version(opened.stores, "shop", 2)
        )


def test_a_training_on_rows_of_the_old_shares_does_not_undo_the_recalibration_unseen(shop: Cli) -> None:
    serve(open_project("shop"), *rows_of(open_project("shop"), yes=60, no=540))
    shop.run("monitor", "recalibrate", "-p", "shop", "--apply", "--reason", "fewer buyers")
    shop.run("clock", "advance", "2024-06-06")
    with pytest.raises(GateFailed, match="predictions differ from those of Production version 2 by"):
        shop.run("train")
    stores = open_project("shop").stores
    assert read_version(stores, "shop", "3").recalibrates is None
    assert read_version(stores, "shop", "Production").version == 2


@pytest.mark.services
def test_a_recalibrated_release_is_served_traced_and_replayed(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Shop(shop.place)
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
        traced = running.json("trace", said["prediction_id"])
        assert (traced["version"], traced["recalibrates"]) == (2, 1)
        assert "the model of version 1 under new class shares" in running.run("trace", said["prediction_id"])
        replayed = running.json("replay", said["prediction_id"])
        assert replayed["output_matches"]
    finally:
        running.run("stop")
