"""Alerts about the runs themselves: a training or a day's work that failed, and trainings that are done."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from touchline.alerts import Alerting, Observation, report_event, report_state
from touchline.automation.runs.records import PipelineRuns, Run

if TYPE_CHECKING:
    from touchline.automation.stores import Stores

_NEWS: Final = timedelta(days=1)


def report_trainings(alerting: Alerting, stores: Stores) -> None:
    """The trainings of the last day as events, and whether the newest one failed as a state."""
    news_from = stores.clock.wall() - _NEWS
    runs = PipelineRuns(stores.database, alerting.project).finished_since(news_from)
    for run in runs:
        if run.status != "failed" and run.ended_at > news_from:
            report_event(alerting, _training_done(alerting.project, run))
    if not runs:
        return
    newest = runs[-1]
    if newest.status != "failed":
        report_state(alerting, Observation.well("training_failed"))
        return
    production = stores.journal.state(alerting.project).production
    stays = "nothing is in Production" if production is None else f"Production stays at version {production}"
    report_state(
        alerting,
        Observation(
            "training_failed",
            is_wrong=True,
            happened=f"the training started by {newest.trigger!r} failed: {newest.failure}",
            since=newest.ended_at,
            certainty=f"recorded: run {newest.id}",
            cost=f"no newer model; {stays}",
            next_command=f"touchline train -p {alerting.project}",
        ),
    )


def report_daily_work(alerting: Alerting, stores: Stores) -> None:
    """Whether the newest day's work failed, as a state: the next that is done resolves it."""
    runs = PipelineRuns(stores.database, alerting.project).finished_since(stores.clock.wall(), job="daily")
    if not runs:
        return
    newest = runs[-1]
    if newest.status != "failed":
        report_state(alerting, Observation.well("daily_failed"))
        return
    report_state(
        alerting,
        Observation(
            "daily_failed",
            is_wrong=True,
            happened=f"the day's work of {newest.project_time:%Y-%m-%d} failed: {newest.failure}",
            since=newest.ended_at,
            certainty=f"recorded: run {newest.id}",
            cost="what failed is missing from that day; the rest of its work was done",
            next_command=f"touchline daily -p {alerting.project}",
        ),
    )


def _training_done(project: str, run: Run) -> Observation:
    result = "its version passed the gates" if run.status == "done" else "a gate refused its version"
    return Observation(
        "training_done",
        subject=run.trigger,
        happened=f"the training started by {run.trigger!r} is done: {result}",
        since=run.ended_at,
        certainty=f"recorded: run {run.id}",
        cost="none",
        next_command=f"touchline models list -p {project}",
        cause=f"run:{run.id}",
    )
