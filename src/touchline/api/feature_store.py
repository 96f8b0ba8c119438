"""`/feature-store`: what the views hold, and what is known of one entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from touchline.api.errors import UnknownEntity
from touchline.api.online_values import OnlineValues, Value, read_online
from touchline.api.state import Chosen, ChosenProject
from touchline.errors import UnknownName

if TYPE_CHECKING:
    from touchline.features import FeatureHistory, FeatureView, ViewReads, ViewStatistics

router = APIRouter(tags=["features"])
Plural = Annotated[str, Path(description="an entity's plural, such as teams")]


class FeatureStats(BaseModel):
    """The newest value of one feature over all entities; numbers have quantiles, others their commonest levels."""

    name: str
    dtype: str
    count: int
    nulls: int
    distinct: int
    mean: float | None
    std: float | None
    minimum: float | None
    maximum: float | None
    quantiles: list[float] = Field(description="5, 25, 50, 75 and 95 %")
    levels: list[tuple[str, int]]


class ReadStats(BaseModel):
    """What this process found since its release was loaded."""

    present: int
    missing: int
    expired: int
    fallback: int
    p50_seconds: float | None
    p99_seconds: float | None


class ViewStats(BaseModel):
    """One feature view in its present version."""

    view: str
    entity: str
    feature_version: str
    online_rows: int
    online_bytes: int
    materialized_at: datetime | None
    watermark: datetime | None = Field(description="everything known up to here is online")
    history_rows: int
    quarantined: int
    models: list[int] = Field(description="versions that were trained on it")
    reads: ReadStats | None
    features: list[FeatureStats]


class FeatureStoreStats(BaseModel):
    """Every view of a project."""

    project: str
    now: datetime = Field(description="project time")
    views: list[ViewStats]


class EntityList(BaseModel):
    """Entities with a history, sorted by their keys. `next_offset` is null at the end."""

    entity: str
    plural: str
    join_keys: list[str]
    views: list[str]
    total: int
    next_offset: int | None
    items: list[dict[str, Any]]


class EntityView(BaseModel):
    """What is online of an entity in one view. Serving uses `values` only where the status is `present`."""

    view: str
    feature_version: str
    status: str = Field(description="present, missing or expired, as a request now would find it")
    event_timestamp: datetime | None
    created_timestamp: datetime | None
    watermark: datetime | None
    ttl_seconds: float | None
    values: dict[str, Value]
    history: list[dict[str, Value]] = Field(description="newest first")


class EntityPage(BaseModel):
    """One entity in every view of its kind."""

    entity: str
    keys: dict[str, str]
    now: datetime = Field(description="project time")
    views: list[EntityView]


@router.get("/feature-store/stats", summary="Rows, freshness, reads and value distributions of every view")
def get_feature_store_stats(chosen: ChosenProject) -> FeatureStoreStats:
    now, reads = chosen.now(), _reads(chosen)
    found = [_statistics(chosen, view, now) for view in chosen.declared.feature_views]
    views = [_view_stats(view, reads.get(view.view)) for view in found]
    return FeatureStoreStats(project=chosen.name, now=now, views=views)


@router.get("/feature-store/{plural}", summary="The entities of a kind")
def get_entities(
    chosen: ChosenProject,
    plural: Plural,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> EntityList:
    import polars as pl

    from touchline.features import entity_keys_of

    views = _views_of(chosen, plural)
    entity = views[0].entity
    known = [entity_keys_of(view, history) for view in views if (history := _history(chosen, view))]
    keys = pl.concat(known).unique().sort(entity.join_keys) if known else pl.DataFrame()
    after = offset + limit
    return EntityList(
        entity=entity.name,
        plural=entity.plural,
        join_keys=list(entity.join_keys),
        views=[view.name for view in views],
        total=keys.height,
        next_offset=after if after < keys.height else None,
        items=keys.slice(offset, limit).to_dicts(),
    )


@router.get("/feature-store/{plural}/{key:path}", summary="One entity: what is online and what was known before")
def get_entity(
    chosen: ChosenProject,
    plural: Plural,
    key: Annotated[str, Path(description="the entity's key; several join keys are separated by commas")],
    history: Annotated[int, Query(ge=0, le=500, description="earlier rows of each view")] = 20,
) -> EntityPage:
    views = _views_of(chosen, plural)
    keys = _keys(views[0], key)
    now = chosen.now()
    (online,) = read_online(chosen.name, views, [keys], chosen.stores.online, now=now)
    earlier = [_rows(chosen, view, keys, history) for view in views]
    if all(one.event_timestamp is None for one in online) and not any(earlier):
        raise UnknownEntity(views[0].entity.name, key, plural)
    found = [_entity_view(one, rows[:history]) for one, rows in zip(online, earlier, strict=True)]
    return EntityPage(entity=views[0].entity.name, keys=keys, now=now, views=found)


def _views_of(chosen: Chosen, plural: str) -> list[FeatureView]:
    """The views of the entity with that plural. Raises `UnknownName`."""
    views = chosen.declared.feature_views
    found = [view for view in views if view.entity.plural == plural]
    if not found:
        raise UnknownName("kind of entity", plural, sorted({view.entity.plural for view in views}))
    return found


def _keys(view: FeatureView, text: str) -> dict[str, str]:
    """The join keys out of a path; a single key may hold commas. Raises `UnknownName` where the count is wrong."""
    names = view.join_keys
    parts = text.split(",") if len(names) > 1 else [text]
    if len(parts) != len(names):
        raise UnknownName(view.entity.name, text, [",".join(names)])
    return dict(zip(names, parts, strict=True))


def _history(chosen: Chosen, view: FeatureView) -> FeatureHistory | None:
    from touchline.features import read_history

    return read_history(view, project=chosen.name, stores=chosen.stores)


def _statistics(chosen: Chosen, view: FeatureView, now: datetime) -> ViewStatistics:
    """Online rows and models are asked anew; of a history, whose rows are many, what was read before is told again."""
    from touchline.features import view_statistics

    def ask(history: FeatureHistory | None) -> ViewStatistics:
        stores = chosen.stores
        return view_statistics(view, history, project=chosen.name, stores=stores, online=stores.online, now=now)

    live, history = ask(None), _history(chosen, view)
    if history is None:
        return live
    read = chosen.api.kept.of(history, now, lambda: ask(history))
    return replace(
        read,
        online_rows=live.online_rows,
        online_bytes=live.online_bytes,
        materialized_at=live.materialized_at,
        watermark=live.watermark,
        models=live.models,
    )


def _rows(chosen: Chosen, view: FeatureView, keys: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
    from touchline.features import entity_features

    found = _history(chosen, view)
    return entity_features(view, found, keys, limit=max(limit, 1)) if found else []


def _entity_view(found: OnlineValues, rows: list[dict[str, Any]]) -> EntityView:
    return EntityView(
        view=found.view,
        feature_version=found.feature_version,
        status=found.status,
        event_timestamp=found.event_timestamp,
        created_timestamp=found.created_timestamp,
        watermark=found.watermark,
        ttl_seconds=found.ttl.total_seconds() if found.ttl is not None else None,
        values=dict(found.values),
        history=rows,
    )


def _reads(chosen: Chosen) -> Mapping[str, ViewReads]:
    """What the release that answers has read so far."""
    from touchline.features import FeatureReader

    current = chosen.slot.current
    return current.reader.counters.reads() if current and isinstance(current.reader, FeatureReader) else {}


def _view_stats(found: ViewStatistics, reads: ViewReads | None) -> ViewStats:
    features = [FeatureStats.model_validate(vars(feature)) for feature in found.features]
    counted = ReadStats(**vars(reads)) if reads else None
    return ViewStats.model_validate({**vars(found), "features": features, "reads": counted})
