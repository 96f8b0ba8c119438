"""`Source`: the declaration of one table, its key and its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from touchline.contracts.contract import Contract
from touchline.contracts.fields import FieldSpec, read_fields
from touchline.errors import nearest

if TYPE_CHECKING:
    from touchline.contracts import CompiledContract

CONSTANT_STAMP = datetime(1970, 1, 1, tzinfo=UTC)
"""The event_timestamp of every row of a source without a time column."""

_OURS = ("event_timestamp", "created_timestamp", "_manifest")
_DAY = timedelta(days=1)
# A schedule is published a season ahead; a year later than that is a typing error.
_SCHEDULE_AHEAD = timedelta(days=400)


class Source(BaseModel):
    """One table: what a row is, what identifies it, when it becomes knowable, and who brings it.

    `known_after` is added to `event_time`; `known_at` names a column that says it directly. A column of days means
    the start of the next day. `hidden_until_known` columns are null until their row's event is knowable. `ahead` is
    how far in the future an event may lie: by default a day, or 400 days with `hidden_until_known` (a schedule).
    A batch with a column that the contract does not declare is refused; `extra="ignore"` leaves such columns out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")
    contract: type[Contract]
    key: str | tuple[str, ...] = Field(min_length=1)
    event_time: str | None = None
    known_after: timedelta = Field(timedelta(0), ge=timedelta(0))
    known_at: str | None = None
    zone: str = "UTC"
    provider: Any
    hidden_until_known: tuple[str, ...] = ()
    ahead: timedelta | None = Field(None, ge=timedelta(0))
    extra: Literal["forbid", "ignore"] = Field("forbid", description="columns that the contract does not declare")
    max_rejected_share: float = Field(0.05, ge=0, le=1)
    max_age: timedelta | None = Field(None, description="older than this since its last good ingest, it is stale")

    def __init__(self, *names: str, **fields: Any) -> None:
        if names:
            fields["name"] = names[0]
        super().__init__(**fields)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def look_ahead(self) -> timedelta:
        """The largest time that an event may lie after now."""
        if self.ahead is not None:
            return self.ahead
        return _SCHEDULE_AHEAD if self.hidden_until_known else _DAY

    @property
    def compiled(self) -> CompiledContract:
        """The contract's columnar form."""
        from touchline.contracts import compile_contract

        return compile_contract(self.contract)

    @property
    def schema_hash(self) -> str:
        """Changes when the contract, the declared times or the way of reading change."""
        from touchline.ingest.providers.base import described

        times = [self.keys, self.event_time, self.known_after, self.known_at, self.zone, self.hidden_until_known]
        text = "\n".join([self.compiled.schema_hash, repr(times), repr(self.look_ahead), described(self.provider)])
        if self.extra != "forbid":
            text += f"\n{self.extra}"
        return sha256(text.encode()).hexdigest()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"{zone!r} is no time zone; use a name such as 'Europe/London'") from unknown
        return zone

    @field_validator("provider")
    @classmethod
    def _can_fetch(cls, provider: Any) -> Any:
        if not callable(getattr(provider, "fetch", None)):
            raise ValueError(f"{type(provider).__name__} has no method fetch(); use CsvFiles(...) or another provider")
        return provider

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        fields = read_fields(self.contract)
        for place, column in self._named_columns():
            if column not in fields:
                raise ValueError(
                    f"{place} names {column!r}, which {self.contract.__name__} does not declare. "
                    f"{nearest(column, fields)}"
                )
        for column in _OURS:
            if column in fields:
                raise ValueError(f"{self.contract.__name__} declares {column!r}, which ingest adds: rename the column")
        self._check_nulls(fields)
        self._check_times(fields)
        return self

    def _named_columns(self) -> list[tuple[str, str]]:
        named = [("key", column) for column in self.keys]
        named += [("hidden_until_known", column) for column in self.hidden_until_known]
        named += [(place, column) for place in ("event_time", "known_at") if (column := getattr(self, place))]
        return named

    def _check_nulls(self, fields: dict[str, FieldSpec]) -> None:
        for column in self.keys:
            if fields[column].nullable:
                raise ValueError(f"key {column!r} may be null in {self.contract.__name__}; a key must be given")
        for column in self.hidden_until_known:
            if not fields[column].nullable:
                raise ValueError(f"hidden_until_known {column!r} must be nullable: it is null until it is known")
        if self.event_time is not None and fields[self.event_time].nullable:
            raise ValueError(f"event_time {self.event_time!r} may be null; give it a type without None")

    def _check_times(self, fields: dict[str, FieldSpec]) -> None:
        for place in ("event_time", "known_at"):
            column = getattr(self, place)
            if column is not None and fields[column].kind not in ("date", "datetime"):
                raise ValueError(f"{place} {column!r} is {fields[column].kind}; it must be a date or a datetime")
        if self.event_time is None and (self.known_at is None or fields[self.known_at].nullable):
            if self.known_at is not None:
                raise ValueError(f"known_at {self.known_at!r} may be null, so event_time is needed for such rows")
            if self.hidden_until_known:
                raise ValueError("hidden_until_known needs an event_time: without one nothing says when they are known")
