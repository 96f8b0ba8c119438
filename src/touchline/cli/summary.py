"""What `touchline up` ends with: addresses, what is in Production, and one real prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from touchline.cli.opening import Home, OpenedProject
from touchline.cli.processes.up import ask, base_url, mlflow_url

if TYPE_CHECKING:
    from touchline.project import LoadedProject
    from touchline.registry import ModelVersion

_METRIC_NAMES = {"log_loss": "log loss", "pr_auc": "PR AUC", "rmse": "RMSE"}
_BASELINE_NAMES = {"log_loss": "base rates", "pr_auc": "base rate", "rmse": "mean"}


@dataclass(frozen=True)
class InProduction:
    """One project's live version and the figure people look at first, beside the constant baseline's."""

    project: str
    semantic_version: str | None
    metric: str | None
    value: float | None
    baseline: float | None
    rows: int
    rows_name: str
    since: datetime | None
    clock: datetime | None


@dataclass(frozen=True)
class NextPrediction:
    """The next open example and what is predicted for it."""

    project: str
    cutoff: datetime
    keys: Mapping[str, str]
    output: Mapping[str, float]
    prediction_id: str
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """What is up."""

    api: str
    mlflow: str
    projects: tuple[InProduction, ...]
    default: str
    next: NextPrediction | None


def describe(home: Home, loaded: Sequence[LoadedProject]) -> Summary:
    """Look at every project, and ask the running server for one prediction."""
    doors = [OpenedProject(home, one) for one in loaded]
    lines = tuple(_in_production(opened) for opened in doors)
    names = [line.project for line in lines]
    default = home.settings.project if home.settings.project in names else names[0]
    return Summary(base_url(home), mlflow_url(home), lines, default, _next_prediction(home, doors))


def print_summary(summary: Summary) -> None:
    """The summary as people read it."""
    typer.echo(f"touchline is up: API {summary.api}/docs · MLflow {summary.mlflow} · stop: make stop")
    width = max(len(line.project) for line in summary.projects)
    for line in summary.projects:
        typer.echo(f"  {line.project:<{width}}  {_in_words(line)}")
    found = summary.next
    if found is None:
        return
    who = " – ".join(found.keys.values())
    said = "  ".join(f"{name} {value:.2f}" for name, value in found.output.items())
    typer.echo(f"Next: {found.cutoff:%Y-%m-%d} {who}   {said}   prediction {found.prediction_id}")
    scope = "" if found.project == summary.default else f"/projects/{found.project}"
    url = f"{summary.api}{scope}/predict".removeprefix("http://")
    body = json.dumps(dict(found.request), ensure_ascii=False)
    typer.echo(f"  why: touchline trace {found.prediction_id}")
    typer.echo(f"  ask again: curl -s {url} -d '{body}'")


def _in_words(line: InProduction) -> str:
    if line.semantic_version is None:
        return f"nothing in Production yet: touchline models list -p {line.project}"
    figure = ""
    if line.metric is not None and line.value is not None:
        against = f" ({_BASELINE_NAMES[line.metric]} {line.baseline:.3f})" if line.baseline is not None else ""
        figure = f"{_METRIC_NAMES[line.metric]} {line.value:.3f}{against} on {line.rows} {line.rows_name}"
    since = f" since {line.since:%Y-%m}" if line.since else ""
    clock = f"   clock {line.clock:%Y-%m-%d}" if line.clock and line.since else ""
    return f"{line.semantic_version} in Production   {figure}{since}{clock}"


def _in_production(opened: OpenedProject) -> InProduction:
    from touchline.errors import VersionNotFound
    from touchline.registry import read_version

    name, rows_name = opened.project.name, opened.project.task.examples.sources[0].name
    clock = opened.clock.now() if opened.project.frozen_at() else None
    try:
        version = read_version(opened.stores, name, "Production")
    except VersionNotFound:
        return InProduction(name, None, None, None, None, 0, rows_name, None, clock)
    metric = _headline(version)
    value = version.metrics[metric].value if metric else None
    baseline = version.baseline[metric].value if metric and metric in version.baseline else None
    is_timed = any(source.event_time for source in opened.project.task.examples.sources)
    since = version.test_from if is_timed else None
    return InProduction(name, version.semantic_version, metric, value, baseline, version.rows, rows_name, since, clock)


def _headline(version: ModelVersion) -> str | None:
    """Precision and recall where one of two classes is rare, else the score; None where none was measured."""
    rare = version.baseline.get("pr_auc")
    is_rare = len(version.classes) == 2 and rare is not None and rare.value is not None and rare.value < 0.2
    wanted = ["pr_auc"] if is_rare else ["log_loss", "rmse"]
    return next((name for name in wanted if name in version.metrics), None)


def _next_prediction(home: Home, doors: Sequence[OpenedProject]) -> NextPrediction | None:
    from touchline.predictions import open_examples_of

    for opened in doors:
        name = opened.project.name
        found = open_examples_of(home.database, name, after=opened.clock.now(), limit=1)
        if not found or not found[0].entity_keys:
            continue
        example = found[0]
        answer = ask(
            f"{base_url(home)}/projects/{name}/predict",
            body={**example.entity_keys, "example_id": example.example_id},
        )
        output = answer.get("probabilities") or {"value": answer.get("value")}
        keys = dict(example.entity_keys)
        return NextPrediction(name, example.cutoff, keys, output, answer["prediction_id"], keys)
    return None
