"""One policy over the steps of a rehearsal: the pipeline, monitoring and rollouts of production, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

from touchline.automation import (
    PipelineReport,
    check_production_drift,
    check_production_performance,
    decide_due,
    ingest_and_settle,
    next_run,
    resume_pipeline,
    run_pipeline,
)
from touchline.automation.promotion.promote import move_to_production
from touchline.errors import TouchlineError
from touchline.registry import Gate, read_version
from touchline.rehearsal.predict_open import OpenPredictor
from touchline.rehearsal.stepped_run import ACTOR, SteppedRun


class PolicyRun(SteppedRun):
    """One policy in a scratch home of its own."""

    @cached_property
    def _predictor(self) -> OpenPredictor:
        return OpenPredictor(self.context())

    def _play(self, number: int) -> dict[str, Any]:
        """Ingest and settle, monitor, train where it is due, and predict what comes before the next step."""
        now = self.steps.at(number)
        self.clock.move_to(now)
        line: dict[str, Any] = {"at": now.isoformat(), "trained": None}
        ingest_and_settle(self.context(), self._loaded.project.sources)
        line |= self._monitor()
        ticks = decide_due(self._loaded.project, self.stores, actor=ACTOR)
        line["reasons"] = [tick.trigger for tick in ticks]
        run = next_run(self._loaded.name, self.stores)
        if self._production() is None:
            line |= self._train(lambda: run_pipeline(self.context(gates=()), trigger="first", actor=ACTOR))
        elif run is not None:
            context = self.context(gates=self._gates())
            line |= self._train(lambda: resume_pipeline(context, run.id, actor=ACTOR))
        line["production"] = self._production()
        predicted = self._predictor.predict(now + self.steps.length)
        return line | {"predictions": [list(asdict(one).values()) for one in predicted]}

    def _production(self) -> int | None:
        return self.stores.journal.state(self._loaded.name).production

    def _train(self, pipeline: Callable[[], PipelineReport | None]) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            report = pipeline()
        except TouchlineError as failure:  # as too few examples; production goes on with what it has
            return {"failure": f"{type(failure).__name__}: {failure}", "training_seconds": time.perf_counter() - began}
        seconds = {"training_seconds": time.perf_counter() - began}
        if report is None:
            return seconds
        if self.policy.decisions == "naive":
            self._promote_at_once(report)
        refusal = str(report.refusal) if report.refusal is not None else None
        trained = report.version.version if report.is_new else None
        return {"trained": trained, "refusal": refusal, "rollout": report.rollout, **seconds}

    def _gates(self) -> tuple[Gate, ...] | None:
        """None: the declared ones. The naive rule: the mean loss on the test window is at most Production's on its own.

        The first version has passed without gates, so that all policies begin alike.
        """
        production = self._production()
        if self.policy.decisions == "statistical" or production is None:
            return None
        version = read_version(self.stores, self._loaded.name, production)
        metric = self._loaded.project.training.score_for(self._loaded.project.task.kind)
        value = version.metrics[metric].value if metric in version.metrics else None
        return () if value is None else (Gate(metric, at_most=value),)

    def _promote_at_once(self, report: PipelineReport) -> None:
        version = read_version(self.stores, self._loaded.name, report.version.version)
        if version.stage == "Staging":
            move_to_production(self.context(), version.version, reason="its mean loss is lower")

    def _monitor(self) -> dict[str, Any]:
        if self._production() is None:
            return {"drift": None, "loss": None}
        drift = check_production_drift(self._loaded.project, self.stores)
        loss = check_production_performance(self._loaded.project, self.stores)
        return {"drift": drift.state, "loss": loss.state}
