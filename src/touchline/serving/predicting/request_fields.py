"""Request models made from a release: what `/docs` shows and what a request is checked against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from touchline.contracts.json_text import LARGEST_EXACT
from touchline.errors import without_error_kind
from touchline.features import ColumnSpec
from touchline.http.problems import FieldProblem, InvalidRequest
from touchline.http.validation_words import MOST_FAULTS, with_neighbour
from touchline.registry import InputField, LoadedRelease
from touchline.serving.predicting.declared_field import (
    LARGEST_INTEGER,
    LONGEST_TEXT,
    NO_NUL,
    SMALLEST_INTEGER,
    declared_field,
)
from touchline.serving.predicting.instants import Day, Instant, spelt_time

_INT64: Final[dict[str, Any]] = {"ge": SMALLEST_INTEGER, "le": LARGEST_INTEGER}
# Checked by the predictor in one look at the body.
_NO_NUL: Final[dict[str, Any]] = {"json_schema_extra": {"pattern": NO_NUL}}
LONGEST_KEY: Final = 200
TextKey = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_KEY, **_NO_NUL)]
# Digits are taken too, as in a URL: JavaScript rounds ids beyond 2**53. 7, "7" and "007" name the same entity, so one
# text stands for all.
WholeKey = Annotated[
    Annotated[int, BeforeValidator(lambda key: _whole(key)), Field(strict=True, **_INT64)]
    | Annotated[str, Field(strict=True, pattern="^-?[0-9]{1,40}$")],
    AfterValidator(lambda key: _whole_key(int(key))),
]
ExampleId = TextKey


def _whole_key(key: int) -> str:
    if not SMALLEST_INTEGER <= key <= LARGEST_INTEGER:
        raise PydanticCustomError("int_range", "Input should be a whole number of at most 64 bits")
    return str(key)


def _whole(value: object) -> object:
    """3.0 as 3: tools that keep whole numbers beside nulls send them as floats, exact up to 2**53."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT else value


_NUMBER = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_TYPES: dict[str, Any] = {
    "integer": Annotated[int, BeforeValidator(_whole), Field(strict=True, **_INT64)],
    "number": _NUMBER,
    "boolean": Annotated[bool, Field(strict=True)],
    "string": Annotated[str, Field(strict=True, max_length=LONGEST_TEXT, **_NO_NUL)],
    "instant": Instant,
    "date": Day,
    "any": Any,
}
_LIMITS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
}
RESERVED = ("cutoff", "example_id", "features")


class RequestModels:
    """The models of one release, with the fields of the releases beside it, which a request may leave out.

    `row` checks; `by_keys` and `by_values` describe the two ways to ask, and are made where documentation shows them.
    `like` are the models of another release, whose `row` is taken over where it checks the same.
    """

    def __init__(
        self, release: LoadedRelease, beside: Sequence[LoadedRelease] = (), like: RequestModels | None = None
    ) -> None:
        clash = sorted(set(RESERVED) & {*release.entity_columns, *(column.name for column in release.inputs)})
        if clash:
            raise ValueError(f"{release.project}: {clash[0]!r} cannot be an input or a key; requests use that name")
        self._release, self._title, self._is_alone = release, title_of(release.project), not beside
        self._key_types = {key.name: key.type for key in key_fields(release)}
        inputs = {column.name: _input(column) for column in release.inputs} | fields_beside(release, beside)
        self._rest: dict[str, Any] = inputs | _extras(release)
        if like is not None and not beside and like.checks_rows_of(release):
            self.row = like.row

    def checks_rows_of(self, release: LoadedRelease) -> bool:
        """Whether the requests of another release are checked alike, by values too."""
        own = self._release
        return self._is_alone and takes_same_rows(own, release) and own.view_columns == release.view_columns

    @cached_property
    def row(self) -> type[BaseModel]:
        """Checks a row of either way."""
        if not self._release.views:
            return self.by_keys
        features: dict[str, Any] = {"features": (self._values | None, Field(None))}
        return self._model("Request", self._optional_keys | self._rest | features)

    @cached_property
    def by_keys(self) -> type[BaseModel]:
        keys: dict[str, Any] = {name: (kind, Field(description="entity key")) for name, kind in self._key_types.items()}
        return self._model("Row", keys | self._rest)

    @cached_property
    def by_values(self) -> type[BaseModel] | None:
        if not self._release.views:
            return None
        features = (self._values, Field(description="every feature value; nothing is looked up"))
        return self._model("RowByValues", self._optional_keys | self._rest | {"features": features})

    @cached_property
    def properties(self) -> Mapping[str, Any]:
        """JSON Schema of each field of a request."""
        found: Mapping[str, Any] = self.row.model_json_schema().get("properties", {})
        return found

    @cached_property
    def _values(self) -> type[BaseModel]:
        return self._model("Features", {column.name: _value(column) for column in self._release.view_columns})

    @property
    def _optional_keys(self) -> dict[str, Any]:
        return {name: (kind | None, Field(None)) for name, kind in self._key_types.items()}

    def _model(self, name: str, fields: dict[str, Any]) -> type[BaseModel]:
        return _model(f"{self._title}{name}", self._release, fields)


