"""The work of each day: new data, features, outcomes, predictions of what is open, monitoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from touchline.automation.production.drift import check_production_drift
from touchline.automation.production.performance import check_production_performance
from touchline.automation.runs.ingest_sources import Ingested, ingest_and_settle
from touchline.automation.runs.pipeline import carried_out, pipeline_lease
from touchline.automation.runs.records import WAITING, PipelineRuns, Run, RunRecord, RunRequest
from touchline.errors import TouchlineError, failure_in_words
from touchline.predictions import OpenExample, OpenExampleRecords, PredictionRecords
from touchline.project import Daily

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.storage import Lease

Predict = Callable[[Sequence[OpenExample]], int]
"""Has these examples predicted and logged; the number of answers. Raises a `TouchlineError`."""


@dataclass(frozen=True)
class DailyReport:
    """What a day's work has done. `problems` say in words what could not be done; the rest was done all the same."""

    run_id: str
    ingested: Ingested
    predicted: int
    findings: tuple[str, ...]
    problems: tuple[str, ...]


def run_daily(context: PipelineContext, predict: Predict, *, trigger: str, actor: str) -> DailyReport:
    """Do the day's work now. Raises `LeaseHeld` while another process runs the project's pipeline."""
    runs = PipelineRuns(context.stores.database, context.project.name)
    with pipeline_lease(context, actor) as lease:
        run, _ = runs.request(RunRequest("daily", trigger, actor), clock=context.clock)
        return _work(context, run, lease, predict, RunRecord.stop_in_order)


def resume_daily(context: PipelineContext, run_id: str, predict: Predict, *, actor: str) -> DailyReport | None:
    """Do a day's work that was asked for, or go on with one whose process died; None where it has ended meanwhile."""
    with pipeline_lease(context, actor) as lease:
        run = PipelineRuns(context.stores.database, context.project.name).find(run_id)
        return _work(context, run, lease, predict) if run.status in WAITING else None


def open_to_predict(context: PipelineContext) -> list[OpenExample]:
    """The open examples whose cutoff is near and that the release in Production has not answered yet."""
    stores, project = context.stores, context.project
    policy, now = project.daily or Daily(), context.clock.now()
    state = stores.journal.state(project.name)
    release_id = state.releases.get(state.production or 0)
    latest = now + policy.ahead + timedelta(microseconds=1)
    near = OpenExampleRecords(stores.database, project.name).read(after=now, before=latest)
    answered = PredictionRecords(stores.database, project.name).answered_examples(
        [one.example_id for one in near], release_id=release_id
    )
    return [one for one in near if one.example_id not in answered]


def _work(
    context: PipelineContext,
    run: Run,
    lease: Lease,
    predict: Predict,
    on_end: Callable[[RunRecord], None] = RunRecord.interrupt,
) -> DailyReport:
    problems: list[str] = []
    with carried_out(context, run, lease, on_end) as record:
        with record.step("ingest") as output:
            ingested = ingest_and_settle(context, context.project.sources)
            output |= {one.manifest.source: one.manifest.status for one in ingested.reports}
            output |= {"settled": asdict(ingested.settled) if ingested.settled else None}
        with record.step("predict") as output:
            output["predicted"] = predicted = _predicted(context, predict, problems)
        with record.step("monitor") as output:
            output["findings"] = findings = _findings(context, problems)
        record.finish("failed" if problems else "done", {"error": "; ".join(problems)} if problems else {})
    return DailyReport(run.id, ingested, predicted, tuple(findings), tuple(problems))


def _predicted(context: PipelineContext, predict: Predict, problems: list[str]) -> int:
    examples = open_to_predict(context)
    if not examples or context.stores.journal.state(context.project.name).production is None:
        return 0
    try:
        return predict(examples)
    except TouchlineError as failure:
        problems.append(f"{len(examples)} open examples were not predicted: {failure_in_words(failure)}")
        return 0


def _findings(context: PipelineContext, problems: list[str]) -> list[str]:
    """The sentences of the checks of Production, or that there is none."""
    project, stores = context.project, context.stores
    if stores.journal.state(project.name).production is None:
        next_step = f"touchline train -p {project.name}"
        return [f"nothing is in Production, so nothing was predicted or checked. Next: {next_step}"]
    checks: dict[str, Callable[[Any, Any], Any]] = {
        "drift": check_production_drift,
        "performance": check_production_performance,
    }
    findings = []
    for name, check in checks.items():
        try:
            findings.append(f"{name}: {check(project, stores).message}")
        except TouchlineError as failure:
            problems.append(f"{name} could not be checked: {failure_in_words(failure)}")
    return findings
