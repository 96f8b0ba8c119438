"""Instants as requests carry them: text with a zone. A number would be read as seconds since 1970, and is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

_TEXT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _only_text(value: object) -> object:
    if value is None or (isinstance(value, str) and _TEXT.match(value)):
        return value
    raise PydanticCustomError("datetime_type", "Input should be an instant as text, such as 2009-04-15T13:30:00Z")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as beyond:
        raise PydanticCustomError(
            "datetime_range", "Input should be an instant between the years 1 and 9999"
        ) from beyond


Instant = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(_in_utc)]