def title_of(project: str) -> str:
    """The prefix of the names of a project's models.

    >>> title_of("bank_marketing")
    'BankMarketing'
    """
    return "".join(part.title() for part in project.split("_"))


def takes_same_rows(one: LoadedRelease, other: LoadedRelease) -> bool:
    """Whether a row by keys that one release has checked needs no other check for the other."""
    return (
        one.project == other.project
        and one.contract == other.contract
        and one.entity_columns == other.entity_columns
        and one.inputs == other.inputs
        and key_fields(one) == key_fields(other)
        and bool(one.views) == bool(other.views)
    )


def fields_beside(release: LoadedRelease, beside: Sequence[LoadedRelease]) -> dict[str, Any]:
    """The fields that other releases declare and this one does not, by name; of two that differ the first counts."""
    own = {*RESERVED, *release.entity_columns, *(column.name for column in release.inputs)}
    fields: dict[str, Any] = {}
    for other in beside:
        declared = {key.name: key.type for key in key_fields(other)}
        declared |= {column.name: _input(column)[0] for column in other.inputs}
        note = f"a field of version {other.version}, which is not in Production"
        for name in declared.keys() - own - fields.keys():
            fields[name] = (declared[name], Field(None, description=note))
    return fields


def needs_value(release: LoadedRelease) -> dict[str, bool]:
    """The inputs that a request for a release must have, by name; False where their value may be null."""
    declared = [declared_field(column) for column in release.inputs]
    return {one.name: not one.is_nullable for one in declared if one.is_required and one.default is None}


@dataclass(frozen=True)
class KeyField:
    """An entity key of a request: its kind, as the views declare it, and what the contract of its column allows."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    is_nullable: bool = False

    @property
    def allowed(self) -> str:
        return f"one of {', '.join(self.levels)}" if self.levels else "an entity key"

    @property
    def type(self) -> Any:
        kind: Any = WholeKey if self.kind == "int" else TextKey
        if self.levels:
            kind = Annotated[kind, AfterValidator(self._level), Field(json_schema_extra={"enum": [*self.levels]})]
        return kind | None if self.is_nullable else kind

    def _level(self, key: str) -> str:
        if key not in self.levels:
            raise PydanticCustomError("literal_error", "Input should be a level of the contract")
        return key


def key_fields(release: LoadedRelease) -> tuple[KeyField, ...]:
    """The entity keys of a release's requests, each once."""
    fields: dict[str, KeyField] = {}
    for view in release.views:
        for column, kind in zip(view.request_columns, view.key_types, strict=True):
            schema = release.contract.get("properties", {}).get(column, {})
            options = schema.get("anyOf", [schema])
            levels = tuple(str(level) for option in options for level in option.get("enum", ()))
            is_nullable = any(option.get("type") == "null" for option in options)
            fields.setdefault(column, KeyField(column, kind, levels, is_nullable))
    return tuple(fields.values())


def _model(name: str, release: LoadedRelease, fields: dict[str, Any]) -> type[BaseModel]:
    stored = release.manifest.example
    example = dict(stored) if stored and set(stored) <= set(fields) else None
    config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": example} if example else None,
        protected_namespaces=(),
        # A project's field may bear the name of a BaseModel method; values are read from __dict__.
        ignored_types=(),
    )
    return create_model(name, __config__=config, **fields)


