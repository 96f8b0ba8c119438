"""What a view's function returns: the types of its keys and features, found on sources without rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from touchline.contracts import compile_contract
from touchline.errors import InvalidView
from touchline.features.declaration.spec import STAMPS, Feature, FeatureType

if TYPE_CHECKING:
    from touchline.features.declaration.spec import FeatureView
    from touchline.ingest import Source

INSTANT = pl.Datetime("us", "UTC")
POLARS_TYPES: dict[FeatureType, pl.DataType] = {
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "str": pl.String(),
    "timestamp": INSTANT,
}


def view_features(view: FeatureView) -> tuple[Feature, ...]:
    """Features in the order the function returns them."""
    schema = _schema(view)
    reserved = {*view.join_keys, *STAMPS}
    features = tuple(
        Feature(name, _feature_type(view, name, dtype)) for name, dtype in schema.items() if name not in reserved
    )
    if not features:
        raise InvalidView(view.name, "returns no feature columns", "Add at least one beside keys and event_timestamp.")
    return features


def view_key_types(view: FeatureView) -> dict[str, FeatureType]:
    """Types of the join keys: text or whole numbers."""
    schema = _schema(view)
    types = {key: _feature_type(view, key, schema[key]) for key in view.join_keys}
    for key, kind in types.items():
        if kind not in ("str", "int"):
            raise InvalidView(view.name, f"has the join key {key!r} of type {kind}", "Use text or whole numbers.")
    return types


def empty_source(source: Source) -> pl.LazyFrame:
    """The frame a view sees of a source that holds no rows yet."""
    columns = dict(compile_contract(source.contract).columns)
    return pl.LazyFrame(schema={**columns, "event_timestamp": INSTANT})


def normal_rows(view: FeatureView, rows: pl.LazyFrame) -> pl.DataFrame:
    """A view's rows with the declared types, in the order keys, event, created, features."""
    frame = rows.collect()
    _check_columns(view, frame.schema)
    stamps = [_instant(frame, "event_timestamp", view.name)]
    if "created_timestamp" in frame.columns:
        stamps.append(_instant(frame, "created_timestamp", view.name).fill_null(pl.col("event_timestamp")))
    else:
        stamps.append(pl.col("event_timestamp").cast(INSTANT).alias("created_timestamp"))
    typed = [pl.col(feature.name).cast(POLARS_TYPES[feature.dtype]) for feature in view.features]
    keys = [pl.col(key).cast(POLARS_TYPES[kind]) for key, kind in view.key_types.items()]
    present = pl.all_horizontal(pl.col(*view.join_keys, "event_timestamp").is_not_null())
    return frame.filter(present).select(*keys, *stamps, *typed)


def _schema(view: FeatureView) -> pl.Schema:
    schema = view(*(empty_source(source) for source in view.sources)).lazy().collect_schema()
    _check_columns(view, schema)
    return schema


def _check_columns(view: FeatureView, schema: pl.Schema) -> None:
    missing = [name for name in (*view.join_keys, "event_timestamp") if name not in schema]
    if missing:
        raise InvalidView(
            view.name,
            f"returns {', '.join(schema.names())}, without {', '.join(missing)}",
            "A view returns its join keys, event_timestamp and features.",
        )


def _instant(frame: pl.DataFrame, name: str, view: str) -> pl.Expr:
    dtype = frame.schema[name]
    if not isinstance(dtype, pl.Datetime):
        raise InvalidView(view, f"has {name} of type {dtype}", "Stamp rows with an aware instant.")
    if dtype.time_zone is None:
        raise InvalidView(view, f"has {name} without a time zone", "Stamp rows with instants in UTC.")
    return pl.col(name).dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _feature_type(view: FeatureView, name: str, dtype: pl.DataType) -> FeatureType:
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
    raise InvalidView(view.name, f"has the column {name!r} of type {dtype}", "Use numbers, booleans or text.")
