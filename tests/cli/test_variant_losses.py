"""Loss by variant: what Production answers, and what the other version of a rollout predicts beside it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.conftest import Cli
from tests.cli.served_rows import log, rows_of, serve
from touchline.api.operations.stored_gauges import project_gauges
from touchline.cli.opening import open_project
from touchline.rollout import EventNote, RolloutRecords


def test_each_version_of_a_rollout_has_its_loss_and_its_estimate_in_reports_and_metrics(cli: Cli) -> None:
    project = cli.place / "projects" / "shop" / "project.py"
    text = project.read_text().replace("Retrain, SampleClock", "Retrain, Rollout, SampleClock")
    project.write_text(text.replace("    clock=", '    rollout=Rollout(mode="shadow", unit="customer"),\n    clock='))
    opened = open_project("shop")
    cli.run("rollout", "start", "-p", "shop")
    vectors, labels = rows_of(opened, yes=200, no=200)
    said = serve(opened, vectors, labels, settled=300)
    shadow = log(opened, vectors, version="Staging", role="shadow", variant="candidate")

    verdict = cli.json("monitor", "performance", "-p", "shop")
    answer, beside = verdict["variants"]
    assert (answer["variant"], answer["role"], answer["version"]) == ("production", "answer", 1)
    assert (beside["variant"], beside["role"], beside["version"]) == ("candidate", "shadow", 2)
    for one, probabilities in ((answer, said), (beside, shadow)):
        observed = probabilities[np.arange(300), labels[:300].astype(int)]
        assert one["loss"]["value"] == pytest.approx(-np.log(observed).mean(), rel=1e-9)
        assert (one["rows"], one["open"]) == (300, 100)
        assert one["estimate"]["rows"] == 100

    gauges = {
        (g.name, g.labels): g.value for g in project_gauges(opened.stores.database, "shop", wall=opened.clock.wall())
    }
    labels_of = {
        one["role"]: (("variant", one["variant"]), ("role", one["role"]), ("version", str(one["version"])))
        for one in (answer, beside)
    }
    common = (("project", "shop"), ("metric", "log_loss"))
    assert gauges["live_loss", common + labels_of["shadow"]] == pytest.approx(beside["loss"]["value"])
    estimated = gauges["estimated_loss", (*common, *labels_of["answer"], ("end", "value"))]
    assert estimated == pytest.approx(answer["estimate"]["value"])
    assert "shadow" in cli.run("monitor", "performance", "-p", "shop")
    cli.run("monitor", "report", "-p", "shop", "--out", str(cli.place / "variants.html"))
    assert "Versions of the rollout" in (cli.place / "variants.html").read_text()
    records = RolloutRecords(opened.stores.database, "shop")
    state = records.running()
    assert state is not None
    records.add(state, "abort", EventNote("the test is over"), clock=opened.clock)
