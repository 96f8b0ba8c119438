"""A number is one number: in MLflow, on the card, in the report, in the release and in what it was computed from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.samples import SAMPLES, a_small_sample, trained
from touchline.cli.opening import OpenedProject
from touchline.registry import (
    ModelVersion,
    Registry,
    download_release,
    load_release,
    read_card,
    read_predictions,
    read_version,
)

pytestmark = pytest.mark.services


@pytest.fixture(scope="module", params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[OpenedProject, Registry]:
    opened = a_small_sample(request.param, tmp_path_factory.mktemp(request.param))
    report, registry = trained(opened)
    assert report.refusal is None
    return opened, registry


def in_production(sample: tuple[OpenedProject, Registry]) -> tuple[Registry, ModelVersion]:
    opened, registry = sample
    return registry, read_version(registry, opened.project.name, "Production")


def report_of(registry: Registry, version: ModelVersion) -> dict[str, Any]:
    """The evaluation report as MLflow's page of the run shows it."""
    path = Path(registry.tracking.client.download_artifacts(version.run_id, "evaluation.json"))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_metric_is_the_same_number_everywhere(sample: tuple[OpenedProject, Registry], tmp_path: Path) -> None:
    registry, version = in_production(sample)
    report = report_of(registry, version)
    assert registry.objects.read(f"{version.object_key}/evaluation.json").decode() == (
        Path(registry.tracking.client.download_artifacts(version.run_id, "evaluation.json")).read_text()
    )
    logged = registry.tracking.client.get_run(version.run_id).data.metrics
    manifest = load_release(download_release(registry, version.project, version.version, tmp_path)).manifest
    card = read_card(registry, version.project, version.version)
    assert set(report["metrics"]) == set(version.metrics)
    for name, told in report["metrics"].items():
        metric = version.metrics[name]
        assert (metric.value, metric.low, metric.high) == (told["value"], told["low"], told["high"])
        assert logged[name] == told["value"]
        assert (logged.get(f"{name}_low"), logged.get(f"{name}_high")) == (told["low"], told["high"])
        assert logged.get(f"baseline_{name}") == report["baseline"][name]["value"]
        assert manifest.metrics[name] == told["value"]
        interval = "" if told["low"] is None else f"[{told['low']:.4g}, {told['high']:.4g}]"
        line = f"| {name} | {told['value']:.4g} | {interval} | {report['baseline'][name]['value']:.4g} |"
        assert line in card.markdown
        assert f"<td>{name}</td><td>{told['value']:.4g}</td>" in card.html
    assert logged["test_rows"] == report["rows"] == version.rows


def test_the_numbers_are_those_of_the_kept_predictions(sample: tuple[OpenedProject, Registry]) -> None:
    registry, version = in_production(sample)
    frame = read_predictions(registry, version)
    assert frame.height == version.rows
    if version.classes:
        said = frame.select(f"p_{name}" for name in version.classes).to_numpy()
        codes = np.array([version.classes.index(str(label)) for label in frame["label"]])
        losses = -np.log(said[np.arange(len(said)), codes])
        assert losses.mean() == pytest.approx(version.metrics["log_loss"].value, rel=1e-12)
        hits = said.argmax(axis=1) == codes
        if len(version.classes) > 2:
            assert hits.mean() == pytest.approx(version.metrics["accuracy"].value, rel=1e-12)
    else:
        errors = frame["value"].to_numpy() - frame["label"].cast(float).to_numpy()
        assert np.sqrt((errors**2).mean()) == pytest.approx(version.metrics["rmse"].value, rel=1e-12)
        assert np.abs(errors).mean() == pytest.approx(version.metrics["mae"].value, rel=1e-12)


def test_the_numbers_of_the_gates_are_those_of_the_metrics(sample: tuple[OpenedProject, Registry]) -> None:
    registry, version = in_production(sample)
    entry = next(change for change in registry.journal.history(version.project) if change.gate_report)
    first = (entry.gate_report or {})["gates"][0]
    metric = first["name"].split()[0]
    assert first["number"] == version.metrics[metric].value
    assert first["message"] in read_card(registry, version.project, version.version).markdown
