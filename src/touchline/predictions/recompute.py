"""What the feature histories say of logged predictions: shared by `verify_features` and by `replay`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from touchline.errors import ReleaseNotFound, UnknownPlugin
from touchline.features import FeatureHistories, LoggedVector, ServedView
from touchline.predictions.records import LoggedPrediction
from touchline.registry import ServedRelease, load_release, served_from
from touchline.storage import DataStores
from touchline.storage.tables import releases

if TYPE_CHECKING:
    from touchline.training import Family

OpenRelease = Callable[[str], ServedRelease]


def release_opener(
    stores: DataStores, families: Callable[[str], Mapping[str, Family]] | None = None
) -> Callable[[str], ServedRelease]:
    """A function that opens the verified release of an id; `families` gives the estimators of a project's own code.

    It raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`.
    """

    def open_release(release_id: str) -> ServedRelease:
        query = sa.select(releases).where(releases.c.id == release_id)
        with stores.database.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise ReleaseNotFound("The registry", release_id)
        folder = stores.objects.local_path(row.object_key)
        try:
            return served_from(load_release(folder, digest=row.digest))
        except UnknownPlugin:
            if families is None:
                raise
            return served_from(load_release(folder, digest=row.digest, families=families(row.project)))

    return open_release


def has_own_features(row: LoggedPrediction, release: ServedRelease) -> bool:
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