def _extras(release: LoadedRelease) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "cutoff": (
            Instant | None,
            Field(None, description="instant up to which the prediction may know; default: now"),
        ),
        "example_id": (
            ExampleId | None,
            Field(None, description=f"which {release.project} example this is, so that its outcome finds it"),
        ),
    }
    return extras


def _input(column: InputField) -> Any:
    declared = declared_field(column)
    kind: Any = Literal[declared.levels] if declared.type == "level" else _TYPES[declared.type]
    if declared.formats:
        kind = spelt_time(declared)
    if declared.limits:
        kind = Annotated[kind, Field(**{_LIMITS[name]: limit for name, limit in declared.limits.items()})]
    if declared.default is not None and not declared.is_nullable:
        kind = Annotated[kind | None, AfterValidator(lambda value: declared.default if value is None else value)]
    elif declared.is_nullable or not declared.is_required:
        kind = kind | None
    default = ... if declared.is_required and declared.default is None else declared.default
    return (kind, Field(default, **declared.notes))


def _value(column: ColumnSpec) -> Any:
    kind: Any = _NUMBER | None
    if column.kind == "category":
        kind = _TYPES["string"] | None
    note = f"{column.origin}" + (f"; levels: {', '.join(column.levels[:20])}" if column.levels else "")
    return (kind, Field(..., description=note))


def explain(wrong: ValidationError, properties: Mapping[str, Any], *, is_many: bool) -> InvalidRequest:
    """The problem document of a request that does not fit: each field, what was found and what is allowed."""
    errors = wrong.errors(include_url=False, include_context=False)[:MOST_FAULTS]
    problems = [_field_problem(error, properties, is_many) for error in errors]
    first = {problem.field: problem for problem in reversed(problems)}  # a field of two types fails as both
    return InvalidRequest([first[name] for name in dict.fromkeys(problem.field for problem in problems)][:50])


def _field_problem(error: Any, properties: Mapping[str, Any], is_many: bool) -> FieldProblem:
    path = [str(part) for part in error["loc"]]
    names = path[1:] if is_many else path
    name = names[0] if names else ""
    depth = len(path) - len(names) + (2 if name == "features" else 1)
    path = path[:depth]  # what follows tells which of a field's types was tried
    found = error.get("input")
    shown = found if isinstance(found, str | int | float | bool | type(None)) else type(found).__name__
    if error["type"] == "extra_forbidden":
        fault = with_neighbour("unknown field", path[-1], properties)
        return FieldProblem(".".join(path), fault, None, f"fields: {', '.join(properties)}")
    if error["type"] == "missing":
        return FieldProblem(".".join(path), "missing field", None, _allowed(properties.get(name, {})))
    text = shown[:200] if isinstance(shown, str) else shown
    if error["type"] == "datetime_type":  # a JSON Schema says less than the reader
        return FieldProblem(".".join(path), "does not fit", text, str(error["msg"]).removeprefix("Input should be "))
    return FieldProblem(".".join(path), without_error_kind(error["msg"]), text, _allowed(properties.get(name, {})))


def _allowed(schema: Mapping[str, Any]) -> str | None:
    """The values that a field accepts, in words."""
    options: Sequence[Mapping[str, Any]] = schema.get("anyOf") or [schema]
    said = [text for option in options if (text := _allowed_option(option))]
    return " or ".join(said) or None


def _allowed_option(schema: Mapping[str, Any]) -> str:
    """
    >>> _allowed_option({"type": "string", "format": "date", "dateFormats": ["%d.%m.%Y"]})
    "string format date or in the form '%d.%m.%Y'"
    """
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"{schema['const']}"
    words = [str(schema["type"])] if "type" in schema else []
    signs = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    words += [f"{sign} {schema[key]}" for key, sign in signs.items() if abs(schema.get(key, 2**63)) < 2**63 - 1]
    shown = {**schema} | ({"pattern": None} if schema.get("pattern") == NO_NUL else {})
    words += [f"{key} {shown[key]}" for key in ("minLength", "maxLength", "pattern", "format") if shown.get(key)]
    words += [f"or in the form {form!r}" for form in schema.get("dateFormats", ())]
    return " ".join(words)
