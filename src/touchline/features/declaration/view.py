"""`FeatureView`: named features of one entity, computed from sources by one pure function; `ViewJoin` joins one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.contracts import compile_contract
from touchline.contracts.contract import Contract
from touchline.errors import FeatureNotFound, InvalidView
from touchline.features.declaration.code_versions import code_version, contract_version, short_hash, source_version
from touchline.features.declaration.entity import Entity
from touchline.features.declaration.types import INSTANT, STAMPS, Fallback, Feature, FeatureType, feature_type
from touchline.ingest import Source


class FeatureView(BaseModel):
    """Named features of one entity, computed from sources by one pure function.

    `definition` says what the function computes where touchline made it, as `window` does; its code counts otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    entity: Entity
    sources: tuple[Source, ...] = Field(min_length=1)
    function: Callable[..., Any]
    ttl: timedelta | None = None
    refresh: timedelta | None = None
    contract: type[Contract] | None = None
    fallback: Fallback = "null"
    description: str = ""
    definition: str = ""

    @field_validator("ttl", "refresh")
    @classmethod
    def _lasts(cls, span: timedelta | None, info: Any) -> timedelta | None:
        if span is not None and span <= timedelta(0):
            raise ValueError(f"{info.field_name} is {span}; it must be longer than zero, or None for no limit")
        return span

    @model_validator(mode="after")
    def _ttl_needs_time(self) -> FeatureView:
        if self.ttl is not None and all(
            source.event_time is None and source.known_at is None for source in self.sources
        ):
            raise ValueError(f"view {self.name!r} has a ttl, but its sources have no event_time; drop the ttl")
        return self

    def __call__(self, *sources: pl.LazyFrame) -> pl.LazyFrame:
        frame: pl.LazyFrame = self.function(*sources)
        return frame

    @property
    def join_keys(self) -> tuple[str, ...]:
        return self.entity.join_keys

    @cached_property
    def feature_version(self) -> str:
        """Names the code and declaration behind the values: another version never mixes with this one."""
        contract = self.contract and contract_version(self.name, self.contract)
        limits = [_seconds(self.ttl), self.entity.join_keys, contract]
        sources = [source_version(self.name, source) for source in self.sources]
        code = self.definition or code_version(self.name, self.function)
        return short_hash([self.name, code, limits, sources])

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Names and types in the order the function returns them, found by running it on sources without rows."""
        reserved = {*self.join_keys, *STAMPS}
        features = tuple(
            Feature(name, feature_type(self.name, name, dtype))
            for name, dtype in self._schema.items()
            if name not in reserved
        )
        if not features:
            raise InvalidView(
                self.name, "returns no feature columns", "Add at least one beside keys and event_timestamp."
            )
        return features

    @cached_property
    def key_types(self) -> dict[str, FeatureType]:
        """Type of each join key: text or whole numbers."""
        types = {key: feature_type(self.name, key, self._schema[key]) for key in self.join_keys}
        for key, kind in types.items():
            if kind not in ("str", "int"):
                raise InvalidView(self.name, f"has the join key {key!r} of type {kind}", "Use text or whole numbers.")
        return types

    @cached_property
    def _schema(self) -> pl.Schema:
        schema = self(*(empty_source(source) for source in self.sources)).lazy().collect_schema()
        validate_columns(self, schema)
        return schema

    def on(self, *example_columns: str, prefix: str = "") -> ViewJoin:
        """Join this view by these columns of the examples; `prefix` tells two joins of one view apart."""
        return ViewJoin(view=self, example_columns=example_columns or self.join_keys, prefix=prefix)

    def feature(self, name: str) -> Feature:
        """The feature of that name; an unknown one names its neighbour."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise FeatureNotFound(name, [feature.name for feature in self.features])

    def to_feast(self, source: Any = None) -> Any:
        """This view as a Feast feature view over its history; `source` replaces the file source."""
        from touchline.features.feast.objects import feast_view

        return feast_view(self, source)


class ViewJoin(BaseModel):
    """A view joined to examples under a prefix, so that one view can serve two roles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: FeatureView
    example_columns: tuple[str, ...]
    prefix: str = ""

    @model_validator(mode="after")
    def _as_many_columns_as_keys(self) -> ViewJoin:
        if len(self.example_columns) != len(self.view.join_keys):
            raise InvalidView(
                self.view.name,
                f"is joined on {list(self.example_columns)}, but its entity has the keys {list(self.view.join_keys)}",
                "Name one example column for each key, in the same order.",
            )
        return self

    def column(self, feature: str) -> str:
        """The model column of a feature.

        >>> ViewJoin.model_construct(prefix="home").column("elo")
        'home_elo'
        """
        return f"{self.prefix}_{feature}" if self.prefix else feature

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.column(feature.name) for feature in self.view.features)


def feature_view(
    *,
    entity: Entity,
    source: Source | Sequence[Source],
    ttl: timedelta | None = None,
    refresh: timedelta | None = None,
    contract: type[Contract] | None = None,
    fallback: Fallback = "null",
) -> Callable[[Callable[..., Any]], FeatureView]:
    """Declare a view over a function from source frames to rows of join keys, event_timestamp and features.

    The function sees each source as it was known at one instant, one row a key, and stamps each row with the instant
    its values became known. `ttl` is how old a value may be at the cutoff, `refresh` how often it is computed.
    """

    def declare(function: Callable[..., Any]) -> FeatureView:
        return FeatureView(
            name=function.__name__,
            entity=entity,
            sources=(source,) if isinstance(source, Source) else tuple(source),
            function=function,
            ttl=ttl,
            refresh=refresh,
            contract=contract,
            fallback=fallback,
            description=function.__doc__ or "",
        )

    return declare


def empty_source(source: Source) -> pl.LazyFrame:
    """The frame a view sees of a source that holds no rows yet."""
    columns = dict(compile_contract(source.contract).columns)
    return pl.LazyFrame(schema={**columns, "event_timestamp": INSTANT})


def validate_columns(view: FeatureView, schema: pl.Schema) -> None:
    """Raise `InvalidView` unless the rows of a view have its keys and a stamp."""
    missing = [name for name in (*view.join_keys, "event_timestamp") if name not in schema]
    if missing:
        raise InvalidView(
            view.name,
            f"returns {', '.join(schema.names())}, without {', '.join(missing)}",
            "A view returns its join keys, event_timestamp and features.",
        )


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
