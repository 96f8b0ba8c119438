"""A performance verdict in words, with the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.monitoring.performance import PerformanceVerdict
    from touchline.monitoring.spec import Performance


def _are(predictions: int) -> str:
    return "prediction is" if predictions == 1 else "predictions are"


def too_few_message(verdict: PerformanceVerdict, rule: Performance) -> str:
    young = f" {verdict.young} {_are(verdict.young)} too young to count." if verdict.young else ""
    later = f" With outcomes there will be figures and no alarm: {verdict.unwatched}" if verdict.unwatched else ""
    if verdict.mature_after_seconds is None:
        none = "no prediction of the version in Production has an outcome yet"
        return f"Not enough data: {none}.{young} Send outcomes, or ingest them.{later}"
    return (
        f"Not enough data: {verdict.rows} of {rule.min_rows} mature predictions with an outcome.{young} "
        f"{verdict.open} older ones have none that counts.{later}"
    )


def figures_message(verdict: PerformanceVerdict, project: str) -> str:
    score = next(metric for metric in verdict.metrics if metric.name == verdict.score)
    between = "" if score.low is None else f" ({score.low:.4g} to {score.high:.4g})"
    tested = "" if score.test is None else f", {score.test:.4g} in the test window"
    figures = f"{verdict.score} {score.value:.4g}{between} on {verdict.rows} mature predictions{tested}"
    coverage = "" if verdict.coverage is None else f" {verdict.coverage:.0%} of mature predictions have an outcome."
    if verdict.unwatched:
        return f"The loss is not watched: {verdict.unwatched} Its figures: {figures}.{coverage}"
    return _of_the_alarm(verdict, f"{figures}.{coverage}", project)


def alarm_message(verdict: PerformanceVerdict, rule: Performance, project: str) -> str:
    """The message where this release has too few rows for figures of its own."""
    few = f"{verdict.rows} of {rule.min_rows} mature predictions with an outcome are this version's own"
    if verdict.unwatched:
        return f"The loss is not watched: {verdict.unwatched} {few[0].upper()}{few[1:]}."
    return _of_the_alarm(verdict, f"{few}, the others those of the versions that it refreshed.", project)


def _of_the_alarm(verdict: PerformanceVerdict, figures: str, project: str) -> str:
    if verdict.state == "stable":
        return f"No loss incident: {figures}"
    return (
        f"Loss incident since about {verdict.onset_on}, found on {verdict.incidents[-1][1]}: {figures} "
        f"See the cause (touchline monitor cause -p {project}); then mend the source, roll back (touchline models "
        f"rollback -p {project} --reason '...') or train again (touchline retrain -p {project})."
    )
