"""`/metrics` also tells what is stored: the age of sources, runs, incidents, drift and loss."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from httpx import Client

from tests.serving.builders import wait_for
from touchline.api.operations.stored_gauges import StoredGauges, project_gauges
from touchline.errors import BackendUnavailable
from touchline.monitoring import DriftReports, DriftVerdict, Window
from touchline.serving.telemetry.metrics import Gauge
from touchline.storage import Database

AT = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.mark.services
def test_the_figures_of_a_trained_shop_are_exported(client: Client) -> None:
    text = client.get("/metrics").text
    assert 'touchline_source_age_seconds{project="shop",source="visits"}' in text
    assert 'touchline_source_max_age_seconds{project="shop",source="visits"} 604800.0' in text
    assert 'touchline_pipeline_runs{project="shop",status="done"} 1.0' in text
    assert 'touchline_open_incidents{project="shop",severity="critical"} 0.0' in text
    assert 'touchline_pipeline_run_finished_timestamp_seconds{project="shop",status="done"}' in text


def test_the_newest_drift_report_is_exported(database: Database) -> None:
    reports = DriftReports(database, "shop")
    reports.add("r1", DriftVerdict(AT, "stable", Window("", "b"), 500, 0, "no drift"), wall=AT)
    gauges = {gauge.name: gauge.value for gauge in project_gauges(database, "shop", wall=AT)}
    assert (gauges["drifted_columns"], gauges["drift_rows"]) == (0, 500)


def test_a_project_without_any_record_has_no_incident_and_nothing_else(database: Database) -> None:
    assert {gauge.name for gauge in project_gauges(database, "shop", wall=AT)} == {"open_incidents"}


def test_a_database_that_hangs_keeps_no_scrape_waiting_and_one_that_fails_leaves_the_last_figures() -> None:
    answers, hanging = iter([[Gauge("a", "", 1)], [Gauge("a", "", 2)]]), threading.Event()

    def compute() -> list[Gauge]:
        hanging.wait(60)
        return next(answers)

    gauges = StoredGauges(compute, wait_seconds=0.01)
    assert [list(gauges.read()) for _ in range(3)] == [[], [], []]  # one thread hangs, not one for each scrape
    hanging.set()
    wait_for(lambda: [gauge.value for gauge in gauges.read()] == [1])

    def fail() -> list[Gauge]:
        raise BackendUnavailable("The database", "it is away", "Start it.")

    failing = StoredGauges(fail, wait_seconds=60)
    assert list(failing.read()) == []
    assert list(failing.read()) == []
