"""Measures of the candidate that must not be worse by more than a margin, at any look."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from touchline.predictions import CommonestFailure, ExperimentRecords, VariantCount
from touchline.rollout.outcome_pairs import OutcomePairs
from touchline.rollout.records import Experiment
from touchline.rollout.spec import Guardrail
from touchline.statistics import (
    CalibrationGuardrail,
    CalibrationMonitor,
    RateCount,
    RateGuardrail,
    RateMonitor,
    RateVerdict,
)
from touchline.storage import Database
from touchline.storage.ulids import ulid_at

_MILLISECONDS: Final = 1000.0
# Rows reach the log within two seconds; those that come later than this are counted by the next whole check.
_SETTLED: Final = timedelta(seconds=5)
_WORDS: Final = {
    "harmful": "breached",
    "harmless": "shown to hold",
    "undecided": "not breached, not yet shown to hold",
}


@dataclass(frozen=True)
class GuardrailResult:
    """One guardrail's verdict: harmful, harmless (shown to be within the margin) or undecided."""

    guardrail: Guardrail
    verdict: RateVerdict
    measured: str
    failure: CommonestFailure | None = None

    @property
    def message(self) -> str:
        """The verdict in words with its numbers, and the commonest error where the candidate has failed."""
        found = f"{self.measured}; a margin of {self.guardrail.points} is {_WORDS[self.verdict]}"
        if self.failure is None:
            return found
        error, rows, failures, prediction_id = self.failure
        return f"{found}; commonest error of the candidate: {error} ({rows} of {failures}, prediction {prediction_id})"


def check_guardrails(
    database: Database, experiment: Experiment, pairs: OutcomePairs | None = None
) -> tuple[GuardrailResult, ...]:
    """The guardrails of a rollout on all that was logged of it so far; `pairs` are what its outcomes say."""
    has_classes = bool(experiment.rule.classes)
    calibration = [one for one in experiment.rule.guardrails if one.kind == "calibration" and has_classes]
    failure = ExperimentRecords(database, experiment.id).commonest_failure()
    rates = [
        replace(one, failure=failure) if one.guardrail.kind == "errors" else one
        for one in GuardrailWatch(database, experiment).check()
    ]
    return (*rates, *(_calibration(one, experiment, pairs) for one in calibration if pairs is not None))


class GuardrailWatch:
    """Checks the rates of one rollout again and again, reading each logged row once.

    In a shadow the reference has answered every row that the candidate predicts beside it, and the time of a shadow
    prediction, made in batches, is no request's time: only its failures count.
    """

    def __init__(self, database: Database, experiment: Experiment) -> None:
        self.experiment = experiment
        rule = experiment.rule
        kinds = ("errors", "slow") if rule.is_split else ("errors",)
        self._records = ExperimentRecords(database, experiment.id)
        self._guardrails = [one for one in rule.guardrails if one.kind in kinds]
        self._forget()

    def include(self, prediction_id: str) -> None:
        """Let rows from this id on count that have come since the last check, also where they are older than others."""
        if prediction_id <= self._until:
            self._forget()

    def _forget(self) -> None:
        self._monitors = {
            one: RateMonitor.start(RateGuardrail(one.margin, one.alpha, one.least_events)) for one in self._guardrails
        }
        self._until = ""

    def check(self, wall: datetime | None = None) -> tuple[GuardrailResult, ...]:
        """The verdicts now. With the wall time, rows older than five seconds are remembered and not read again."""
        boundary = self._until if wall is None else max(self._until, ulid_at(wall - _SETTLED))
        settled = self._read(after=self._until, until=boundary) if boundary > self._until else {}
        newest = self._read(after=boundary)
        for guardrail, rates in settled.items():
            self._monitors[guardrail] = self._monitors[guardrail].update(*rates)
        self._until = boundary
        return tuple(self._result(guardrail, *rates) for guardrail, rates in newest.items())

    def _result(self, guardrail: Guardrail, candidate: RateCount, reference: RateCount) -> GuardrailResult:
        newest = self._monitors[guardrail].update(candidate, reference)
        is_breach = newest.verdict == "harmful" and guardrail.kind == "errors"
        failure = self._records.commonest_failure() if is_breach else None
        measured = _measured(guardrail, newest.total.new, newest.total.old)
        return GuardrailResult(guardrail, newest.verdict, measured, failure)

    def _read(self, *, after: str, until: str | None = None) -> dict[Guardrail, tuple[RateCount, RateCount]]:
        """The events of each guardrail among the rows between two ids, which are read once for all with one limit."""
        if not self._guardrails:
            return {}
        of_slow = [one for one in self._guardrails if one.kind == "slow"]
        limits = {one.milliseconds / _MILLISECONDS for one in of_slow} or {0.0}
        counts = {limit: self._records.counts(slow_seconds=limit, after=after, until=until) for limit in limits}
        of_any = next(iter(counts.values()))
        return {
            one: self._rates(one, counts[one.milliseconds / _MILLISECONDS] if one.kind == "slow" else of_any)
            for one in self._guardrails
        }

    def _rates(self, guardrail: Guardrail, counts: list[VariantCount]) -> tuple[RateCount, RateCount]:
        """The events of the candidate and of its reference among these rows."""
        is_split = self.experiment.rule.is_split
        rows, slow = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for one in counts:
            rows[one.variant, one.role] += one.rows
            slow[one.variant, one.role] += int(one.slow or 0)
        role = "answer" if is_split else "shadow"

        def rate(variant: str) -> RateCount:
            predicted, failed = rows[variant, role], rows[variant, "failed"]
            if guardrail.kind == "errors":
                return RateCount(failed, predicted + failed)
            return RateCount(slow[variant, role], predicted)

        candidate = rate("candidate")
        return candidate, rate("production") if is_split else RateCount(0, candidate.trials)


def _measured(guardrail: Guardrail, candidate: RateCount, reference: RateCount) -> str:
    what = "failed requests" if guardrail.kind == "errors" else f"requests over {guardrail.milliseconds:g} ms"
    ours, theirs = (
        f"{rate.events / rate.trials:.2%} of {rate.trials}" if rate.trials else "none yet"
        for rate in (candidate, reference)
    )
    return f"{what}: candidate {ours}, Production {theirs}"


def _calibration(guardrail: Guardrail, experiment: Experiment, pairs: OutcomePairs) -> GuardrailResult:
    """Each class has its part of alpha; of two classes one says all."""
    classes = experiment.rule.classes
    has_predicted = np.isfinite(pairs.new).all(axis=1) if len(pairs) else np.zeros(0, dtype=np.bool_)
    new, labels = pairs.new[has_predicted], pairs.labels[has_predicted]
    places = [1] if len(classes) == 2 else list(range(len(classes)))
    rule = CalibrationGuardrail(guardrail.margin, guardrail.alpha / len(places))
    misses, verdicts = [], []
    for place in places:
        monitor = CalibrationMonitor.start(rule).update(new[:, place], (labels == place).astype(float))
        verdicts.append(monitor.verdict)
        misses.append(f"{classes[place]} {monitor.residuals.mean * 100:+.1f}")
    worst: RateVerdict = "harmless" if all(verdict == "harmless" for verdict in verdicts) else "undecided"
    verdict: RateVerdict = "harmful" if "harmful" in verdicts else worst
    return GuardrailResult(guardrail, verdict, f"frequency minus predicted, in points: {', '.join(misses)}")
