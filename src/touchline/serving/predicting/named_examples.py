"""Requests that name an open example: its stored keys and inputs complete the row, and other keys are refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from touchline.contracts.json_text import canonical_json, has_unicode_escape, parse_json
from touchline.http.problems import FieldProblem, InvalidRequest
from touchline.predictions import OpenExample, OpenExampleRecords
from touchline.serving.predicting.scored_row import Row

Examples = Mapping[str, OpenExample | None]
"""The examples that a body names, by id; None for one that is not open."""


def may_name_examples(body: bytes) -> bool:
    """Whether a request body can have the field `example_id`."""
    return b"example_id" in body or has_unicode_escape(body)


def complete_rows(body: bytes, fields: Collection[str], records: OpenExampleRecords) -> tuple[bytes, Examples]:
    """The body with the entity keys and inputs that its rows leave out, and the examples that it names.

    `fields` are the request fields that an example can give. A field in the request, null too, stays as it is. Raises
    `RepeatedKey` or `UnreadableJson`.
    """
    body = canonical_json(body)
    document = parse_json(body)
    rows = [row for row in (document if isinstance(document, list) else [document]) if isinstance(row, dict)]
    ids = {row["example_id"] for row in rows if isinstance(row.get("example_id"), str)}
    examples: Examples = {**dict.fromkeys(ids), **(records.find(ids) if ids else {})}
    is_changed = False
    for row in rows:
        example = examples.get(row["example_id"]) if isinstance(row.get("example_id"), str) else None
        stored: dict[str, Any] = {**example.inputs, **example.entity_keys} if example is not None else {}
        absent = {name: value for name, value in stored.items() if name in fields and name not in row}
        row |= absent
        is_changed = is_changed or bool(absent)
    return (json.dumps(document, ensure_ascii=False).encode() if is_changed else body), examples


def explain_missing(refusal: InvalidRequest, examples: Examples) -> InvalidRequest:
    """The refusal of rows, with the named examples that are not open and so could not complete them."""
    unknown = sorted(example_id for example_id, example in examples.items() if example is None)
    lacks_fields = any(problem.problem == "missing field" for problem in refusal.problems)
    if not unknown or not lacks_fields:
        return refusal
    allowed = "the id of an open example, or every field of the row"
    named = [FieldProblem("example_id", "is no open example", example_id, allowed) for example_id in unknown]
    return InvalidRequest([*named, *refusal.problems][:50])


def validate_examples(rows: Sequence[Row], examples: Examples, keys: Sequence[str], *, is_many: bool) -> None:
    """Raise `InvalidRequest` for rows that name an open example with other entity keys, or a cutoff before it was open.

    A prediction is about an example only if that was open at its cutoff; its outcome would settle the prediction.
    """
    problems = []
    for index, row in enumerate(rows):
        example = examples.get(row["example_id"]) if row["example_id"] is not None else None
        if example is None:
            continue
        where = f"{index}." if is_many else ""
        problems += _too_early(row["cutoff"], example, where)
        if row.get("features") is not None:
            continue
        for name in keys:
            stored = example.entity_keys.get(name)
            if row[name] != stored:
                allowed = f"{stored!r}, which the open example {example.example_id!r} has"
                problems.append(FieldProblem(where + name, "is not of the named example", row[name], allowed))
    if problems:
        raise InvalidRequest(problems[:50])


def _too_early(cutoff: datetime | None, example: OpenExample, where: str) -> list[FieldProblem]:
    since = example.open_since
    if cutoff is None or since is None or cutoff >= since:
        return []
    allowed = (
        f"from {since.isoformat()} on, as far back as the example {example.example_id!r} can have been open; for an "
        "earlier cutoff leave example_id out and give the keys"
    )
    return [FieldProblem(f"{where}cutoff", "is before the named example was open", cutoff.isoformat(), allowed)]
