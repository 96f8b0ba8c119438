"""Instants as text, read in one way by requests, pushes and the command line: ISO 8601 as RFC 3339 narrows it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from touchline.errors import InvalidInstant

DATE: Final = r"\d{4}-\d\d-\d\d"
ZONED: Final = rf"^{DATE}[Tt ]\d\d:\d\d(:\d\d([.]\d+)?)?([Zz]|[+-]\d\d:?\d\d)$"
_ZONED: Final = re.compile(ZONED)
_ANY: Final = re.compile(rf"^{DATE}([Tt ]\d\d:\d\d(:\d\d([.]\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?$")


def parse_instant(text: object) -> datetime:
    """The instant in UTC, of text with a zone. Raises `InvalidInstant`; a number would be seconds of an unknown start.

    >>> parse_instant("2009-04-18T14:00:00+02:00").isoformat()
    '2009-04-18T12:00:00+00:00'
    """
    if not isinstance(text, str) or not _ZONED.match(text):
        raise InvalidInstant(text, "a date, a time and a zone, such as 2009-04-15T13:30:00Z")
    return _parsed(text)


def parse_instant_or_day(text: str) -> datetime:
    """The same, and without a zone it is in UTC; a date alone is its first instant.

    >>> parse_instant_or_day("2009-04-18").isoformat()
    '2009-04-18T00:00:00+00:00'
    """
    if not _ANY.match(text):
        raise InvalidInstant(text, "2009-04-18 or 2009-04-18T12:00, in UTC or with a zone")
    return _parsed(text)


def parse_day(text: object) -> date:
    """The day that text names; raises `InvalidInstant`.

    >>> parse_day("2009-04-18").isoformat()
    '2009-04-18'
    """
    if not isinstance(text, str) or not re.fullmatch(DATE, text):
        raise InvalidInstant(text, "a day such as 2009-04-15")
    return _parsed(text).date()


def _parsed(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.upper())
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise InvalidInstant(text, f"a date and time that exist, between the years 1 and 9999 ({wrong})") from wrong
