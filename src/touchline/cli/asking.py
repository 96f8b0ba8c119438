"""Asks the running server, as any other client would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from touchline.cli.door import Door
from touchline.cli.up import base_url
from touchline.errors import InvalidRequestField, ServerRefused, ServerUnreachable

_BATCH = 500


def answer_one(door: Door, fields: Sequence[str]) -> dict[str, Any]:
    """The answer to one request, given as name=value pairs."""
    answer: dict[str, Any] = _post(door, dict(_pair(field) for field in fields))
    return answer


def answer_file(door: Door, file: Path, to: Path | None) -> dict[str, Any]:
    """Ask for every row of a CSV or Parquet file, in batches, and write the answers beside the questions."""
    import polars as pl

    from touchline.ingest import inspect_file

    questions = inspect_file(file).frame
    target = to or file.with_name(f"{file.stem}_predictions.csv")
    rows: list[dict[str, Any]] = []
    for batch in _batches(questions.to_dicts()):
        given = [{name: _typed(value) for name, value in row.items() if value not in (None, "")} for row in batch]
        rows += [_flat(answer) for answer in _post(door, given)["predictions"]]
    answers = pl.concat([questions, pl.DataFrame(rows, infer_schema_length=None)], how="horizontal")
    answers.write_parquet(target) if target.suffix == ".parquet" else answers.write_csv(target)
    return {"file": target, "rows": len(rows)}


def _pair(field: str) -> tuple[str, Any]:
    name, sign, value = field.partition("=")
    if not sign or not name:
        raise InvalidRequestField(field)
    return name, _typed(value)


def _typed(value: Any) -> Any:
    """Text as JSON reads it where it is a number, true, false or null; any other text as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except json.JSONDecodeError:
        return value
    return found if isinstance(found, int | float | bool) or found is None else value


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    said = {f"p_{name}": value for name, value in answer.get("probabilities", {}).items()}
    said |= {"value": answer["value"]} if "value" in answer else {}
    return {"prediction_id": answer["prediction_id"], **said, "release": answer["release"]}


def _post(door: Door, body: Any) -> Any:
    import httpx

    url = f"{base_url(door.house)}/projects/{door.project.name}/predict"
    try:
        answer = httpx.post(url, json=body, timeout=60)
    except httpx.TransportError as away:
        raise ServerUnreachable(url) from away
    if answer.status_code != 200:
        raise ServerRefused(url, answer.status_code, answer.text)
    return answer.json()
