"""The checks of a trained shop find what has grown old, and one cause is one incident."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.alerts.builders import MovingClock
from tests.api.builders import NOW, a_home
from touchline.alerts import Alerting, IncidentRecords
from touchline.automation import check_alerts
from touchline.clock import SystemClock
from touchline.project import load_project

pytestmark = pytest.mark.services


def test_an_old_source_makes_its_views_stale_in_the_same_incident_until_the_next_ingest(shop: Path) -> None:
    home, project = a_home(shop), load_project(shop / "projects" / "shop", base=shop).project
    clock = MovingClock(SystemClock().wall())
    stores = home.stores(clock)
    records: IncidentRecords = Alerting(stores.database, "shop", project.alerts, clock).records
    assert check_alerts(project, stores) == ()
    # Views are aged by project time, which is far from the shop's frozen clock here: `spending` has a ttl of a year.
    assert [one.cause for one in records.newest(only_open=True)] == ["stale_features:spending"]
    clock.pass_by(days=8)  # the source allows 7
    check_alerts(project, stores)
    causes = {one.cause: [(s.signal, s.subject) for s in one.signals] for one in records.newest(only_open=True)}
    assert causes["source:visits"] == [("stale_data", "visits")]
    clock.move_to(clock.at - timedelta(days=8))
    check_alerts(project, stores)
    assert "source:visits" not in {one.cause for one in records.newest(only_open=True)}
    home.database.close()


def test_views_that_are_stale_because_of_their_source_belong_to_its_incident(shop: Path) -> None:
    home, project = a_home(shop), load_project(shop / "projects" / "shop", base=shop).project
    clock = MovingClock(SystemClock().wall() + timedelta(days=8))
    assert clock.at - NOW > timedelta(days=200)
    stores = home.stores(clock)
    check_alerts(project, stores)
    (incident,) = Alerting(stores.database, "shop", None, clock).records.newest(only_open=True)
    assert {(one.signal, one.subject) for one in incident.signals} == {
        ("stale_data", "visits"),
        ("stale_features", "spending"),
    }
    home.database.close()
