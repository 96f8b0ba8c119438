"""The types of an instant (text with a zone) and of a day in a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from touchline.contracts.instants import parse_day, parse_instant
from touchline.errors import InvalidInstant
from touchline.serving.predicting.declared_field import DeclaredField

_T = TypeVar("_T")


def _reader(parse: Callable[[object], _T]) -> Callable[[object], _T | None]:
    def read(value: object) -> _T | None:
        if value is None:
            return None
        try:
            return parse(value)
        except InvalidInstant as wrong:
            allowed = {"allowed": wrong.allowed}
            raise PydanticCustomError("datetime_type", "Input should be {allowed}", allowed) from None

    return read


Instant = Annotated[AwareDatetime, BeforeValidator(_reader(parse_instant))]
Day = Annotated[date, BeforeValidator(_reader(parse_day))]


def spelt_time(declared: DeclaredField) -> Any:
    """The type of a day or an instant that may also be written as the contract's `DateFormat` says."""
    is_day = declared.type == "date"
    parse: Callable[[object], date] = parse_day if is_day else parse_instant

    def read(value: object) -> date:
        try:
            return parse(value)
        except InvalidInstant as wrong:
            from touchline.contracts.parse import parse_time

            text = value if isinstance(value, str) else ""
            time = parse_time("date" if is_day else "datetime", text, declared.formats, declared.zone)
            if time is None:
                raise InvalidInstant(value, f"{wrong.allowed}, or {declared.forms}") from None
            return time  # type: ignore[no-any-return]  # of the kind that is asked for

    extra: dict[str, JsonValue] = {"dateFormats": list(declared.formats)}
    return Annotated[date if is_day else AwareDatetime, BeforeValidator(_reader(read)), Field(json_schema_extra=extra)]
