"""Prediction rows into the metadata database: whole batches, each row once, examples resolved on the way.

A batch goes to the database as one JSON text in one statement, which takes it apart there: the interpreter is free for
requests meanwhile. Row by row through the driver the same batch holds it for 40 µs a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
import sqlalchemy as sa

from touchline.serving.prediction_log import RowsRefused
from touchline.storage import Database

_VECTOR = b'"vector":"'
_TEXTS = ("prediction_id", "request_id", "project", "release_id", "role", "experiment", "salt", "variant")
_OTHERS = ("probability", "override", "unit", "threshold", "correlation_id")
_DOCUMENTS = ("entity_keys", "views", "inputs", "output")
_INSTANTS = ("cutoff", "answered_at")
_COLUMNS = (*_TEXTS, *_OTHERS, *_DOCUMENTS, *_INSTANTS, "example_id", "cluster", "vector")


def key_text(entity_keys: Mapping[str, object]) -> str:
    """One text for one set of entity keys, whatever their order: as it stands in a log row.

    >>> key_text({"b": "2", "a": 1})
    '{"a":"1","b":"2"}'
    """
    return orjson.dumps({name: str(entity_keys[name]) for name in sorted(entity_keys)}).decode()


class DatabaseSink:
    """Writes rows to `predictions`. A row that is there already stays as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, lines: Sequence[bytes]) -> None:
        """Write rows as `log_line` made them, all or none. Raises `RowsRefused` for rows that cannot be read."""
        if not lines:
            return
        try:
            self._write(lines)
        except ValueError as wrong:
            raise RowsRefused(f"not a row: {wrong}") from wrong
        except sa.exc.DBAPIError as wrong:
            if not _is_fault_of_rows(wrong):
                raise
            raise RowsRefused(str(wrong.orig)) from wrong

    def _write(self, lines: Sequence[bytes]) -> None:
        # A row depends on nothing stored but its example, so on PostgreSQL it waits for no other writer.
        with self._database.append() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(_POSTGRES), {"rows": _array(lines).decode()})
                return
            for vectors, rows in _by_width(lines).items():
                blob = bytes.fromhex("".join(vector for vector, _ in rows))
                connection.exec_driver_sql(_SQLITE, (_array([line for _, line in rows]).decode(), blob, vectors // 2))


def _is_fault_of_rows(wrong: sa.exc.DBAPIError) -> bool:
    """Whether the rows are wrong, not the database: data exceptions and broken constraints."""
    state = getattr(wrong.orig, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in ("22", "23")
    return isinstance(wrong, sa.exc.IntegrityError) or "malformed JSON" in str(wrong.orig)


def _array(lines: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(lines) + b"]"


def _by_width(lines: Sequence[bytes]) -> dict[int, list[tuple[str, bytes]]]:
    """Lines by the length of their vector, the last member of each; SQLite cannot read hexadecimal."""
    found: dict[int, list[tuple[str, bytes]]] = {}
    for line in lines:
        start = line.rindex(_VECTOR) + len(_VECTOR)
        vector = line[start:-2].decode()
        found.setdefault(len(vector), []).append((vector, line))
    return found


def _statement(values: Mapping[str, str], source: str, example: str, ending: str) -> str:
    resolved = {name: example.format(name=name) for name in ("example_id", "cluster")}
    columns = ", ".join(_COLUMNS)
    chosen = ", ".join({**values, **resolved}[name] for name in _COLUMNS)
    return f"INSERT INTO predictions ({columns}) SELECT {chosen} FROM {source} {ending}"


_SQLITE_EXAMPLE = """coalesce(json_extract(value, '$.{name}'), (
    SELECT o.{name} FROM open_examples o
    WHERE o.project = json_extract(value, '$.project')
      AND (o.example_id = json_extract(value, '$.example_id')
           OR (json_extract(value, '$.example_id') IS NULL
               AND o.key_text = json_extract(value, '$.entity_keys')
               AND o.cutoff >= json_extract(value, '$.cutoff')))
    ORDER BY o.cutoff, o.example_id LIMIT 1))"""
_SQLITE = _statement(
    {name: f"json_extract(value, '$.{name}')" for name in _COLUMNS} | {"vector": "substr(?2, key * ?3 + 1, ?3)"},
    "json_each(?1)",
    _SQLITE_EXAMPLE,
    "WHERE true ON CONFLICT DO NOTHING",
)

_POSTGRES_EXAMPLE = """coalesce(value->>'{name}', (
    SELECT o.{name} FROM open_examples o
    WHERE o.project = value->>'project'
      AND (o.example_id = value->>'example_id'
           OR (value->>'example_id' IS NULL
               AND o.key_text = value->>'entity_keys'
               AND o.cutoff >= ((value->>'cutoff') || '+00')\\:\\:timestamptz))
    ORDER BY o.cutoff, o.example_id LIMIT 1))"""
_POSTGRES = _statement(
    {name: f"value->>'{name}'" for name in _COLUMNS}
    | {name: f"value->'{name}'" for name in _DOCUMENTS}
    | {name: f"((value->>'{name}') || '+00')\\:\\:timestamptz" for name in _INSTANTS}
    | {name: f"(value->>'{name}')\\:\\:float8" for name in ("probability", "threshold")}
    | {"override": "(value->>'override')\\:\\:boolean", "vector": "decode(value->>'vector', 'hex')"},
    "json_array_elements(CAST(:rows AS json)) AS rows(value)",
    _POSTGRES_EXAMPLE,
    "ON CONFLICT DO NOTHING",
)
