"""`/feature-store`: statistics of the feature views, and the values of one entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from touchline import features, registry
from touchline.api.features.online_values import OnlineValues, Value, read_online
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.contracts.json_text import exact_numbers
from touchline.errors import UnknownName, nearest
from touchline.http.problems import NotFound

if TYPE_CHECKING:
    import polars as pl

    from touchline.features import FeatureHistory, FeatureView, ViewReads, ViewStatistics

router = APIRouter(tags=["features"])
# With more entities, to compare all keys with a wrong one would take longer than a request may.
_MOST_COMPARED = 5_000
Plural = Annotated[str, Path(description="an entity's plural, such as teams")]


class FeatureStats(BaseModel):
    """The newest values of one feature over all entities: quantiles of numbers, the most frequent levels of others."""

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
    """Reads of this process since its release was loaded, by status."""

    present: int
    missing: int
    expired: int
    fallback: int
    p50_seconds: float | None
    p99_seconds: float | None


class ViewStats(BaseModel):
    """One feature view in its current version."""

    view: str
    entity: str
    feature_version: str
    online_rows: int
    online_bytes: int
    materialized_at: datetime | None
    watermark: datetime | None = Field(description="the online store is complete up to this time")
    history_rows: int
    quarantined: int
    models: list[int] = Field(description="model versions that were trained on it")
    reads: ReadStats | None
    features: list[FeatureStats]


class FeatureStoreStats(BaseModel):
    """Every view of a project."""

    project: str
    sentence: str
    now: datetime = Field(description="project time")
    plurals: list[str] = Field(description="the kinds of entities")
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
    """The online values of an entity in one view. Serving uses `values` only if the status is `present`."""

    view: str
    feature_version: str
    status: str = Field(description="present, missing or expired, for a request at this time")
    event_timestamp: datetime | None
    created_timestamp: datetime | None
    watermark: datetime | None
    ttl_seconds: float | None
    values: dict[str, Value]
    history: list[dict[str, Value]] = Field(description="newest first")


class EntityPage(BaseModel):
    """One entity in all views of its kind."""

    entity: str
    keys: dict[str, str]
    now: datetime = Field(description="project time")
    views: list[EntityView]


@router.get("/feature-store/stats", summary="Rows, freshness, reads and distributions of every view")
def get_feature_store_stats(project: ProjectOfRequest) -> FeatureStoreStats:
    now, reads = project.now(), _reads(project)
    statistics = [_statistics(project, view, now=now) for view in project.declared.feature_views]
    views = [_view_stats(view, reads.get(view.view)) for view in statistics]
    plurals = sorted({view.entity.plural for view in project.declared.feature_views})
    return FeatureStoreStats(
        project=project.name, sentence=_sentence(project.name, views), now=now, plurals=plurals, views=views
    )


def _sentence(project: str, views: list[ViewStats]) -> str:
    """The verdict on all views: those without online rows, else that all have some."""
    empty = [view.view for view in views if not view.online_rows]
    if not views:
        return "No feature view is declared: all values come with the requests."
    if empty:
        return f"Nothing is online for {', '.join(empty)}: touchline features materialize -p {project}"
    return f"All {len(views)} feature views are online, with {sum(view.online_rows for view in views)} rows."


@router.get("/feature-store/{plural}", summary="The entities of a kind")
def get_entities(
    project: ProjectOfRequest,
    plural: Plural,
    *,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> EntityList:
    views = _views_of(project, plural)
    entity = views[0].entity
    keys = _known_keys(project, views)
    after = offset + limit
    return EntityList(
        entity=entity.name,
        plural=entity.plural,
        join_keys=list(entity.join_keys),
        views=[view.name for view in views],
        total=keys.height,
        next_offset=after if after < keys.height else None,
        items=exact_numbers(keys.slice(offset, limit).to_dicts()),
    )


@router.get("/feature-store/{plural}/{key:path}", summary="One entity: its online values and its history")
def get_entity(
    project: ProjectOfRequest,
    plural: Plural,
    *,
    key: Annotated[str, Path(description="the entity's key; several join keys are separated by commas")],
    history: Annotated[int, Query(ge=0, le=500, description="earlier rows of each view")] = 20,
) -> EntityPage:
    views = _views_of(project, plural)
    keys = _keys(views[0], key)
    now = project.now()
    online = read_online(views, keys, project=project.name, store=project.stores.online, now=now)
    earlier = [_rows(project, view, keys, limit=history) for view in views]
    if all(one.event_timestamp is None for one in online) and not any(earlier):
        listed = f"/api/feature-store/{plural} lists the known ones."
        hint = _neighbour(_known_keys(project, views), key)
        raise NotFound(f"No feature view knows the {views[0].entity.name} {key!r}.{hint} {listed}")
    pages = [_entity_view(one, rows[:history]) for one, rows in zip(online, earlier, strict=True)]
    return EntityPage(entity=views[0].entity.name, keys=keys, now=now, views=pages)


def _known_keys(project: RequestedProject, views: list[FeatureView]) -> pl.DataFrame:
    """The keys of all entities that one of the views has, in order."""
    import polars as pl

    known_keys = [features.entity_keys_of(view, history) for view in views if (history := _history(project, view))]
    return pl.concat(known_keys).unique().sort(views[0].entity.join_keys) if known_keys else pl.DataFrame()


def _neighbour(keys: pl.DataFrame, key: str) -> str:
    """A sentence with the nearest known key; none for entities of several keys, or too many to compare."""
    if keys.width != 1 or keys.height > _MOST_COMPARED:
        return ""
    hint = nearest(key, [str(known) for known in keys.to_series()])
    return f" {hint}" if hint.startswith("Did") else ""


def _views_of(project: RequestedProject, plural: str) -> list[FeatureView]:
    """The views of the entity with this plural. Raises `UnknownName`."""
    views = project.declared.feature_views
    same_entity = [view for view in views if view.entity.plural == plural]
    if not same_entity:
        raise UnknownName("kind of entity", plural, sorted({view.entity.plural for view in views}))
    return same_entity


def _keys(view: FeatureView, text: str) -> dict[str, str]:
    """The join keys in a path; a single key may contain commas. Raises `UnknownName` if their number is wrong."""
    names = view.join_keys
    parts = text.split(",") if len(names) > 1 else [text]
    if len(parts) != len(names):
        raise UnknownName(view.entity.name, text, [",".join(names)])
    return dict(zip(names, parts, strict=True))


def _history(project: RequestedProject, view: FeatureView) -> FeatureHistory | None:
    return features.read_history(view, project=project.name, stores=project.stores)


def _statistics(project: RequestedProject, view: FeatureView, *, now: datetime) -> ViewStatistics:
    """Statistics of one view. The online store is read each time; those of a history, with many rows, are cached."""

    stores, name = project.stores, project.name
    training_sets = {found.version: found.training_set_hash for found in registry.read_versions(stores, name)}
    models = features.models_using(view, training_sets, project=name, database=stores.database)

    def compute(history: FeatureHistory | None) -> ViewStatistics:
        return features.view_statistics(view, history, project=name, online=stores.online, now=now, models=models)

    live, history = compute(None), _history(project, view)
    if history is None:
        return live
    cached = project.api.statistics.get(history, now, lambda: compute(history))
    return replace(
        cached,
        online_rows=live.online_rows,
        online_bytes=live.online_bytes,
        materialized_at=live.materialized_at,
        watermark=live.watermark,
        models=live.models,
    )


def _rows(project: RequestedProject, view: FeatureView, keys: Mapping[str, str], *, limit: int) -> list[dict[str, Any]]:
    history = _history(project, view)
    return features.entity_features(view, history, keys, limit=max(limit, 1)) if history else []


def _entity_view(online: OnlineValues, rows: list[dict[str, Any]]) -> EntityView:
    return EntityView(
        view=online.view,
        feature_version=online.feature_version,
        status=online.status,
        event_timestamp=online.event_timestamp,
        created_timestamp=online.created_timestamp,
        watermark=online.watermark,
        ttl_seconds=online.ttl.total_seconds() if online.ttl is not None else None,
        values=exact_numbers(dict(online.values)),
        history=exact_numbers(rows),
    )


def _reads(project: RequestedProject) -> Mapping[str, ViewReads]:
    """The reads of the current release, by view."""
    current = project.slot.current
    return current.reader.counters.reads() if current and isinstance(current.reader, features.FeatureReader) else {}


def _view_stats(statistics: ViewStatistics, reads: ViewReads | None) -> ViewStats:
    distributions = [FeatureStats.model_validate(vars(feature)) for feature in statistics.features]
    read_stats = ReadStats(**vars(reads)) if reads else None
    return ViewStats.model_validate({**vars(statistics), "features": distributions, "reads": read_stats})
