"""Performance on settled predictions: mature rows only, with intervals, beside the test window, and the loss alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.live_figures import (
    DayLoss,
    LiveMetric,
    OutputCalibration,
    TestWindow,
    date_of,
    live_calibration,
    live_metrics,
    loss_trend,
    losses_by_day,
)
from touchline.monitoring.live_rows import LiveRows, RowShape
from touchline.monitoring.loss_alarm import MIN_DAYS, AlarmState, WatchedRelease, alarm_over_releases, loss_reference
from touchline.monitoring.loss_estimate import LossEstimate
from touchline.monitoring.performance_messages import alarm_message, figures_message, too_few_message
from touchline.monitoring.slices import LiveSlices, check_slices
from touchline.monitoring.spec import Performance
from touchline.statistics import maturity_age

Index = NDArray[np.int64]
PerformanceState = Literal["not_enough_data", "unwatched", "stable", "degraded"]

_TREND_DAYS = 30


@dataclass(frozen=True)
class VariantLoss:
    """The loss of one version in one role: what answered, and what predicted beside it in a rollout.

    `variant` is `production` or `candidate`, as the log and the metrics of serving have it. `rows` are mature and have
    an outcome; `open` have none. `loss` and `estimate` are None where too few rows are there.
    """

    variant: str
    role: str
    version: int
    rows: int
    open: int
    loss: LiveMetric | None
    estimate: LossEstimate | None

    @classmethod
    def of(cls, variant: str, role: str, version: int, verdict: PerformanceVerdict) -> VariantLoss:
        """The figures of a check of the version's rows in that role."""
        loss = next((metric for metric in verdict.metrics if metric.name == verdict.score), None)
        return cls(variant, role, version, verdict.rows, verdict.open + verdict.young, loss, verdict.estimate)


