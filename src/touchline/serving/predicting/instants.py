"""The type of an instant in a request: text with a zone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from touchline.contracts.instants import parse_instant
from touchline.errors import InvalidInstant


def _read(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(value)
    except InvalidInstant as wrong:
        raise PydanticCustomError("datetime_type", "Input should be {allowed}", {"allowed": wrong.allowed}) from None


Instant = Annotated[AwareDatetime, BeforeValidator(_read)]
