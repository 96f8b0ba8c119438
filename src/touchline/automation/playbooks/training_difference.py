"""How the training of the version in Production differs from the newest training: data, columns, parts and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from touchline.features import read_lineage
from touchline.ingest.snapshots import find_snapshot
from touchline.registry import read_recipe, read_versions

if TYPE_CHECKING:
    from touchline.automation.stores import Stores
    from touchline.registry import ModelVersion

_PARTS = {"declaration": "declaration", "code": "code", "environment": "libraries"}


@dataclass(frozen=True)
class TrainingDifference:
    """Production's version and the newest one, and each difference of their trainings in words, Production's first."""

    production: int
    newest: int
    differences: tuple[str, ...]


def training_difference(project: str, stores: Stores) -> TrainingDifference | None:
    """The difference between Production's training and the newest; None where it is the newest, or there is none."""
    versions = read_versions(stores, project)
    live = next((one for one in versions if one.stage == "Production"), None)
    if live is None or versions[0].version == live.version:
        return None
    newest = versions[0]
    ours, theirs = (
        read_lineage(one.training_set_hash, project=project, database=stores.database) or {} for one in (live, newest)
    )
    differences = [
        f"trained {live.created_at:%Y-%m-%d %H:%M}, then {newest.created_at:%Y-%m-%d %H:%M}",
        *_numbers(live, newest),
        *_source_differences(project, stores, ours, theirs),
        *_column_differences(ours, theirs),
        *_part_differences(stores, live, newest),
    ]
    return TrainingDifference(live.version, newest.version, tuple(differences))


def _numbers(live: ModelVersion, newest: ModelVersion) -> Iterator[str]:
    if live.rows != newest.rows:
        yield f"{live.rows:,} test rows, then {newest.rows:,}"
    for name, metric in live.metrics.items():
        other = newest.metrics.get(name)
        if name in ("log_loss", "mse", "accuracy") and metric.value is not None and other and other.value is not None:
            yield f"{name} {metric.value:.4g} on its test window, then {other.value:.4g} on its own"


def _source_differences(
    project: str, stores: Stores, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[str]:
    before, after = ours.get("sources", {}), theirs.get("sources", {})
    for source in dict.fromkeys([*before, *after]):
        if before.get(source) == after.get(source):
            continue
        rows = [_rows(project, stores, source, side.get(source)) for side in (before, after)]
        yield f"source {source}: {rows[0]}, then {rows[1]}"


def _rows(project: str, stores: Stores, source: str, snapshot: str | None) -> str:
    if snapshot is None:
        return "not read"
    stored = find_snapshot(project, source, stores, snapshot)
    return f"snapshot {snapshot[:12]}" + (" (pruned)" if stored is None else f" with {stored.rows:,} rows")


def _column_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    before, after = ({one["name"]: one for one in side.get("columns", [])} for side in (ours, theirs))
    if gone := [name for name in before if name not in after]:
        yield f"columns gone: {', '.join(gone)}"
    if added := [name for name in after if name not in before]:
        yield f"columns added: {', '.join(added)}"
    for name in before:
        levels = [set(side[name].get("levels") or ()) for side in (before, after)] if name in after else []
        if levels and levels[0] != levels[1]:
            changed = sorted(f"+{one}" for one in levels[1] - levels[0]) + sorted(
                f"-{one}" for one in levels[0] - levels[1]
            )
            yield f"levels of {name}: {', '.join(changed[:5])}" + (", …" if len(changed) > 5 else "")
    views = [side.get("views", {}) for side in (ours, theirs)]
    for name in views[0]:
        if name in views[1] and views[0][name] != views[1][name]:
            yield f"view {name}: version {views[0][name]}, then {views[1][name]}"


def _part_differences(stores: Stores, live: ModelVersion, newest: ModelVersion) -> Iterator[str]:
    for name, word in _PARTS.items():
        if live.hashes.get(name) != newest.hashes.get(name):
            yield f"another {word}"
    before, after = read_recipe(stores, live), read_recipe(stores, newest)
    if before.candidate != after.candidate:
        yield f"candidate {before.candidate}, then {after.candidate}"
    elif before.params != after.params:
        yield f"other settings of {before.candidate}"
