"""Alerts and dashboards read series that exist: each name is compared with what a running server exports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.api.builders import NOW, a_client, a_home
from touchline.alerts import Outbox
from touchline.alerts.outbox import Message
from touchline.cli.opening import OpenedProject
from touchline.features.verification.skew_proofs import SkewProof, write_skew_proof
from touchline.monitoring import DriftReports, DriftVerdict, PerformanceReports, Window
from touchline.monitoring.drift import ColumnVerdict
from touchline.monitoring.live_figures import LiveMetric
from touchline.monitoring.loss_estimate import LossEstimate
from touchline.monitoring.performance import PerformanceVerdict, VariantLoss
from touchline.project import load_project
from touchline.statistics.prior_shift import PriorShift

_DEPLOY = Path(__file__).parents[2] / "deploy"
_DASHBOARDS = sorted((_DEPLOY / "grafana" / "dashboards").glob("*.json"))
_READERS = [_DEPLOY / "prometheus" / "rules.yml", *_DASHBOARDS]


@pytest.mark.services
def test_every_series_of_an_alert_or_a_dashboard_is_exported(shop: Path) -> None:
    _add_reports(shop)
    with a_client(shop) as client:
        assert client.post("/predict", json={"customer": "c/1"}).status_code == 200
        text = client.get("/metrics").text
    exported = set(re.findall(r"^(?:# TYPE )?(touchline_\w+)", text, re.MULTILINE))
    for file in _READERS:
        missing = set(re.findall(r"\btouchline_\w+", file.read_text())) - exported
        assert not missing, f"{file.name} reads series that no server exports: {sorted(missing)}"
    # A series that nobody reads is a figure that nobody would miss: draw it, alert on it or export it no more.
    read = {name for file in _READERS for name in re.findall(r"\btouchline_\w+", file.read_text())}
    unread = {_family(name) for name in exported} - {_family(name) for name in read}
    assert not unread, f"exported and in no dashboard or rule: {sorted(unread)}"


def test_dashboards_read_only_rules_that_are_recorded() -> None:
    recorded = set(re.findall(r"record: (touchline:\S+)", _READERS[0].read_text()))
    for file in _READERS:
        assert set(re.findall(r"touchline:\w+:\w+", file.read_text())) <= recorded, file.name


def test_dashboards_have_one_identity_each_and_let_the_reader_choose_the_source_of_data() -> None:
    documents = [json.loads(file.read_text()) for file in _DASHBOARDS]
    assert [document["uid"] for document in documents] == [file.stem for file in _DASHBOARDS]
    for document in documents:
        panels = [panel for panel in document["panels"] if panel["type"] != "row"]
        assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
        assert all(target["datasource"]["uid"] == "${datasource}" for panel in panels for target in panel["targets"])
        assert document["templating"]["list"][0]["type"] == "datasource"


def _family(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count|created)$", "", name)


def _add_reports(place: Path) -> None:
    """What a project has after a while: a drift check, a performance report, a proof of equal features, a message."""
    home = a_home(place)
    opened = OpenedProject(home, load_project(place / "projects" / "shop", base=place))
    database, release = home.database, opened.stores.journal.state("shop").releases[1]
    column = ColumnVerdict("usual", False, 0.5, 0.9, 0.01, 0.0, 500, 0, differs=False, streak=0, drifted=False)
    verdict = DriftVerdict(NOW, "stable", Window("", "b"), 500, 0, "no drift", (column,))
    DriftReports(database, "shop").add(release, verdict, wall=NOW)
    PerformanceReports(database, "shop").add(_performance(release), wall=NOW)
    write_skew_proof(SkewProof("shop", release, NOW, 100, 0, 0, 0.03, {}), opened.stores.objects)
    with database.begin() as connection:
        message = Message("k", "opened", "loss", "the loss has risen", {})
        Outbox(database, "shop").put(connection, message, ["json://localhost"], now=NOW)
    database.close()


def _performance(release: str) -> PerformanceVerdict:
    loss = LiveMetric("log_loss", 0.6, 0.5, 0.7, 0.6, 0.5, 0.7, 0.69)
    prior = PriorShift((0.5, 0.5), (0.5, 0.5), p_value=1.0, fit=1.0, rows=240)
    estimate = LossEstimate("log_loss", 0.6, 0.5, 0.7, 40, 0.6, 0.5, False, 240.0, prior)
    return PerformanceVerdict(
        at=NOW,
        release_id=release,
        state="stable",
        message="no rise",
        score="log_loss",
        rows=240,
        young=8,
        open=3,
        unusable=0,
        repeats=0,
        coverage=0.98,
        mature_after_seconds=3600.0,
        variants=(VariantLoss("production", "answer", 1, 240, 3, loss, estimate),),
    )
