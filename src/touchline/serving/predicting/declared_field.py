"""An input of a request, read once from its JSON Schema; rows and columns are checked by it alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from touchline.contracts.json_text import nfc
from touchline.registry import InputField

FieldType = Literal["integer", "number", "boolean", "string", "level", "instant", "date", "any"]
LONGEST_TEXT: Final = 10_000
# What the prediction log, its databases and JSON readers in other languages can hold.
SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**63 - 1
NO_NUL: Final = r"^[^\x00]*$"  # PostgreSQL keeps no text with a NUL
_LIMITS: Final = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern"),
)
# What may stand beside the choice between a value and null.
_BESIDE: Final = ("description", "examples", "dateFormats", "zone")
_PLAIN: Final[frozenset[FieldType]] = frozenset({"integer", "number", "boolean", "string"})


@dataclass(frozen=True)
class DeclaredField:
    """`levels` are the allowed values of a `level`; `limits` are named as in JSON Schema.

    `default` stands for a missing value, and for a null where null is not allowed. `formats` are the spellings of a day
    or an instant beside ISO 8601, in the wall clock of `zone`.
    """

    name: str
    type: FieldType
    is_nullable: bool
    is_required: bool
    default: Any = None
    levels: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    zone: str = "UTC"

    @property
    def forms(self) -> str:
        """The spellings of a time beside ISO 8601, in words."""
        return f"text in the form {' or '.join(map(repr, self.formats))}"


def declared_field(given: InputField) -> DeclaredField:
    """The field of a release's contract."""
    schema, is_nullable = _of_values(given.schema)
    levels = tuple(schema.get("enum") or ([schema["const"]] if "const" in schema else ()))
    kind = _type_of(schema, levels)
    return DeclaredField(
        given.name,
        kind,
        is_nullable=is_nullable,
        is_required=given.is_required,
        default=given.schema.get("default"),
        levels=tuple(nfc(level) if isinstance(level, str) else level for level in levels),
        limits={name: schema[name] for name in _LIMITS if name in schema} if kind in _PLAIN else {},
        notes={name: schema[name] for name in ("description", "examples") if name in schema},
        formats=tuple(schema.get("dateFormats", ())),
        zone=schema.get("zone", "UTC"),
    )


def _of_values(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema of the values that are not null, and whether null is allowed beside them."""
    for choices in ("anyOf", "oneOf"):
        options = [option for option in schema.get(choices, ()) if option.get("type") != "null"]
        if options and len(options) < len(schema[choices]):
            notes = {name: schema[name] for name in _BESIDE if name in schema}
            return {**options[0], **notes}, True
    return schema, False


def _type_of(schema: Mapping[str, Any], levels: tuple[Any, ...]) -> FieldType:
    if levels:
        return "level"
    if schema.get("format") in ("date-time", "date"):
        return "instant" if schema["format"] == "date-time" else "date"
    kind = schema.get("type")
    return kind if kind in _PLAIN else "any"
