"""A performance verdict in words, with the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.monitoring.performance import PerformanceVerdict
    from touchline.monitoring.spec import Performance


def too_few_message(verdict: PerformanceVerdict, rule: Performance) -> str:
    young = f" {verdict.young} predictions are too young to count." if verdict.young else ""
    if verdict.mature_after_seconds is None:
        none = "no prediction of the version in Production has an outcome yet"
        return f"Not enough data: {none}.{young} Send outcomes, or ingest them."
    return (
        f"Not enough data: {verdict.rows} of {rule.min_rows} mature predictions with an outcome.{young} "
        f"{verdict.open} older ones have none that counts."
    )


def figures_message(verdict: PerformanceVerdict) -> str:
    score = next(metric for metric in verdict.metrics if metric.name == verdict.score)
    between = "" if score.low is None else f" ({score.low:.4g} to {score.high:.4g})"
    tested = "" if score.test is None else f", {score.test:.4g} in the test window"
    figures = f"{verdict.score} {score.value:.4g}{between} on {verdict.rows} mature predictions{tested}"
    coverage = "" if verdict.coverage is None else f" {verdict.coverage:.0%} of mature predictions have an outcome."
    if verdict.alarm_limit is None:
        return f"No alarm can be raised: {figures}.{coverage} {' '.join(verdict.notes)}"
    return _of_the_alarm(verdict, f"{figures}.{coverage}")


def alarm_message(verdict: PerformanceVerdict, rule: Performance) -> str:
    """The message where this release has too few rows for figures of its own."""
    few = f"{verdict.rows} of {rule.min_rows} mature predictions with an outcome are this version's own"
    if verdict.alarm_limit is None:
        return f"No alarm can be raised: {few}. {' '.join(verdict.notes)}"
    return _of_the_alarm(verdict, f"{few}, the others those of the versions that it refreshed.")


def _of_the_alarm(verdict: PerformanceVerdict, figures: str) -> str:
    if verdict.state == "stable":
        return f"No loss incident: {figures}"
    return (
        f"Loss incident since about {verdict.onset_on}, found on {verdict.incidents[-1][1]}: {figures} "
        "See the cause (touchline monitor cause); then mend the source, roll back (touchline models rollback --reason "
        "'...') or train again (touchline retrain)."
    )
