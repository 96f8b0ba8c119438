"""The faults of a request's fields in words of our own, with the value found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SUBJECT: Final = re.compile(
    r"^(?:Value error, |Assertion failed, )|^(?:String|Input|List|Dictionary|Value|Data) (?=should)"
)
_MOST_SHOWN: Final = 60


def problem_in_words(error: Mapping[str, Any]) -> str:
    """The fault of one field, from an error of Pydantic.

    >>> problem_in_words({"type": "string_pattern_mismatch", "msg": "String should match pattern 'x'", "input": "foo"})
    "has another form than /docs shows; found: 'foo'"
    >>> problem_in_words({"type": "string_too_short", "msg": "String should have at least 3 characters", "input": ""})
    "should have at least 3 characters; found: ''"
    >>> problem_in_words({"type": "missing", "msg": "Field required", "input": {}})
    'is missing'
    """
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is no field of this request"
    if error["type"] == "string_pattern_mismatch":
        words = "has another form than /docs shows"
    else:
        words = _SUBJECT.sub("", str(error["msg"]))
    found = error.get("input")
    if not isinstance(found, str | int | float | bool | None):
        return words
    shown = found[:_MOST_SHOWN] + "…" if isinstance(found, str) and len(found) > _MOST_SHOWN else found
    return f"{words}; found: {'nothing' if shown is None else repr(shown)}"
