"""What a performance report says about the loss, as observations for alerts: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from touchline.alerts import Observation
from touchline.alerts.signals import SIGNALS
from touchline.statistics import PriorShift
from touchline.training import LOWER_IS_BETTER


def loss_observations(project: str, report: Mapping[str, Any]) -> Iterator[Observation]:
    """The state of the loss alarm, every metric, and the estimate of the loss, of a stored performance report.

    A report with too few rows says nothing. The value of a metric is the end of its 95 % interval on the good side, so
    that few outcomes do not break a limit by chance. All belong to one incident.
    """
    if report["state"] == "not_enough_data":
        return
    incident = report["incidents"][-1] if report["incidents"] and report["incidents"][-1][2] is None else None
    yield _observation(
        project,
        "loss",
        report,
        is_wrong=report["state"] == "degraded",
        since=_day(incident[0]) if incident else None,
        happened=report["message"],
        certainty="sequential test over days; at most one false alarm a year is expected",
        facts=tuple(report["facts"]),
    )
    for metric in report["metrics"]:
        if metric["name"] in SIGNALS:
            yield _metric(project, report, metric)
    if report["estimate"] is not None and report["alarm_limit"] is not None:
        yield _estimate(project, report, report["estimate"])


def _metric(project: str, report: Mapping[str, Any], metric: Mapping[str, Any]) -> Observation:
    name, low, high = metric["name"], metric["low"], metric["high"]
    good_end = low if name in LOWER_IS_BETTER else high
    between = "no interval" if low is None else f"95 % interval {low:.4g} to {high:.4g}"
    return _observation(
        project,
        name,
        report,
        value=good_end,
        happened=f"{name} is {metric['value']:.4g}",
        certainty=f"{between}, from {report['rows']} predictions with an outcome",
    )


def _estimate(project: str, report: Mapping[str, Any], estimate: Mapping[str, Any]) -> Observation:
    low, limit = estimate["low"], report["alarm_limit"]
    return _observation(
        project,
        "estimated_loss",
        report,
        is_wrong=low > limit,
        value=low,
        happened=f"the estimated {estimate['score']} of predictions without outcome is {estimate['value']:.4g}, above "
        f"the limit of {limit:.4g}",
        certainty=f"{low:.4g} to {estimate['high']:.4g}; {estimate['note']}",
        facts=tuple(report["facts"]),
    )


def _observation(project: str, signal: str, report: Mapping[str, Any], **facts: Any) -> Observation:
    metrics = {metric["name"]: metric for metric in report["metrics"]}
    score = metrics.get(report["score"], {})
    measured, tested = score.get("value"), score.get("test")
    cost = "not measured: no test figure to compare with"
    if measured is not None and tested is not None:
        cost = f"{report['score']} {measured - tested:+.4g} a prediction against the test window"
    facts["since"] = facts.get("since") or datetime.fromisoformat(report["at"])
    next_command = f"touchline monitor {'recalibrate' if _is_prior_shift(report) else 'cause'} -p {project}"
    return Observation(signal, cost=cost, next_command=next_command, cause="loss", **facts)


def _is_prior_shift(report: Mapping[str, Any]) -> bool:
    estimate = report["estimate"]
    return estimate is not None and PriorShift(**estimate["prior"]).is_shift()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
