"""What the feature histories say of logged predictions: shared by `verify_features` and by `replay`."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from touchline.features import FeatureHistories, LoggedVector, ServedView
from touchline.predictions.records import LoggedPrediction
from touchline.registry import LoadedRelease
from touchline.storage import DataStores


def has_own_features(row: LoggedPrediction, release: LoadedRelease) -> bool:
    """Whether the request brought its feature values, so that the row says nothing about stored features."""
    return bool(release.views) and not row.views


def is_fallback(row: LoggedPrediction) -> bool:
    """Whether a fall-back gave values of some view: other values than the history's are then no skew."""
    return any(view["status"] == "fallback" for view in row.views.values())


def logged_vectors(rows: Sequence[LoggedPrediction]) -> list[LoggedVector]:
    return [LoggedVector.of(vars(row)) for row in rows]


def newest_histories(stores: DataStores, views: Sequence[ServedView]) -> dict[str, pl.LazyFrame]:
    """The newest history of each view in the version that the release reads; views without a history are left out."""
    paths = {view.view: FeatureHistories(stores).newest_path(view) for view in views}
    return {name: pl.scan_parquet(path) for name, path in paths.items() if path is not None}
