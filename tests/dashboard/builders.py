"""A shop with something in each place that the dashboard shows, and its server behind a real port."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx

from tests.api.builders import NOW, a_home, train_shop
from tests.serving.builders import on_loopback, wait_for
from touchline.alerts import Observation, report_state
from touchline.automation import alerting_of, check_production_drift, run_pipeline
from touchline.cli.opening import OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.monitoring import LiveSlices, PerformanceReports, SlicePerformance
from touchline.monitoring.live_figures import DayLoss, LiveMetric, OutputCalibration
from touchline.monitoring.performance import PerformanceVerdict
from touchline.project import advance_clock, load_project
from touchline.rehearsal import RehearsalRecords

CUSTOMERS = 5
_IMPORTS = "Project, Retrain, Rollout, SampleClock"
_STEERING = """gates=[Gate("accuracy", at_least=0.6), Gate.approval()],
    retrain=Retrain(schedule="0 4 * * 1", refresh="rollout"), rollout=Rollout(mode="shadow", min_days=7),"""
_POLICY = {
    "regret_error": 1.5,
    "regret_of_never": 0.98,
    "gain_error": 2.5,
    "failed_trainings": 0,
    "rollbacks": 0,
    "alarms": 3,
    "false_alarms": 1,
    "seconds": 80.0,
}
REHEARSAL = {
    "from": "2022-01-03T04:00:00+00:00",
    "to": "2023-12-25T04:00:00+00:00",
    "predictions": 5720,
    "score": "log_loss",
    "step_days": 7.0,
    "first_prediction": "2022-02-07T04:00:00+00:00",
    "yardstick": {"loss": 0.571, "retrainings": 4.5, "at": ["2022-05-02"], "models_of": "weekly"},
    "policies": [
        _POLICY
        | {"name": name, "loss": loss, "regret": regret, "gain": gain, "trainings": trainings}
        | {"changes_of_production": trainings - 1, "seasons": {"2022": loss, "2023": loss + 0.01}}
        | {"weekly_regret": [regret * step / 98 for step in range(99)]}
        for name, loss, regret, gain, trainings in (("never", 0.602, 177.3, 0.0, 1), ("weekly", 0.590, 108.7, 68.6, 99))
    ],
    "left_out": "Left out by settings are model cards.",
    "recommendation": "Use 'weekly': log_loss 0.5900 against 0.6020 of 'never', more than chance explains.",
    "hash": "0f3a",
}

_BRANCHES = {
    "1": (
        120,
        LiveMetric("log_loss", 1.104, 1.02, 1.19, 0.611),
        0.722,
        0.003,
        "branch = 1: worse than the other rows.",
    ),
    "2": (90, LiveMetric("log_loss", 0.722, 0.65, 0.79, 0.602), 1.104, 1.0, "branch = 2: not shown to be worse."),
    "0": (0, None, None, None, "branch = 0: none of its 30 predictions counts with an outcome yet."),
}
_SLICES = LiveSlices(
    tuple(
        SlicePerformance(
            field="branch",
            value=value,
            rows=rows,
            open=3 if rows else 30,
            young=0,
            message=message,
            loss=loss,
            others=others,
            p_value=p_value,
            metrics=(loss,) if loss else (),
            calibration=(OutputCalibration("yes", 0.71, 0.52, 0.47, 0.57),) if loss else (),
            trend=tuple(DayLoss(f"2024-05-{day}", 4, 0.7 + day / 100) for day in range(20, 32)) if loss else (),
        )
        for value, (rows, loss, others, p_value, message) in _BRANCHES.items()
    ),
    comparisons=2,
    message="Higher log_loss than the other rows: branch = 1 (1.104 against 0.722, p = 0.003); 2 slices were compared.",
)


def build_shop(place: Path) -> None:
    """Version 1 in Production, version 2 before its approval gate, a rejected row, a risen loss with its incident."""
    train_shop(place)
    project = place / "projects" / "shop" / "project.py"
    text = project.read_text().replace("Project, SampleClock", _IMPORTS)
    project.write_text(re.sub(r"gates=\[.*\],", _STEERING, text))
    home = a_home(place)
    opened = OpenedProject(home, load_project(project.parent, base=place))
    with (place / "visits.csv").open("a") as visits:
        visits.write("bad-1,2024-05-31T08:00:00Z,c/1,two,4.5\n")
    advance_clock(opened.project, home.database, to=NOW + timedelta(days=2))
    run_pipeline(pipeline_context(opened), trigger="train", actor="tests")
    _add_loss_incident(opened)
    check_production_drift(opened.project, opened.stores)
    RehearsalRecords(home.database, "shop").add(REHEARSAL, wall=opened.clock.wall())
    home.database.close()


def _add_loss_incident(opened: OpenedProject) -> None:
    stores = opened.stores
    release = stores.journal.state("shop").releases[1]
    verdict = PerformanceVerdict(
        at=stores.clock.now(),
        release_id=release,
        state="degraded",
        message="The loss has risen: log_loss 0.913 since 2024-05-28, the limit is 0.700.",
        score="log_loss",
        rows=240,
        young=8,
        open=3,
        unusable=0,
        repeats=0,
        coverage=0.98,
        mature_after_seconds=3600.0,
        metrics=(LiveMetric("log_loss", 0.913, 0.871, 0.955, 0.601, 0.56, 0.64, 0.69),),
        trend=tuple(DayLoss(f"2024-05-{day}", 8, 0.6 if day < 28 else 0.9) for day in range(20, 32)),
        incidents=(("2024-05-28", "2024-05-30", None),),
        alarm_level=1.2,
        alarm_limit=0.7,
        slices=_SLICES,
    )
    PerformanceReports(stores.database, "shop").add(verdict, wall=stores.clock.wall())
    observation = Observation(
        "loss",
        is_wrong=True,
        value=0.913,
        happened=verdict.message,
        certainty="one false alarm a year",
        cost="0.21 log_loss a prediction",
        next_command="touchline retrain -p shop",
    )
    report_state(alerting_of(opened.project, stores), observation)


@contextmanager
def a_dashboard(place: Path) -> Iterator[str]:
    """The address of the server of a shop."""
    app = create_full_app(a_home(place), [place / "projects" / "shop"], host="127.0.0.1")
    app.serving.limits = replace(app.serving.limits, lag_seconds=60.0)
    with on_loopback(app) as address:
        yield address


def predict(address: str, *, rounds: int = 1) -> list[str]:
    """The ids of predictions for a few customers, once they are in the log."""
    with httpx.Client(base_url=address, timeout=30) as client:
        rows = [{"customer": f"c/{number}"} for number in range(CUSTOMERS)] * rounds
        ids = [client.post("/predict", json=row).raise_for_status().json()["prediction_id"] for row in rows]
        # Another process may hold the lease on the log, until it has ended.
        wait_for(lambda: len(client.get("/api/predictions?limit=500").json()["items"]) >= len(rows), seconds=60)
        return ids
