"""The types of an instant (text with a zone) and of a day in a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from touchline.contracts.instants import parse_day, parse_instant
from touchline.errors import InvalidInstant

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
