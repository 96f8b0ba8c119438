"""The last output of `touchline up`: addresses, the versions in Production, and one real prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from touchline import automation, predictions
from touchline.cli.opening import Home, OpenedProject
from touchline.cli.server_client import api_url, mlflow_url, request_json
from touchline.errors import ServerRefused

if TYPE_CHECKING:
    from touchline.automation import ProductionSummary


@dataclass(frozen=True)
class NextPrediction:
    """The next open example and its prediction."""

    project: str
    cutoff: datetime
    keys: Mapping[str, str]
    output: Mapping[str, float]
    prediction_id: str
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """The running servers, and the served projects."""

    api: str
    mlflow: str
    projects: tuple[ProductionSummary, ...]
    default: str
    next: NextPrediction | None
    note: str | None = None


def summarize(home: Home, opened: Sequence[OpenedProject]) -> Summary:
    """Summarize every project, and ask the running server for one prediction."""
    lines = tuple(automation.summarize_production(one.project, one.stores) for one in opened)
    names = [line.project for line in lines]
    default = home.settings.project if home.settings.project in names else names[0]
    summary = Summary(api_url(home), mlflow_url(home), lines, default, None)
    try:
        return replace(summary, next=_next_prediction(home, opened))
    except ServerRefused as refusal:
        return replace(summary, note=f"no sample prediction: {refusal}")


def print_summary(summary: Summary) -> None:
    """The summary as text."""
    places = f"dashboard {summary.api} · API {summary.api}/docs · MLflow {summary.mlflow}"
    typer.echo(f"touchline is up: {places} · stop: make stop")
    width = max(len(line.project) for line in summary.projects)
    for line in summary.projects:
        typer.echo(f"  {line.project:<{width}}  {line.sentence}")
    prediction = summary.next
    if summary.note is not None:
        typer.echo(summary.note)
    if prediction is None:
        return
    entity = " – ".join(prediction.keys.values()) or f"example {prediction.request['example_id']}"
    output = "  ".join(f"{name} {value:.2f}" for name, value in prediction.output.items())
    typer.echo(f"Next: {prediction.cutoff:%Y-%m-%d} {entity}   {output}   prediction {prediction.prediction_id}")
    scope = "" if prediction.project == summary.default else f"/projects/{prediction.project}"
    url = f"{summary.api}{scope}/predict".removeprefix("http://")
    body = json.dumps(dict(prediction.request), ensure_ascii=False)
    typer.echo(f"  its origin: touchline trace {prediction.prediction_id}")
    typer.echo(f"  request it again: curl -s {url} -d '{body}'")


def _next_prediction(home: Home, opened: Sequence[OpenedProject]) -> NextPrediction | None:
    for one in opened:
        if one.stores.journal.state(one.name).production is None:
            continue
        examples = predictions.OpenExampleRecords(home.database, one.name).read(after=one.clock.now(), limit=1)
        if not examples:
            continue
        example, keys = examples[0], dict(examples[0].entity_keys)
        url = f"{api_url(home)}/projects/{one.name}/predict"
        request = {**keys, "example_id": example.example_id}
        response = request_json(url, body=request, api_key=home.settings.api_key)
        output = response.get("probabilities") or {"value": response.get("value")}
        return NextPrediction(one.name, example.cutoff, keys, output, response["prediction_id"], request)
    return None
