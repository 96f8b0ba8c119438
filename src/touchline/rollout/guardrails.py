"""Rates of the candidate that must not exceed the reference's by more than a margin, at any look."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from touchline.predictions import ExperimentRecords
from touchline.predictions.records import VariantCount
from touchline.rollout.records import Experiment
from touchline.rollout.spec import Guardrail
from touchline.statistics import RateCount, RateGuardrail, RateVerdict, compare_rates
from touchline.storage import Database
from touchline.storage.ulids import ulid_at

_MILLISECONDS: Final = 1000.0
# Rows reach the log within seconds; those of a longer outage are counted by the next whole check.
_SETTLED: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class GuardrailResult:
    """One guardrail's verdict: harmful, harmless (shown to be within the margin) or undecided."""

    guardrail: Guardrail
    candidate: RateCount
    reference: RateCount
    verdict: RateVerdict

    @property
    def message(self) -> str:
        """The verdict in words with its numbers."""
        ours, theirs = _share(self.candidate), _share(self.reference)
        found = {
            "harmful": "breached",
            "harmless": "shown to hold",
            "undecided": "not breached, not yet shown to hold",
        }[self.verdict]
        what = "failed" if self.guardrail.kind == "errors" else f"over {self.guardrail.milliseconds:g} ms"
        return (
            f"{what}: candidate {ours} of {self.candidate.trials}, Production {theirs} of {self.reference.trials}; "
            f"a margin of {self.guardrail.margin * 100:g} points is {found}"
        )


def check_guardrails(database: Database, experiment: Experiment) -> tuple[GuardrailResult, ...]:
    """The guardrails of a rollout on all that was logged of it so far."""
    return GuardrailWatch(database, experiment).check()


class GuardrailWatch:
    """Checks the guardrails of one rollout again and again, reading each logged row once.

    In a shadow the reference has answered every row that the candidate predicts beside it, and the time of a shadow
    prediction, made in batches, is no request's time: only its failures count.
    """

    def __init__(self, database: Database, experiment: Experiment) -> None:
        self.experiment = experiment
        self._records = ExperimentRecords(database, experiment.id)
        self._counted: dict[float, Counter[_Arm]] = {}
        self._until = ""

    def check(self, wall: datetime | None = None) -> tuple[GuardrailResult, ...]:
        """The verdicts now. With the wall time, rows older than a minute are remembered and not read again."""
        rule = self.experiment.rule
        guardrails = [one for one in rule.guardrails if one.kind == "errors" or rule.is_split]
        boundary = self._until if wall is None else max(self._until, ulid_at(wall - _SETTLED))
        limits = {guardrail.milliseconds / _MILLISECONDS for guardrail in guardrails}
        counts = {seconds: self._count(seconds, boundary) for seconds in limits}
        self._until = boundary
        return tuple(self._result(one, counts[one.milliseconds / _MILLISECONDS]) for one in guardrails)

    def _count(self, seconds: float, boundary: str) -> Counter[_Arm]:
        """All rows by arm; those up to the boundary are remembered."""
        settled = self._counted.setdefault(seconds, Counter())
        if boundary > self._until:
            settled.update(_arms(self._records.counts(slow_seconds=seconds, after=self._until, until=boundary)))
        return settled + _arms(self._records.counts(slow_seconds=seconds, after=boundary))

    def _result(self, guardrail: Guardrail, counts: Counter[_Arm]) -> GuardrailResult:
        candidate, reference = _rates(guardrail, counts, is_split=self.experiment.rule.is_split)
        rule = RateGuardrail(guardrail.margin, guardrail.alpha, guardrail.least_events)
        return GuardrailResult(guardrail, candidate, reference, compare_rates(candidate, reference, rule))


_Arm = tuple[str, str]


def _arms(counts: list[VariantCount]) -> Counter[_Arm]:
    """Rows by variant and role; those that took too long under the role with a note."""
    arms: Counter[_Arm] = Counter()
    for one in counts:
        arms[one.variant, one.role] += one.rows
        arms[one.variant, f"{one.role}, slow"] += int(one.slow or 0)
    return arms


def _rates(guardrail: Guardrail, arms: Counter[_Arm], *, is_split: bool) -> tuple[RateCount, RateCount]:
    """The rate of the candidate and that of its reference."""
    answer = "answer" if is_split else "shadow"

    def rate(variant: str) -> RateCount:
        answered, failed = arms[variant, answer], arms[variant, "failed"]
        if guardrail.kind == "errors":
            return RateCount(failed, answered + failed)
        return RateCount(arms[variant, f"{answer}, slow"], answered)

    candidate = rate("candidate")
    return candidate, rate("production") if is_split else RateCount(0, candidate.trials)


def _share(rate: RateCount) -> str:
    return f"{rate.events / rate.trials:.2%}" if rate.trials else "none"
