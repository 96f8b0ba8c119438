"""Two versions side by side: their inputs, their metrics, and whether chance explains the difference."""

from __future__ import annotations

from dataclasses import dataclass

from touchline.errors import TooFewClusters
from touchline.registry.gates.evidence import losses
from touchline.registry.gates.stored_predictions import (
    cluster_names,
    dependence_of,
    labels_and_predictions,
    read_predictions,
    read_recipe,
)
from touchline.registry.journal.versions import MetricValue, ModelVersion, Registry, read_version
from touchline.statistics import cluster_codes, paired_comparison


@dataclass(frozen=True)
class PairedDifference:
    """The mean loss of the first minus that of the second on the test rows both have; negative: the first is better."""

    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    rows: int
    clusters: int


@dataclass(frozen=True)
class VersionComparison:
    """Two versions. `paired` is None where they share too few test rows to tell, and `note` says so."""

    first: ModelVersion
    second: ModelVersion
    metrics: dict[str, tuple[MetricValue | None, MetricValue | None]]
    hashes: dict[str, tuple[str | None, str | None]]
    recipe: dict[str, tuple[str, str]]
    paired: PairedDifference | None
    note: str

    @property
    def sentence(self) -> str:
        """The verdict: which of the two is better on the rows that both have predicted, or why nobody can tell."""
        if self.paired is None:
            return f"No paired comparison: {self.note}."
        paired = self.paired
        interval = f"95 % from {paired.low:+.4f} to {paired.high:+.4f}, one-sided p = {paired.p_value:.3f}"
        better = self.first if paired.difference < 0 else self.second
        is_sure = paired.low > 0 or paired.high < 0
        verdict = f"version {better.version} is better" if is_sure else "chance explains the difference"
        order = f"{paired.metric} of version {self.first.version} minus that of version {self.second.version}"
        return f"{order}: {paired.difference:+.4f} ({interval}) {self.note}: {verdict}."


def compare_versions(registry: Registry, project: str, first: str | int, second: str | int) -> VersionComparison:
    """Metrics, hashes and recipes side by side, and a paired comparison on the test rows they share."""
    a, b = read_version(registry, project, first), read_version(registry, project, second)
    paired, note = _paired(registry, a, b)
    return VersionComparison(
        first=a,
        second=b,
        metrics={name: (a.metrics.get(name), b.metrics.get(name)) for name in {**a.metrics, **b.metrics}},
        hashes={name: (a.hashes.get(name), b.hashes.get(name)) for name in {**a.hashes, **b.hashes}},
        recipe=_recipe_differences(registry, a, b),
        paired=paired,
        note=note,
    )


def recipe_settings(registry: Registry, version: ModelVersion) -> dict[str, str]:
    """The settings of a version's recipe by name, as text."""
    return _flat(read_recipe(registry, version).to_json())


def _recipe_differences(registry: Registry, a: ModelVersion, b: ModelVersion) -> dict[str, tuple[str, str]]:
    ours, theirs = recipe_settings(registry, a), recipe_settings(registry, b)
    names = sorted({*ours, *theirs})
    return {name: (ours.get(name, ""), theirs.get(name, "")) for name in names if ours.get(name) != theirs.get(name)}


def _flat(record: dict[str, object]) -> dict[str, str]:
    params = record.pop("params", {})
    inner = {f"params.{name}": str(value) for name, value in params.items()} if isinstance(params, dict) else {}
    return {name: str(value) for name, value in record.items()} | inner


def _paired(registry: Registry, a: ModelVersion, b: ModelVersion) -> tuple[PairedDifference | None, str]:
    if a.classes != b.classes:
        return None, "their classes differ, so their losses do not compare"
    ours, theirs = read_predictions(registry, a), read_predictions(registry, b)
    ours = ours.join(theirs.select("example_id"), on="example_id", how="semi", maintain_order="left")
    theirs = ours.select("example_id").join(theirs, on="example_id", how="left", maintain_order="left")
    if ours.is_empty():
        return None, "their test windows share no example"
    metric = "log_loss" if a.classes else "mse"
    labels, mine = labels_and_predictions(ours, a.classes)
    _, his = labels_and_predictions(theirs, b.classes)
    clusters = cluster_codes(cluster_names(ours), ours.height)
    try:
        found = paired_comparison(
            losses(metric, labels, mine), losses(metric, labels, his), clusters, dependence=dependence_of(ours)
        )
    except TooFewClusters as few:
        return None, f"they share {ours.height} test rows in {few.actual} clusters; a comparison needs {few.needed}"
    difference = PairedDifference(
        metric, found.difference, found.low, found.high, found.p_value, found.rows, found.clusters
    )
    return difference, f"on the {ours.height} test rows that both share"