@dataclass(frozen=True)
class PerformanceVerdict:
    """The result of a check.

    `mature_after_seconds` is the age from which rows count (None: no label yet), `coverage` the share of rows of that
    age with a label, `young` the rows below it. `incidents` have the days of onset, alarm and end (None: open);
    `alarm_level` is the evidence for a risen loss as a share of that of an alarm. `unwatched` says why no risen loss of
    this release opens an incident, with the next step; empty where one does. `facts` are what happened upstream around
    the onset of a risen loss.
    """

    at: datetime
    release_id: str
    state: PerformanceState
    message: str
    score: str
    rows: int
    young: int
    open: int
    unusable: int
    repeats: int
    coverage: float | None
    mature_after_seconds: float | None
    metrics: tuple[LiveMetric, ...] = ()
    calibration: tuple[OutputCalibration, ...] = ()
    slices: LiveSlices = field(default_factory=LiveSlices)
    variants: tuple[VariantLoss, ...] = ()
    trend: tuple[DayLoss, ...] = ()
    incidents: tuple[tuple[str, str, str | None], ...] = ()
    alarm_level: float = 0.0
    alarm_limit: float | None = None
    estimate: LossEstimate | None = None
    unwatched: str = ""
    notes: tuple[str, ...] = field(default=())
    facts: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The document that `performance_reports` stores."""
        return {**asdict(self), "at": self.at.isoformat()}

    @property
    def onset_on(self) -> str | None:
        """The day since which the loss is above its limit, while an incident is open."""
        return self.incidents[-1][0] if self.incidents and self.incidents[-1][2] is None else None

    @property
    def is_risen(self) -> bool:
        """Whether the loss has risen, or is estimated to, with its whole interval above the limit."""
        limit, estimate = self.alarm_limit, self.estimate
        return self.state == "degraded" or (limit is not None and estimate is not None and estimate.low > limit)


def with_estimate(verdict: PerformanceVerdict, estimate: LossEstimate, *, project: str) -> PerformanceVerdict:
    """The verdict with the estimate of rows without an outcome; a prior shift says what mends it."""
    notes = verdict.notes
    if estimate.is_reshared:
        shares = ", ".join(
            f"{before:.0%} → {now:.0%}" for before, now in zip(estimate.prior.before, estimate.prior.now, strict=True)
        )
        notes = (
            *notes,
            f"Prior shift: the shares of the classes changed ({shares}) and explain the new probabilities. "
            f"Recalibrating for the new shares mends it: touchline monitor recalibrate -p {project}. A new training is "
            "not needed.",
        )
    return replace(verdict, estimate=estimate, notes=notes, message=f"{verdict.message} {estimate.message}")


def maturity(live: LiveRows, *, share: float, now: datetime) -> tuple[NDArray[np.bool_], float | None]:
    """Which rows, labelled or not, are old enough for `share` of their labels to be in, and that age in seconds."""
    ages = now.timestamp() - live.answered
    if not live.has_label.any():
        return np.zeros(len(live), dtype=np.bool_), None
    known = live.at(live.has_label)
    age = maturity_age(known.received - known.answered, now.timestamp() - known.answered, share=share)
    return ages >= age, age


@dataclass(frozen=True)
class Refreshed:
    """The rows of a release that the one in Production has refreshed, directly or by others, and its test window."""

    version: int
    live: LiveRows
    test: TestWindow


@dataclass(frozen=True)
class CheckedRelease:
    """A release of a project: its id, the shape of its rows, its test window, and what it refreshed, oldest first."""

    project: str
    id: str
    shape: RowShape
    test: TestWindow
    refreshed: Sequence[Refreshed] = ()


def check_performance(
    live: LiveRows, release: CheckedRelease, *, rule: Performance, now: datetime
) -> PerformanceVerdict:
    """Evaluate the mature rows and say whether their loss has risen.

    The alarm is computed again over all days at each check, so a late or corrected outcome changes its own day. It goes
    on over refreshes: the days of the releases that this one refreshed count before its own. Figures are those of this
    release alone.
    """
    shape, test = release.shape, release.test
    is_mature, age = maturity(live, share=rule.mature_share, now=now)
    mature = live.at(is_mature)
    settled = mature.at(mature.has_label)
    verdict = PerformanceVerdict(
        at=now,
        release_id=release.id,
        state="not_enough_data",
        message="",
        score=test.score,
        rows=len(settled),
        young=len(live) - len(mature),
        open=len(mature) - len(settled),
        unusable=live.unusable,
        repeats=live.repeats,
        coverage=len(settled) / len(mature) if len(mature) else None,
        unwatched=unwatched_reason(test),
        mature_after_seconds=age,
        slices=check_slices(live, is_mature, shape, test, min_rows=rule.min_rows),
    )
    before = _settled_before(release.refreshed, rule, now)
    watched = len(settled) + sum(len(one.live) for one in before)
    if watched < rule.min_rows:
        return replace(verdict, message=too_few_message(verdict, rule))
    verdict = _with_alarm(verdict, [*before, Refreshed(0, settled, test)], rule)
    if len(settled) < rule.min_rows:
        return replace(verdict, message=alarm_message(verdict, rule, release.project))
    return _with_figures(verdict, settled, release)


def unwatched_reason(test: TestWindow) -> str:
    """Why no risen loss is told from chance against this test window, with the next step; empty where one is."""
    days = len(np.unique(test.days))
    if test.is_timed and days < MIN_DAYS:
        return (
            f"the test window has {days} days, {MIN_DAYS} are needed to know how much days differ: declare a longer "
            "one (Training(test=...)) and train again."
        )
    if test.is_timed:
        return ""
    tested = test.metrics.get(test.score)
    limit = None if tested is None else tested.value if tested.high is None else tested.high
    rule = (
        "" if limit is None else f", or declare a limit: Alerts(rules=[*DEFAULT_RULES, '{test.score} > {limit:.3g}'])"
    )
    return (
        "its table has no time, so that no test window shows how much days differ: name the time of its source "
        f"(event_time=...) and train again{rule}."
    )


def _with_figures(verdict: PerformanceVerdict, settled: LiveRows, release: CheckedRelease) -> PerformanceVerdict:
    found = replace(
        verdict,
        metrics=live_metrics(settled, release.shape, release.test),
        calibration=live_calibration(settled, release.shape),
        trend=loss_trend(settled, release.test)[-_TREND_DAYS:],
    )
    return replace(found, message=figures_message(found, release.project))


def _settled_before(refreshed: Sequence[Refreshed], rule: Performance, now: datetime) -> list[Refreshed]:
    """The mature rows with an outcome of earlier releases; those without any are left out."""
    found = []
    for one in refreshed:
        is_mature, _ = maturity(one.live, share=rule.mature_share, now=now)
        settled = one.live.at(is_mature & one.live.has_label)
        if len(settled):
            found.append(replace(one, live=settled))
    return found


def _with_alarm(verdict: PerformanceVerdict, releases: Sequence[Refreshed], rule: Performance) -> PerformanceVerdict:
    """The verdict with the state of the alarm over these releases, the last of which is in Production."""
    *before, newest = releases
    if verdict.unwatched:
        return replace(verdict, state="unwatched")
    comparable = [one for one in before if not unwatched_reason(one.test)]
    watched = [_watched(one, rule) for one in (*comparable, newest)]
    alarm = alarm_over_releases(watched, steps=rule.checks_a_year)
    notes: tuple[str, ...] = ()
    if comparable:
        versions = ", ".join(str(one.version) for one in comparable)
        notes = (f"The loss alarm goes on over refreshes: it has watched version {versions} before this one.",)
    return replace(
        verdict,
        state="degraded" if alarm.is_open else "stable",
        incidents=_dated(alarm, np.unique(np.concatenate([one.live.days for one in (*comparable, newest)]))),
        alarm_level=alarm.level,
        alarm_limit=watched[-1].reference.limit,
        notes=notes,
    )


def _watched(one: Refreshed, rule: Performance) -> WatchedRelease:
    days, losses, counts = losses_by_day(one.live, one.test)
    reference = loss_reference(one.test.losses, one.test.days, tolerance=rule.tolerance)
    return WatchedRelease(reference, days.tolist(), losses.tolist(), counts.tolist())


def _dated(alarm: AlarmState, days: Index) -> tuple[tuple[str, str, str | None], ...]:
    """The days of onset, alarm and end of each incident."""

    def on(place: int) -> str:
        return date_of(int(days[min(place, len(days) - 1)]))

    return tuple(
        (on(one.onset_day), on(one.alarm_day), None if one.end_day is None else on(one.end_day))
        for one in alarm.incidents
    )
