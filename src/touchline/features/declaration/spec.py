"""The features slice of a declaration: entities, feature views, examples and on-demand transforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.contracts.contract import Contract
from touchline.errors import FeatureNotFound, InvalidView
from touchline.features.declaration.code_versions import code_version, contract_version, short_hash, source_version
from touchline.ingest import Source

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

STAMPS = ("event_timestamp", "created_timestamp")
Fallback = Literal["null", "fail", "offline_last", "compute"]
FeatureType = Literal["float", "int", "bool", "str", "timestamp"]


class Feature(NamedTuple):
    """One feature of a view: its name and type."""

    name: str
    dtype: FeatureType


class Entity(BaseModel):
    """Who a feature describes, and the columns that identify one.

    >>> Entity(name="team", plural="teams", join_keys=["team"]).join_keys
    ('team',)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    plural: str = ""
    join_keys: tuple[str, ...] = Field(min_length=1)
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _plural_by_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("name") and not values.get("plural"):
            values = {**values, "plural": f"{values['name']}s"}
        if isinstance(values, dict) and isinstance(values.get("join_keys"), str):
            values = {**values, "join_keys": (values["join_keys"],)}
        return values

    def to_feast(self) -> Any:
        """The Feast entities of the join keys: Feast 0.67 allows one join key an entity."""
        from touchline.features.feast.objects import feast_entities

        return feast_entities(self)


class FeatureView(BaseModel):
    """Named features of one entity, computed from sources by one pure function."""

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
        return short_hash([self.name, code_version(self.name, self.function), limits, sources])

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Names and types, found by running the function on sources without rows."""
        from touchline.features.declaration.types import view_features

        return view_features(self)

    @cached_property
    def key_types(self) -> dict[str, FeatureType]:
        """Type of each join key."""
        from touchline.features.declaration.types import view_key_types

        return view_key_types(self)

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


class Examples(BaseModel):
    """What is to be predicted: one row per example, with its cutoff, its label and its entity keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    sources: tuple[Source, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""

    def __call__(self, *sources: pl.LazyFrame) -> pl.LazyFrame:
        frame: pl.LazyFrame = self.function(*sources)
        return frame

    @cached_property
    def version(self) -> str:
        """Names the code that makes the examples, and what it sees of their sources."""
        sources = [source_version(self.name, source) for source in self.sources]
        return short_hash([self.name, code_version(self.name, self.function), sources])


class OnDemand(BaseModel):
    """Model columns computed from other model columns, by the same NumPy code offline and online."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    inputs: tuple[str, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""

    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        computed: Mapping[str, NDArray[Any]] = self.function(columns)
        return computed

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns it adds, found by running it on no rows."""
        from touchline.features.declaration.on_demand import output_names

        return output_names(self)

    @cached_property
    def version(self) -> str:
        return short_hash([self.name, code_version(self.name, self.function), self.inputs])


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
            sources=_several(source),
            function=function,
            ttl=ttl,
            refresh=refresh,
            contract=contract,
            fallback=fallback,
            description=function.__doc__ or "",
        )

    return declare


def examples(*, source: Source | Sequence[Source]) -> Callable[[Callable[..., Any]], Examples]:
    """Declare examples over a function from source frames to rows with example_id, cutoff, label, label_timestamp."""

    def declare(function: Callable[..., Any]) -> Examples:
        return Examples(
            name=function.__name__, sources=_several(source), function=function, description=function.__doc__ or ""
        )

    return declare


def on_demand(*, inputs: Sequence[str]) -> Callable[[Callable[..., Any]], OnDemand]:
    """Declare columns computed from other model columns when a row is read."""

    def declare(function: Callable[..., Any]) -> OnDemand:
        return OnDemand(
            name=function.__name__, inputs=tuple(inputs), function=function, description=function.__doc__ or ""
        )

    return declare


def _several(source: Source | Sequence[Source]) -> tuple[Source, ...]:
    return (source,) if isinstance(source, Source) else tuple(source)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
