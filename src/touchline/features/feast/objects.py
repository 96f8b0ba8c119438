"""The declaration as Feast objects: entities, feature views, a feature service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity as FeastEntity
from feast import FeatureService, Field, FileSource, ValueType
from feast import FeatureView as FeastView
from feast.types import Bool, Float64, Int64, PrimitiveFeastType, String, UnixTimestamp

from touchline.features.declaration.types import DeclaredEntity, DeclaredJoin, DeclaredView
from touchline.features.feast.values import VERSION_TAG

_TYPES: dict[str, PrimitiveFeastType] = {
    "float": Float64,
    "int": Int64,
    "bool": Bool,
    "str": String,
    "timestamp": UnixTimestamp,
}
_KEY_TYPES = {"str": ValueType.STRING, "int": ValueType.INT64}


def feast_entities(entity: DeclaredEntity, key_types: Mapping[str, str] | None = None) -> list[FeastEntity]:
    """One Feast entity for each join key, named after the entity (and the key, where there are several)."""
    types = key_types or {}
    several = len(entity.join_keys) > 1
    return [
        FeastEntity(
            name=f"{entity.name}_{key}" if several else entity.name,
            join_keys=[key],
            value_type=_KEY_TYPES.get(types.get(key, "str"), ValueType.STRING),
            description=entity.description,
        )
        for key in entity.join_keys
    ]


def history_source(view: DeclaredView, path: str | Path) -> FileSource:
    """The view's history as a Feast file source."""
    return FileSource(
        name=f"{view.name}_history",
        path=str(path),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )


def feast_view(view: DeclaredView, source: Any = None) -> FeastView:
    """The view over its history; without a source, over the file name that `feast_objects` publishes under."""
    keys = [Field(name=key, dtype=_TYPES[kind]) for key, kind in view.key_types.items()]
    features = [Field(name=feature.name, dtype=_TYPES[feature.dtype]) for feature in view.features]
    return FeastView(
        name=view.name,
        entities=feast_entities(view.entity, view.key_types),
        schema=[*keys, *features],
        source=source or history_source(view, f"{view.name}.parquet"),
        ttl=view.ttl or timedelta(0),  # Feast's zero is our None: no limit
        description=view.description.strip(),
        tags={VERSION_TAG: view.feature_version},
    )


def feast_service(name: str, joins: Sequence[DeclaredJoin], views: Mapping[str, FeastView]) -> FeatureService:
    """All joins of a task as one feature service: a view joined twice appears under each of its names."""
    projections = []
    for join in joins:
        mapped = dict(zip(join.view.entity.join_keys, join.example_columns, strict=True))
        renamed = {key: column for key, column in mapped.items() if key != column}
        named = views[join.view.name]
        named = named.with_name(f"{join.prefix}_{join.view.name}") if join.prefix else named
        projections.append(named.with_join_key_map(renamed) if renamed else named)
    return FeatureService(name=name, features=projections)
