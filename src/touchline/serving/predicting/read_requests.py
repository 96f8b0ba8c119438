"""Request bodies as checked rows, by the fields of the release in Production and of those beside it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, TypeAdapter, ValidationError

from touchline.contracts.json_text import canonical_json, has_unicode_escape, may_repeat_a_key, parse_json
from touchline.errors import RepeatedKey, UnreadableJson
from touchline.http.problems import BatchTooLarge, FieldProblem, InvalidRequest, MalformedBody
from touchline.http.statuses import problem_of
from touchline.registry import LoadedRelease
from touchline.serving.predicting.plain_rows import PlainRows
from touchline.serving.predicting.request_fields import (
    RequestModels,
    explain,
    fields_beside,
    key_fields,
)
from touchline.serving.predicting.scored_row import Row


class RequestReader:
    """Checks the requests of one release. A row may bring the fields of the releases `beside` it too.

    Such a field is in a checked row only where the request has it; a field of none of the releases is refused.
    """

    def __init__(self, release: LoadedRelease, own_models: RequestModels, beside: Sequence[LoadedRelease] = ()) -> None:
        self.models = RequestModels(release, beside) if fields_beside(release, beside) else own_models
        self._release, self._own_models = release, own_models
        self._keys = key_fields(release)
        self._beside = tuple(fields_beside(release, beside))
        self._one = self.models.row.__pydantic_validator__
        self._many = TypeAdapter(list[self.models.row]).validator  # type: ignore[name-defined]
        inputs = (column.name for column in release.inputs)
        self.plain = PlainRows(release, self._keys)
        self.example_fields = frozenset({*release.entity_columns, *inputs, *self._beside})

    def beside(self, releases: Sequence[LoadedRelease]) -> RequestReader:
        """The reader of the same release that takes the fields of these releases too."""
        if not self._beside and not fields_beside(self._release, releases):
            return self  # nothing to add: refreshes of one declaration
        return RequestReader(self._release, self._own_models, releases)

    def read_body(self, body: bytes, most_rows: int) -> tuple[list[Row], bool]:
        """The checked rows of a request body, and whether it was a list."""
        try:
            return self._read_body(canonical_json(body), most_rows)
        except (RepeatedKey, UnreadableJson) as error:
            raise problem_of(error) from None

    def _read_body(self, body: bytes, most_rows: int) -> tuple[list[Row], bool]:
        is_many = body.lstrip()[:1] == b"["
        try:
            models = self._many.validate_json(body) if is_many else [self._one.validate_json(body)]
        except ValidationError as wrong:
            raise self._explain(wrong, is_many) from None
        if not models:
            raise InvalidRequest([FieldProblem("", "the list is empty", None, f"1 to {most_rows} rows")])
        if len(models) > most_rows:
            raise BatchTooLarge(len(models), most_rows)
        rows = [model.__dict__ for model in models]
        if may_repeat_a_key(body, sum(map(_key_count, models))):
            parse_json(body)  # refuses a repeated key
        if self._keys:
            self._validate_keys(models, is_many)
        if has_unicode_escape(body) and b"\\u0000" in body:
            _validate_texts(rows, is_many)
        if self._beside:
            rows = [self._without_absent(model) for model in models]
        return rows, is_many

    def _without_absent(self, model: BaseModel) -> Row:
        absent = set(self._beside) - model.__pydantic_fields_set__
        return {name: value for name, value in model.__dict__.items() if name not in absent}

    def _explain(self, wrong: ValidationError, is_many: bool) -> Exception:
        first = wrong.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            return MalformedBody(f"{first['msg']}. Send one JSON object, or a list of them.")
        return explain(wrong, self.models.properties, is_many=is_many)

    def _validate_keys(self, models: Sequence[BaseModel], is_many: bool) -> None:
        """Refuse rows without a key. A null is a key only where the contract allows it: its views are missing."""
        problems = []
        for index, model in enumerate(models):
            row, given = model.__dict__, model.__pydantic_fields_set__
            if row["features"] is not None:
                continue
            where = f"{index}." if is_many else ""
            problems += [
                FieldProblem(where + key.name, "missing field", None, key.allowed)
                for key in self._keys
                if row[key.name] is None and not (key.is_nullable and key.name in given)
            ]
        if problems:
            raise InvalidRequest(problems[:50])


def _key_count(model: BaseModel) -> int:
    """The number of different keys in the JSON of a row, with those of `features`."""
    nested = model.__dict__.get("features")
    return len(model.__pydantic_fields_set__) + (len(nested.__pydantic_fields_set__) if nested is not None else 0)


def _validate_texts(rows: Sequence[Row], is_many: bool) -> None:
    """PostgreSQL keeps no text with a NUL: what cannot be logged is not answered."""
    for index, row in enumerate(rows):
        for name, value in {**row, **(row["features"].__dict__ if row.get("features") else {})}.items():
            if isinstance(value, str) and "\0" in value:
                where = f"{index}.{name}" if is_many else name
                raise InvalidRequest([FieldProblem(where, "has a NUL character", None, "text without NUL")])
