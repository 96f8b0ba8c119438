"""Feast's plugin stores: two lines of `feature_store.yaml` put touchline's engines under Feast.

    offline_store: {type: touchline.features.feast_stores.PointInTimeOfflineStore}
    online_store:  {type: touchline.features.feast_stores.PackedSqliteOnlineStore, path: online.db}

Feast looks for each store's `…Config` in the same module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from feast import utils
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field
from typing_extensions import override

from touchline.clock import SystemClock
from touchline.errors import SourceFormatNotRead
from touchline.features.feast.append import append_rows, write_log
from touchline.features.feast.history import (
    Effort,
    ViewHistory,
    all_entities,
    clipped,
    join_views,
    latest_rows,
    rows_between,
    with_dummy_key,
)
from touchline.features.feast.online import PackedFeastStore
from touchline.features.feast.retrieval import PointInTimeRetrievalJob
from touchline.features.feast.sources import DUMMY_KEY, mapped, require_columns, scan_source
from touchline.features.offline.as_of_join import HistoryColumns
from touchline.features.offline.key_partitions import open_runner
from touchline.features.online.base import OnlineStore, open_online_store


class PointInTimeOfflineStoreConfig(FeastConfigBaseModel):
    """Options of the offline store."""

    type: Literal["touchline.features.feast_stores.PointInTimeOfflineStore"] = (
        "touchline.features.feast_stores.PointInTimeOfflineStore"
    )
    filter_by_created_timestamp: bool = Field(True, description="a value counts from its created time on")
    memory_limit_gb: float | None = Field(None, gt=0, description="larger histories are read by ranges of keys")
    joins: Literal["local", "ray", "spark"] = Field("local", description="where ranges of keys are joined")
    cluster: str | None = Field(
        None, description="address of the Ray cluster, or Spark's master; default one made here"
    )


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """Options of the embedded online store."""

    type: Literal["touchline.features.feast_stores.PackedSqliteOnlineStore"] = (
        "touchline.features.feast_stores.PackedSqliteOnlineStore"
    )
    path: str = Field("data/online.db", description="the file, relative to the repository of features")


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """Options of the online store on Redis or Valkey."""

    type: Literal["touchline.features.feast_stores.PackedRedisOnlineStore"] = (
        "touchline.features.feast_stores.PackedRedisOnlineStore"
    )
    connection_string: str = Field("redis://localhost:6379", description="a redis:// URL, or host:port")
    timeout_seconds: float = Field(0.25, gt=0, description="how long a read may wait")


class PackedSqliteOnlineStore(PackedFeastStore):
    """Packed rows in an SQLite file."""

    def open(self, config: Any) -> OnlineStore:
        path = Path(config.online_store.path)
        return open_online_store("sqlite", str(path if path.is_absolute() else Path(config.repo_path or ".") / path))


class PackedRedisOnlineStore(PackedFeastStore):
    """Packed rows in Redis or Valkey."""

    def open(self, config: Any) -> OnlineStore:
        address = config.online_store.connection_string
        url = address if "://" in address else f"redis://{address}"
        return open_online_store("redis", url, timeout_seconds=config.online_store.timeout_seconds)


class PointInTimeOfflineStore(OfflineStore):
    """History that was known: as many rows out as in, in order, corrections from when they were made."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    @override
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool | None = None,
        **kwargs: Any,
    ) -> RetrievalJob:
        options = config.offline_store
        created_counts = filter_by_created_timestamp or options.filter_by_created_timestamp
        views = _view_histories(config, feature_views, feature_refs, registry, created_counts)

        def evaluate() -> pl.DataFrame:
            rows = entity_df
            if rows is None:
                _, end = utils.compute_non_entity_date_range(
                    feature_views, kwargs.get("start_date"), kwargs.get("end_date")
                )
                rows = all_entities(views, end)
            runner = None if options.joins == "local" else open_runner(options.joins, options.cluster)
            effort = Effort(_bytes(options.memory_limit_gb), runner)
            return join_views(rows, views, full_names=full_feature_names, effort=effort)

        keys = sorted({name for view in views for name in view.entity_columns} - {DUMMY_KEY})
        return PointInTimeRetrievalJob(
            evaluate,
            config.repo_path,
            full_feature_names,
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            RetrievalMetadata(feature_refs, keys, *_range_of(entity_df)),
        )

    @staticmethod
    @override
    def pull_latest_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """The newest known row of each entity.

        Feast's start is the end of the last run, which misses what was written late, breaks after an end in the future
        and is lost by an apply. The online stores let the newest row win, so all entities are given each time.
        """
        names = [timestamp_field, created_timestamp_column]
        frame, columns = _source_columns(config, data_source, join_key_columns, feature_name_columns, names)
        now = SystemClock().now()
        created_counts = config.offline_store.filter_by_created_timestamp

        def evaluate() -> pl.DataFrame:
            return latest_rows(frame, columns, at=clipped(end_date, now), created_counts=created_counts)

        return PointInTimeRetrievalJob(evaluate, config.repo_path)

    @staticmethod
    @override
    def pull_all_from_table_or_query(
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """All rows whose event lies in the range; for a materialization, what `pull_latest…` gives."""
        if _called_by_materialization():
            return PointInTimeOfflineStore.pull_latest_from_table_or_query(
                config,
                data_source,
                join_key_columns,
                feature_name_columns,
                timestamp_field,
                created_timestamp_column,
                start_date,
                end_date,
            )
        names = [timestamp_field, created_timestamp_column]
        frame, columns = _source_columns(config, data_source, join_key_columns, feature_name_columns, names)
        return PointInTimeRetrievalJob(lambda: rows_between(frame, columns, start_date, end_date), config.repo_path)

    @staticmethod
    @override
    def offline_write_batch(config: Any, feature_view: Any, table: Any, progress: Callable[[int], Any] | None) -> None:
        append_rows(config.repo_path, feature_view, table)
        if progress:
            progress(table.num_rows)

    @staticmethod
    @override
    def write_logged_features(config: Any, data: Any, source: Any, logging_config: Any, registry: Any) -> None:
        write_log(config.repo_path, data, logging_config.destination)


def _view_histories(
    config: Any, views: Sequence[Any], refs: list[str], registry: Any, created_counts: bool
) -> list[ViewHistory]:
    on_demand = utils._get_requested_on_demand_feature_views(refs, config.project, registry)
    wanted, _ = utils._get_requested_feature_views_to_features_dict(refs, list(views), on_demand)
    for view in wanted:
        _require_file(view.batch_source)
    return [
        ViewHistory(view, list(dict.fromkeys(features)), config.repo_path, created_counts=created_counts)
        for view, features in wanted.items()
    ]


def _source_columns(
    config: Any, source: Any, keys: Sequence[str], features: Sequence[str], stamps: Sequence[str | None]
) -> tuple[pl.LazyFrame, HistoryColumns]:
    """Feast names the source's own columns here, before their mapping."""
    _require_file(source)
    names = list(keys) or [DUMMY_KEY]
    frame = with_dummy_key(scan_source(_unmapped(source), config.repo_path), names)
    event, created = stamps
    wanted = [*names, *features, *(name for name in stamps if name)]
    require_columns(frame, wanted, source.name or source.path, source.path)
    return frame, HistoryColumns(
        tuple(names), tuple(features), event or mapped(source, source.timestamp_field), created or None
    )


def _unmapped(source: FileSource) -> FileSource:
    if not source.field_mapping:
        return source
    return FileSource(
        name=source.name,
        path=source.path,
        file_format=source.file_format,
        timestamp_field=source.timestamp_field,
        s3_endpoint_override=source.s3_endpoint_override,
    )


def _require_file(source: Any) -> None:
    if not isinstance(source, FileSource):
        raise SourceFormatNotRead(source.name, type(source).__name__)


def _called_by_materialization() -> bool:
    """Whether Feast's materialization asks, which by default takes the same method as everyone else does.

    Nothing in the arguments tells; only `materialization_config.pull_latest_features` would make it say so.
    """
    frame = sys._getframe(2)
    return frame.f_code.co_name == "create_offline_store_retrieval_job"


def _range_of(entity_df: Any) -> tuple[Any, Any]:
    """First and last cutoff of entity rows that lie in memory; saved datasets are read back by them."""
    if entity_df is None or isinstance(entity_df, str | Path):
        return None, None
    from touchline.features.feast.sources import cutoff_column, entity_rows

    rows = entity_rows(entity_df)
    cutoffs = rows[cutoff_column(rows)]
    return cutoffs.min(), cutoffs.max()


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1024**3)
