"""Trainings as MLflow keeps them: listed, filtered, sorted, compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from touchline.errors import InvalidFilter, RunNotFound, RunValueUnknown
from touchline.registry.journal.versions import ModelVersion, Registry, read_versions
from touchline.registry.runs.tracking import KEY_TAG, experiment_name
from touchline.training import LOWER_IS_BETTER

if TYPE_CHECKING:
    from mlflow.entities import Run

_CONDITION = re.compile(r"\s*(?P<name>[\w.@]+)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>'[^']*'|\"[^\"]*\"|[^\s]+)\s*")
_PAGE = 1000
_SHORTEST_PREFIX = 3
_OWN = {"status": "attributes.status", "name": "attributes.run_name"}
_STARTS = ("started", "started_at")


@dataclass(frozen=True)
class RunSummary:
    """One training, or one candidate or trial below it (`parent_id` names the training)."""

    run_id: str
    name: str
    status: str
    started_at: datetime
    seconds: float | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    version: int | None = None
    semantic_version: str | None = None
    stage: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list. `where` reads `log_loss < 1.0 and candidate = lightgbm`; `sort` is a metric, a parameter
    or `started`, with `-` in front for the largest first.
    """

    where: str = ""
    sort: str = "-started"
    limit: int = 50
    has_children: bool = False


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side: parameters that differ, and every metric, by run."""

    runs: tuple[RunSummary, ...]
    params: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


def list_runs(registry: Registry, project: str, query: RunQuery = RunQuery()) -> list[RunSummary]:
    """The runs of a project, trainings only unless `has_children`.

    Raises `InvalidFilter` for a condition that cannot be read, `RunValueUnknown` for a metric or a parameter that no
    run has, in a condition or to sort by.
    """
    conditions = [] if query.has_children else [f"tags.`{KEY_TAG}` != ''"]
    is_by_start = query.sort.removeprefix("-") in _STARTS
    if query.where.strip() or not is_by_start:
        values = _read_values(registry, project, " and ".join(conditions))
        if values.is_empty:
            return []
        if not is_by_start:
            values.validate(project, query.sort.removeprefix("-"))
        parts = re.split(r"\s+and\s+", query.where.strip(), flags=re.I)
        conditions += [_condition(text, project, values) for text in parts if text]
    # MLflow sorts by the start; it reads parameters and metrics only of the runs that it gives.
    most = query.limit if query.sort in ("-started", "-started_at") else None
    where = " and ".join(conditions)
    found = registry.tracking.attempt(lambda: _search(registry, project, where, limit=most))
    versions = {version.run_id: version for version in read_versions(registry, project)}
    runs = _sorted([_summary(run, versions.get(run.info.run_id)) for run in found], query.sort)
    return runs[: query.limit]


def count_runs(registry: Registry, project: str, *, has_children: bool = False) -> int:
    """The number of trainings of a project; with `has_children` also of their candidates and trials."""
    where = "" if has_children else f"tags.`{KEY_TAG}` != ''"
    return len(registry.tracking.attempt(lambda: _search(registry, project, where)))


def best_run(registry: Registry, project: str, metric: str, *, where: str = "") -> RunSummary:
    """The training with the best test value of a metric; which end is best is known from the metric.

    Raises `RunValueUnknown` for a metric that no training has, `RunNotFound` where no training has it and matches.
    """
    values = _read_values(registry, project, f"tags.`{KEY_TAG}` != ''")
    if not values.is_empty and metric not in values.metrics:
        raise RunValueUnknown(project, "metric", metric, values.metrics)
    sign = "" if metric in LOWER_IS_BETTER else "-"
    runs = list_runs(registry, project, RunQuery(where, f"{sign}{metric}", limit=1))
    if not runs or metric not in runs[0].metrics:
        matching = f" that matches {where!r}, of {count_runs(registry, project)} trainings" if where else ""
        raise RunNotFound(project, f"with a {metric}{matching}")
    return runs[0]


def compare_runs(registry: Registry, project: str, references: Sequence[str]) -> RunComparison:
    """Runs side by side, each by its id, the beginning of its id, or its version."""
    versions = read_versions(registry, project)
    runs = tuple(_find(registry, project, versions, reference) for reference in references)
    params = {name: tuple(run.params.get(name) for run in runs) for run in runs for name in sorted(run.params)}
    metrics = {name: tuple(run.metrics.get(name) for run in runs) for run in runs for name in sorted(run.metrics)}
    return RunComparison(runs, {name: values for name, values in params.items() if len(set(values)) > 1}, metrics)


def _find(registry: Registry, project: str, versions: Sequence[ModelVersion], reference: str) -> RunSummary:
    """The run of a version, or the run whose id begins with the reference."""
    prefix = next((one.run_id for one in versions if str(one.version) == reference.removeprefix("v")), reference)
    if len(prefix) > _SHORTEST_PREFIX and prefix.isalnum():
        where = f"attributes.run_id LIKE '{prefix}%'"
        for run in registry.tracking.attempt(lambda: _search(registry, project, where, limit=1)):
            return _summary(run, next((one for one in versions if one.run_id == run.info.run_id), None))
    raise RunNotFound(project, repr(reference))


def _search(registry: Registry, project: str, where: str, *, limit: int | None = None) -> list[Run]:
    """The matching runs, newest first; at most `limit`."""
    client = registry.tracking.client
    experiment = client.get_experiment_by_name(experiment_name(project))
    if experiment is None:
        return []
    found: list[Run] = []
    token: str | None = None
    newest_first = ["attributes.start_time DESC"]
    while True:
        rows = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = client.search_runs(
            [experiment.experiment_id], where, max_results=rows, order_by=newest_first, page_token=token
        )
        found += list(page)
        token = page.token
        if not token or len(found) == limit:
            return found


@dataclass(frozen=True)
class _RunValues:
    """The names of the metrics and parameters that runs have."""

    metrics: frozenset[str]
    params: frozenset[str]

    @property
    def is_empty(self) -> bool:
        return not self.metrics | self.params

    def validate(self, project: str, name: str) -> None:
        """Raise `RunValueUnknown` for a name that no run has."""
        if name not in self.metrics | self.params:
            raise RunValueUnknown(project, "metric or parameter", name, self.metrics | self.params)


def _read_values(registry: Registry, project: str, where: str) -> _RunValues:
    runs = registry.tracking.attempt(lambda: _search(registry, project, where))
    metrics = frozenset(name for run in runs for name in run.data.metrics)
    return _RunValues(metrics, frozenset(name for run in runs for name in run.data.params))


def _condition(text: str, project: str, values: _RunValues) -> str:
    """One condition in MLflow's own words."""
    read = _CONDITION.fullmatch(text)
    if read is None:
        raise InvalidFilter(text)
    name, sign, value = read["name"], read["sign"], read["value"].strip("'\"")
    if name in _OWN:
        return f"{_OWN[name]} {sign} '{value}'"
    if "'" in value:
        raise InvalidFilter(text)
    values.validate(project, name)
    if name in values.metrics:
        try:
            return f"metrics.`{name}` {sign} {float(value):.17g}"
        except ValueError:
            raise InvalidFilter(text, f"{name} is a metric, so its value is a number") from None
    if sign not in ("=", "!="):
        raise InvalidFilter(text, f"{name} is a parameter, which only = and != compare")
    return f"params.`{name}` {sign} '{value}'"


def _summary(run: Run, version: ModelVersion | None) -> RunSummary:
    started, ended = run.info.start_time, run.info.end_time
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        started_at=datetime.fromtimestamp(started / 1000, UTC),
        seconds=(ended - started) / 1000 if ended else None,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        version=version.version if version else None,
        semantic_version=version.semantic_version if version else None,
        stage=version.stage if version else None,
        parent_id=run.data.tags.get("mlflow.parentRunId"),
    )


def _sorted(runs: list[RunSummary], sort: str) -> list[RunSummary]:
    """Sorted by a metric, a parameter or the start; runs without the value come last."""
    name = sort.removeprefix("-")
    down = sort.startswith("-")

    def value(run: RunSummary) -> float | str | None:
        if name in _STARTS:
            return run.started_at.timestamp()
        return run.metrics.get(name, run.params.get(name))

    having = [run for run in runs if value(run) is not None]
    lacking = [run for run in runs if value(run) is None]
    texts = any(isinstance(value(run), str) for run in having)
    having.sort(key=lambda run: str(value(run)) if texts else value(run), reverse=down)  # type: ignore[arg-type,return-value]  # all of one type here
    return having + lacking
