"""Types of features, and of declared parts as other files read them; imports nothing of the declaration itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple, Protocol

import polars as pl

from touchline.errors import InvalidView

STAMPS = ("event_timestamp", "created_timestamp")
Fallback = Literal["null", "fail", "offline_last", "compute"]
FeatureType = Literal["float", "int", "bool", "str", "timestamp"]

INSTANT = pl.Datetime("us", "UTC")
POLARS_TYPES: dict[FeatureType, pl.DataType] = {
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "str": pl.String(),
    "timestamp": INSTANT,
}


class Feature(NamedTuple):
    """One feature of a view: its name and type."""

    name: str
    dtype: FeatureType


class DeclaredEntity(Protocol):
    """An entity, as Feast's objects are made from it."""

    @property
    def name(self) -> str: ...
    @property
    def join_keys(self) -> tuple[str, ...]: ...
    @property
    def description(self) -> str: ...


class DeclaredView(Protocol):
    """A feature view, as Feast's objects and the served view are made from it."""

    @property
    def name(self) -> str: ...
    @property
    def entity(self) -> DeclaredEntity: ...
    @property
    def key_types(self) -> Mapping[str, FeatureType]: ...
    @property
    def features(self) -> tuple[Feature, ...]: ...
    @property
    def ttl(self) -> timedelta | None: ...
    @property
    def description(self) -> str: ...
    @property
    def feature_version(self) -> str: ...
    @property
    def fallback(self) -> Fallback: ...


class DeclaredJoin(Protocol):
    """A view joined to examples, as a Feast feature service and the served view are made from it."""

    @property
    def view(self) -> DeclaredView: ...
    @property
    def example_columns(self) -> tuple[str, ...]: ...
    @property
    def prefix(self) -> str: ...


def feature_type(view: str, name: str, dtype: pl.DataType) -> FeatureType:
    """The type of a column that a view returns; `InvalidView` for one that no feature can have."""
    if dtype.is_float() or dtype.is_decimal() or dtype == pl.Null:
        return "float"
    if dtype.is_integer():
        return "int"
    if dtype == pl.Boolean:
        return "bool"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "str"
    if dtype.is_temporal() and dtype in (pl.Date, pl.Datetime):
        return "timestamp"
    raise InvalidView(view, f"has the column {name!r} of type {dtype}", "Use numbers, booleans or text.")
