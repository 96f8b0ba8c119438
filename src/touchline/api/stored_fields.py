"""Fields of request bodies that are stored: what a database does not keep is refused, with the name of the field."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from touchline.serving.predicting.declared_field import LARGEST_INTEGER, NO_NUL, SMALLEST_INTEGER

StoredText = Annotated[str, Field(pattern=NO_NUL)]
OptionalReason = Annotated[StoredText, Field(max_length=500)]
Reason = Annotated[OptionalReason, Field(min_length=1)]


def _storable(value: str | float | bool | None) -> str | float | bool | None:
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("string_nul", "Input should be text without NUL")
    if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise PydanticCustomError("int_range", "Input should be a whole number of at most 64 bits")
    if isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    return value


StoredValue = Annotated[str | int | float | bool | None, AfterValidator(_storable)]
