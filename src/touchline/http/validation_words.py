"""The faults of a request's fields in words of our own, with the value found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from touchline.errors import nearest, without_error_kind
from touchline.http.problems import FieldProblem, InvalidRequest

_SUBJECT: Final = re.compile(r"^(?:String|Input|List|Tuple|Set|Dictionary|Value|Data) (?=should)")
_MOST_SHOWN: Final = 60
MOST_FAULTS: Final = 500
"""Of one request that are put into words: a small body may have a hundred thousand, and others wait meanwhile."""


def problem_in_words(error: Mapping[str, Any], fields: Collection[str] = ()) -> str:
    """The fault of one field, from an error of Pydantic. `fields` are those that the request may have.

    >>> problem_in_words({"type": "string_pattern_mismatch", "msg": "String should match pattern 'x'", "input": "foo"})
    "has another form than /docs shows; found: 'foo'"
    >>> problem_in_words({"type": "string_too_short", "msg": "String should have at least 3 characters", "input": ""})
    "should have at least 3 characters; found: ''"
    >>> problem_in_words({"type": "missing", "msg": "Field required", "input": {}})
    'is missing'
    >>> problem_in_words({"type": "extra_forbidden", "loc": ("body", "labl")}, ["label", "example_id"])
    "is no field of this request. Did you mean 'label'?"
    """
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return with_neighbour("is no field of this request", str(error["loc"][-1]), fields)
    if error["type"] == "string_pattern_mismatch":
        words = "has another form than /docs shows"
    else:
        words = _SUBJECT.sub("", without_error_kind(error["msg"]))
    found = error.get("input")
    if not isinstance(found, str | int | float | bool | None):
        return words
    shown = found[:_MOST_SHOWN] + "…" if isinstance(found, str) and len(found) > _MOST_SHOWN else found
    return f"{words}; found: {'nothing' if shown is None else repr(shown)}"


def without_shortened(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those of lists that are too short only because Pydantic does not count their wrong items.

    >>> item, whole = {"type": "missing", "loc": ("rows", 0)}, {"type": "too_short", "loc": ("rows",)}
    >>> without_shortened([item, whole]) == [item], without_shortened([whole]) == [whole]
    (True, True)
    """

    def has_wrong_items(place: tuple[str | int, ...]) -> bool:
        return any(len(error["loc"]) > len(place) and error["loc"][: len(place)] == place for error in errors)

    return [error for error in errors if error["type"] != "too_short" or not has_wrong_items(error["loc"])]


def with_neighbour(fault: str, name: str, declared: Collection[str]) -> str:
    """The fault of an unknown name, with the nearest declared one if one is near.

    >>> with_neighbour("is unknown", "agee", ["age"]), with_neighbour("is unknown", "xyz", ["age"])
    ("is unknown. Did you mean 'age'?", 'is unknown')
    """
    hint = nearest(name, declared)
    return f"{fault}. {hint}" if hint.startswith("Did") else fault


def field_names(body: Any) -> set[str]:
    """The names of the fields of all objects in the type of a body."""
    schema = TypeAdapter(body).json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    return {name for one in objects for name in one.get("properties", {})}


def refuse_undeclared(query: Mapping[str, str], declared: Collection[str] = ()) -> None:
    """Raise `InvalidRequest` where a query names a parameter that is not declared."""
    unknown = [name for name in dict.fromkeys(query) if name not in declared]
    if not unknown:
        return
    fault, allowed = "is no query parameter of this route", ", ".join(sorted(declared))
    raise InvalidRequest(
        [
            FieldProblem(
                name[:100],
                with_neighbour(fault, name, declared),
                query[name][:200],
                allowed or "none: this route takes no query",
            )
            for name in unknown[:50]
        ]
    )
