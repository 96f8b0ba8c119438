"""Values that a client pushes: kept offline and written online, known from the instant they were pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from math import isnan
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.contracts.instants import parse_instant
from touchline.contracts.json_text import LARGEST_EXACT, nfc
from touchline.errors import InvalidInstant, InvalidPush
from touchline.features.declaration.output_contract import keep_good_rows
from touchline.features.declaration.types import INSTANT, POLARS_TYPES
from touchline.features.offline.histories import pushed_parts, pushed_prefix
from touchline.features.online.materialize import packed_rows, view_layout
from touchline.features.vectors.served_view import view_keys
from touchline.features.vectors.watermark import micros
from touchline.storage import DataStores, parquet_bytes

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView
    from touchline.features.online.base import OnlineStore


@dataclass(frozen=True)
class Pushed:
    """The result of one push: rows kept offline, rows that were newest online, rows that broke the view's contract."""

    rows: int
    written: int
    quarantined: int
    created_timestamp: datetime


def push(
    view: FeatureView,
    rows: Sequence[Mapping[str, Any]],
    *,
    project: str,
    stores: DataStores,
    online: OnlineStore,
    clock: Clock,
) -> Pushed:
    """Keep rows of join keys, all features and event_timestamp (default: now), offline first, then online.

    They count from now on and never before, whatever their event_timestamp says.
    """
    now = clock.now()
    frame = _typed_rows(view, rows, now)
    kept = keep_good_rows(view, frame)
    good = kept.rows.unique([*view.join_keys, "event_timestamp"], keep="last", maintain_order=True)
    if len(good):
        data = parquet_bytes(good)
        # Parts sort by name in the order they were pushed, even while a project's clock stands still.
        place = f"{micros(now):020d}-{len(pushed_parts(project, view, stores.objects)):08d}"
        key = f"{pushed_prefix(project, view)}{place}-{sha256(data).hexdigest()[:16]}.parquet"
        stores.objects.write(key, data)
    keys = view_keys(project, view.name, view.feature_version)
    written = online.write(packed_rows(view, good, view_layout(view), keys))
    return Pushed(len(good), written, len(frame) - len(kept.rows), now)


def _typed_rows(view: FeatureView, rows: Sequence[Mapping[str, Any]], now: datetime) -> pl.DataFrame:
    types: dict[str, str] = {**view.key_types, **{feature.name: feature.dtype for feature in view.features}}
    checked = [_checked_row(view, number, row, types, now) for number, row in enumerate(rows)]
    schema: dict[str, pl.DataType] = {key: POLARS_TYPES[kind] for key, kind in view.key_types.items()}
    schema |= {"event_timestamp": INSTANT, "created_timestamp": INSTANT}
    schema |= {feature.name: POLARS_TYPES[feature.dtype] for feature in view.features}
    return pl.DataFrame(checked, schema=schema, orient="row")


def _checked_row(
    view: FeatureView, number: int, row: Mapping[str, Any], types: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    unknown = [name for name in row if name not in types and name != "event_timestamp"]
    if unknown:
        raise InvalidPush.unknown(view.name, number, unknown[0], list(types))
    row = {name: _read_value(value, types.get(name)) for name, value in row.items()}
    for key in view.join_keys:
        if row.get(key) is None:
            raise InvalidPush(view.name, number, key, None, "given")
    instants = [name for name, kind in types.items() if kind == "timestamp" and row.get(name) is not None]
    row |= {name: _instant(view.name, number, name, row[name]) for name in instants}
    for name, kind in types.items():
        if row.get(name) is not None and not _fits(row[name], kind):
            raise InvalidPush(view.name, number, name, row[name], f"of type {kind}")
    event = _event_time(view.name, number, row.get("event_timestamp"), now)
    for name in types:
        if name not in row:
            # A null for what was left out would replace the value that is online.
            raise InvalidPush(view.name, number, name, "nothing", "given; null says that there is no value")
    return {**{name: row.get(name) for name in types}, "event_timestamp": event, "created_timestamp": now}


def _read_value(value: Any, kind: str | None) -> Any:
    """Text in NFC; a whole number that comes as digits, or as 3.0, as a number; NaN, as pandas writes null, as null."""
    if isinstance(value, float) and isnan(value):
        return None
    if kind == "int" and isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    if kind == "int" and isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    return nfc(value) if kind == "str" and isinstance(value, str) else value


def _fits(value: Any, kind: str) -> bool:
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return isinstance(value, {"bool": bool, "str": str, "timestamp": datetime}[kind])


def _event_time(view: str, number: int, given: Any, now: datetime) -> datetime:
    if given is None:
        return now
    instant = _instant(view, number, "event_timestamp", given)
    if instant > now:
        raise InvalidPush(view, number, "event_timestamp", given, f"no later than now ({now:%Y-%m-%d %H:%M:%S}Z)")
    return instant


def _instant(view: str, number: int, column: str, given: Any) -> datetime:
    if isinstance(given, datetime) and given.tzinfo is not None:
        return given.astimezone(UTC)
    try:
        return parse_instant(given)
    except InvalidInstant as wrong:
        raise InvalidPush(view, number, column, given, f"an instant such as {wrong.allowed}") from wrong
