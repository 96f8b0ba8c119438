"""A project over simulated days: only the clock moves, everything else is decided and done by the automation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tests.samples import Fewer
from touchline.alerts import Alerts, Incident, IncidentRecords, Rule
from touchline.automation import (
    PipelineContext,
    PipelineRuns,
    Run,
    alerting_of,
    check_alerts,
    decide_due,
    next_run,
    resume_daily,
    resume_pipeline,
    run_pipeline,
)
from touchline.predictions import OpenExample
from touchline.project import Daily, LoadedProject
from touchline.rehearsal.predict_open import OpenPredictor
from touchline.rehearsal.scratch_home import RehearsalClock, open_scratch
from touchline.training import TrainingOptions

ACTOR = "scheduler"


def with_rows(loaded: LoadedProject, change: Callable[[pl.DataFrame], pl.DataFrame], **fields: Any) -> LoadedProject:
    """The project whose only source brings changed rows, with a weekly day's work and alerts about drift and loss."""
    (source,) = loaded.project.sources
    update = {
        "sources": (source.model_copy(update={"provider": Fewer(source.provider, change)}),),
        "alerts": Alerts("json://127.0.0.1:9", rules=(Rule("drift"), Rule("loss"))),
        "daily": Daily(schedule="0 5 * * 2"),
        "clock": None,
        **fields,
    }
    return replace(loaded, project=loaded.project.model_copy(update=update))


class Days:
    """Passes days: what is due is decided and done, open examples are predicted at their cutoffs, alerts checked."""

    def __init__(self, loaded: LoadedProject, folder: Path, start: datetime) -> None:
        self.clock = RehearsalClock(start)
        self.stores = open_scratch(folder, self.clock)
        self.context = PipelineContext(loaded, self.stores, options=TrainingOptions(has_diagnostics=False))
        self._predictor = OpenPredictor(self.context)
        decide_due(loaded.project, self.stores)  # the schedule begins
        assert run_pipeline(self.context, trigger="up", actor=ACTOR).refusal is None

    def pass_until(
        self, end: datetime, *, step: timedelta = timedelta(days=7), or_until: Callable[[], bool] = lambda: False
    ) -> None:
        """Move the clock to the end or to what is awaited; nothing else is asked for."""
        project = self.context.project
        while self.clock.now() < end and not or_until():
            self.clock.move_to(self.clock.now() + step)
            decide_due(project, self.stores)
            while (run := next_run(project.name, self.stores)) is not None:
                if run.job == "daily":
                    resume_daily(self.context, run.id, self._predict, actor=ACTOR)
                else:
                    resume_pipeline(self.context, run.id, actor=ACTOR)
            assert check_alerts(project, self.stores) == ()

    def _predict(self, examples: Sequence[OpenExample]) -> int:
        self._predictor.predict(max(one.cutoff for one in examples) + timedelta(microseconds=1))
        return len(examples)

    def runs(self, job: str) -> list[Run]:
        """The runs of a job, oldest first."""
        return PipelineRuns(self.stores.database, self.context.project.name).newest(10_000, job=job)[::-1]

    def incidents(self) -> list[Incident]:
        """Every incident, oldest first."""
        records: IncidentRecords = alerting_of(self.context.project, self.stores).records
        return list(records.newest(only_open=False))[::-1]
