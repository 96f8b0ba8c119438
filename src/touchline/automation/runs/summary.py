"""The version of a project in Production with the one metric that people look at first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from touchline.errors import VersionNotFound
from touchline.registry import read_version, read_versions

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import ModelVersion, Registry

_RARE = 0.2
_METRIC_NAMES = {"log_loss": "log loss", "pr_auc": "PR AUC", "rmse": "RMSE"}
_BASELINE_NAMES = {"log_loss": "base rates", "pr_auc": "base rate", "rmse": "mean"}


@dataclass(frozen=True)
class ProductionSummary:
    """The version in Production and its first metric beside the constant baseline's; None where there is none.

    `since` is the start of the test window, `clock` the time of a frozen clock.
    """

    project: str
    semantic_version: str | None
    metric: str | None
    value: float | None
    baseline: float | None
    rows: int
    rows_name: str
    since: datetime | None
    clock: datetime | None
    has_versions: bool = True

    @property
    def sentence(self) -> str:
        """The version in Production and its metric in words: for `touchline up`, the API and the dashboard."""
        if self.semantic_version is None:
            command = "models list" if self.has_versions else "train"
            return f"nothing in Production yet: touchline {command} -p {self.project}"
        metric = ""
        if self.metric is not None and self.value is not None:
            baseline = f" ({_BASELINE_NAMES[self.metric]} {self.baseline:.3f})" if self.baseline is not None else ""
            metric = f", {_METRIC_NAMES[self.metric]} {self.value:.3f}{baseline} on {self.rows} {self.rows_name}"
        since = f" since {self.since:%Y-%m}" if self.since else ""
        clock = f"; clock {self.clock:%Y-%m-%d}" if self.clock and self.since else ""
        return f"{self.semantic_version} in Production{metric}{since}{clock}"


def summarize_production(project: Project, stores: Registry) -> ProductionSummary:
    """The summary of one project."""
    name, rows_name = project.name, project.task.examples.sources[0].name
    clock = stores.clock.now() if project.frozen_at() else None
    try:
        version = read_version(stores, name, "Production")
    except VersionNotFound:
        has_versions = bool(read_versions(stores, name))
        return ProductionSummary(name, None, None, None, None, 0, rows_name, None, clock, has_versions)
    metric = headline_metric(version)
    is_timed = any(source.event_time for source in project.task.examples.sources)
    return ProductionSummary(
        project=name,
        semantic_version=version.semantic_version,
        metric=metric,
        value=version.metrics[metric].value if metric else None,
        baseline=version.baseline[metric].value if metric and metric in version.baseline else None,
        rows=version.rows,
        rows_name=rows_name,
        since=version.test_from if is_timed else None,
        clock=clock,
    )


def headline_metric(version: ModelVersion) -> str | None:
    """The one metric that every page and command names first for a version.

    PR AUC where the positive class is rare, else log loss or RMSE; None where none was measured.
    """
    base_rate = version.baseline.get("pr_auc")
    is_rare = len(version.classes) == 2 and base_rate and base_rate.value is not None and base_rate.value < _RARE
    return next((name for name in (["pr_auc"] if is_rare else ["log_loss", "rmse"]) if name in version.metrics), None)
