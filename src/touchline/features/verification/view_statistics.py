"""Statistics of a view: online rows and bytes, last materialization, value distributions, models that use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.features.offline.histories import FeatureHistory
from touchline.features.offline.training_set import read_lineages
from touchline.features.online.materialize import newest_rows
from touchline.features.vectors.served_view import entity_key, view_keys
from touchline.features.vectors.watermark import ViewMetadata, instant_of

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView
    from touchline.features.online.base import OnlineStore
    from touchline.storage import Database

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_TOP = 5


@dataclass(frozen=True)
class FeatureDistribution:
    """The newest value of a feature over all entities. Numbers have quantiles (5, 25, 50, 75, 95 %), others levels."""

    name: str
    dtype: str
    count: int
    nulls: int
    distinct: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    quantiles: tuple[float, ...] = ()
    levels: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ViewStatistics:
    """One view in its present version, with the snapshots (by source) its history comes from and who uses it."""

    view: str
    entity: str
    feature_version: str
    online_rows: int
    online_bytes: int
    materialized_at: datetime | None
    watermark: datetime | None
    history_rows: int
    quarantined: int
    features: tuple[FeatureDistribution, ...]
    models: tuple[int, ...]
    sources: Mapping[str, str | None]


def view_statistics(
    view: FeatureView,
    history: FeatureHistory | None,
    *,
    project: str,
    online: OnlineStore,
    now: datetime,
    models: tuple[int, ...] = (),
) -> ViewStatistics:
    """All figures of a view at `now`; `models` are the versions that use it (`models_using`).

    Hits, misses and latencies are counted by the readers (`ReadCounters`).
    """
    keys = view_keys(project, view.name, view.feature_version)
    size = online.size(keys.rows)
    data = online.read([keys.metadata])[0]
    metadata = ViewMetadata.unpack(data, view.name) if data else None
    newest = newest_rows(view, history.scan(), now) if history else None
    return ViewStatistics(
        view=view.name,
        entity=view.entity.name,
        feature_version=view.feature_version,
        online_rows=size.rows,
        online_bytes=size.bytes,
        materialized_at=instant_of(metadata.materialized) if metadata else None,
        watermark=instant_of(metadata.watermark) if metadata else None,
        history_rows=history.rows if history else 0,
        quarantined=history.quarantined if history else 0,
        features=() if newest is None else distributions(view, newest),
        models=models,
        sources={source.name: history.snapshots.get(source.name) if history else None for source in view.sources},
    )


def distributions(view: FeatureView, rows: pl.DataFrame) -> tuple[FeatureDistribution, ...]:
    """The distribution of each feature's values over these rows."""
    return tuple(_distribution(rows[feature.name], feature.dtype) for feature in view.features)


def models_using(
    view: FeatureView, training_sets: Mapping[int, str], *, project: str, database: Database
) -> tuple[int, ...]:
    """The model versions, of these with the hashes of their training sets, that were trained on this version of it."""
    lineages = read_lineages(training_sets.values(), project=project, database=database)
    views = {version: lineages.get(hash, {}).get("views", {}) for version, hash in training_sets.items()}
    return tuple(sorted(version for version, found in views.items() if found.get(view.name) == view.feature_version))


def entity_features(
    view: FeatureView, history: FeatureHistory, entity: Mapping[str, Any], *, limit: int = 20
) -> list[dict[str, Any]]:
    """The newest rows of one entity's history, the newest first, as a page about it shows them."""
    types = list(view.key_types.values())
    entity_key(view.name, view.join_keys, types, [entity.get(key) for key in view.join_keys])  # names a wrong type
    values = {key: int(entity[key]) if kind == "int" else entity[key] for key, kind in view.key_types.items()}
    rows = history.scan().filter(*(pl.col(key) == value for key, value in values.items()))
    newest = rows.sort("event_timestamp", "created_timestamp", descending=True).head(limit)
    return newest.collect().to_dicts()


def entity_keys_of(view: FeatureView, history: FeatureHistory) -> pl.DataFrame:
    """The keys of every entity that has a history, sorted."""
    return history.scan().select(view.join_keys).unique().sort(view.join_keys).collect()


def _distribution(column: pl.Series, dtype: str) -> FeatureDistribution:
    present = column.drop_nulls()
    facts: dict[str, Any] = {"count": len(column), "nulls": column.null_count(), "distinct": column.n_unique()}
    if dtype in ("float", "int", "bool"):
        facts |= _numbers(present.cast(pl.Float64).drop_nans())
    else:
        counts = present.cast(pl.String).value_counts(sort=True).head(_TOP)
        facts["levels"] = tuple(counts.rows())
    return FeatureDistribution(column.name, dtype, **facts)


def _numbers(values: pl.Series) -> dict[str, Any]:
    if values.is_empty():
        return {}
    return {
        "mean": values.mean(),
        "std": values.std(),
        "minimum": values.min(),
        "maximum": values.max(),
        "quantiles": tuple(values.quantile(share, interpolation="linear") for share in _QUANTILES),
    }
