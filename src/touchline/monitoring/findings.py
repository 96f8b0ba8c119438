"""What the newest checks of a release found, whether or not an incident is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from touchline.monitoring.drift import DriftVerdict
from touchline.monitoring.drift_reports import DriftReports
from touchline.monitoring.performance_reports import PerformanceReports
from touchline.storage import Database


@dataclass(frozen=True)
class LossWatch:
    """Whether a risen loss of the version in Production would open an incident now, with the reason in a sentence.

    `waiting`: nothing was checked yet, or too few outcomes are there. `unwatched`: it never will for this release.
    """

    state: Literal["watched", "waiting", "unwatched"]
    sentence: str


def read_loss_watch(database: Database, project: str, release_id: str | None) -> LossWatch:
    """The watch on the loss of a release, from its newest performance report."""
    if release_id is None:
        return LossWatch("waiting", "The loss is not watched: nothing is in Production.")
    reports = [one for one in PerformanceReports(database, project).newest(1) if one["release_id"] == release_id]
    if not reports:
        check = f"touchline monitor performance -p {project}"
        return LossWatch("waiting", f"The loss is not watched yet: no check of this version has run ({check}).")
    report = reports[0]
    if reason := report.get("unwatched"):
        return LossWatch("unwatched", f"The loss is not watched: {reason}")
    if report["state"] == "not_enough_data":
        return LossWatch("waiting", f"The loss is not watched yet. {report['message']}")
    since = "an incident is open" if report["state"] == "degraded" else "no incident is open"
    return LossWatch("watched", f"The loss is watched, {since}: {report['rows']} predictions with an outcome count.")


def read_findings(database: Database, project: str, release_id: str | None) -> tuple[str, ...]:
    """Sentences on drift and on an estimated loss above that of labelled rows, each with the next command.

    Only checks of the release count: drift against another model's test rows says nothing of this one.
    """
    if release_id is None:
        return ()
    reports = [one for one in PerformanceReports(database, project).newest(1) if one["release_id"] == release_id]
    verdicts = DriftReports(database, project).newest_with_enough_rows(release_id, 1)
    sentences = [estimate_finding(one["estimate"], project) for one in reports if one["estimate"]]
    return tuple(filter(None, [*sentences, *(drift_finding(one, project) for one in verdicts)]))


def estimate_finding(estimate: Mapping[str, Any], project: str) -> str:
    """A sentence where the whole interval of an estimated loss is above the loss of labelled rows; else empty."""
    if estimate["low"] <= estimate["reference_loss"]:
        return ""
    return (
        f"The estimated {estimate['score']} of predictions without outcome, {estimate['value']:.4g}, is above the "
        f"{estimate['reference_loss']:.4g} of labelled rows: touchline monitor cause -p {project}."
    )


def drift_finding(verdict: DriftVerdict, project: str) -> str:
    """A sentence where columns drifted; else empty."""
    if verdict.state != "drift":
        return ""
    columns = f"{len(verdict.drifted)} of {len(verdict.columns)} columns drifted" if verdict.columns else "drift"
    return f"The newest drift check found: {columns} ({verdict.rows} rows): touchline monitor drift -p {project}."
