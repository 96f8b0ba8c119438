"""How fast rows of the prediction log enter PostgreSQL, in rows a second.

    python benchmarks/log_writes.py [--rows 20000] [--inputs 30]

PostgreSQL is started here, with its writes flushed as its default says, and stopped again. Each batch has 4,000 rows,
half of whose entities have an open example. Three ways: the writer's own statement (one JSON document a batch, each row
parsed once), the same by `value->>'name'` (each row parsed once for every column), and a COPY of columns that Python
parses into a temporary table, from which they are inserted.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import running_postgres
from touchline.predictions import database_writer
from touchline.storage import Database
from touchline.storage.tables import open_examples
from touchline.storage.ulids import Ulids

AT = "2026-11-01T12:00:00+00:00"
BATCH = 4_000
Lines = list[bytes]
TYPES = database_writer._POSTGRES_TYPES
OURS = database_writer._POSTGRES


def log_lines(rows: int, inputs: int) -> list[Lines]:
    """Batches of log rows by key, as a server spools them."""
    ids = Ulids()
    common: dict[str, Any] = {
        "request_id": "r", "project": "shop", "release_id": "shop-1-d1", "role": "answer", "variant": "production",
        "probability": 1.0, "override": False, "example_id": None, "cutoff": AT, "answered_at": AT, "threshold": 0.5,
        "correlation_id": None, "inputs": {f"input_{n}": n / 7 for n in range(inputs)},
        "vector": "9a9999999999b93f" * inputs,
        "views": {"form": {"version": "v1", "status": "present", "event_timestamp": AT, "watermark": AT}},
        "output": {"probabilities": {"no": 0.25, "yes": 0.75}},
    }  # fmt: skip
    lines = [
        orjson.dumps({**common, "prediction_id": ids.next(), "entity_keys": {"customer": f"c{n % 2_000}"}})
        for n in range(rows)
    ]
    return [lines[start : start + BATCH] for start in range(0, rows, BATCH)]


def ours(database: Database, lines: Lines) -> None:
    _execute(database, OURS, lines)


def by_column(database: Database, lines: Lines) -> None:
    """The statement before: every column by an access of its own."""
    columns = [f"(value->>'{name}')\\:\\:{kind} AS \"{name}\"" for name, kind in TYPES.items()]
    table = f"(SELECT {', '.join(columns)} FROM json_array_elements(CAST(:rows AS json)) AS one(value)) AS rows"
    _execute(database, re.sub(r"json_to_recordset\(.*?\) AS rows\([^)]*\)", lambda _: table, OURS), lines)


def by_copy(database: Database, lines: Lines) -> None:
    """COPY into a temporary table: rows that are stored already must not stop the others."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in TYPES.items())
    statement = re.sub(r"json_to_recordset\(.*?\) AS rows\([^)]*\)", "log_rows AS rows", OURS)
    names = ", ".join(f'"{name}"' for name in TYPES)
    body = b"".join(b"\t".join(_copied(row.get(name)) for name in TYPES) + b"\n" for row in map(orjson.loads, lines))
    with database.append() as connection:
        connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS log_rows ({columns}) ON COMMIT DELETE ROWS")
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY log_rows ({names}) FROM STDIN") as copy:
            copy.write(body)
        connection.execute(sa.text(statement))


def _execute(database: Database, statement: str, lines: Lines) -> None:
    with database.append() as connection:
        connection.execute(sa.text(statement), {"rows": (b"[" + b",".join(lines) + b"]").decode()})


def _copied(value: Any) -> bytes:
    """A value in the text format of COPY."""
    if value is None:
        return rb"\N"
    text = value.encode() if isinstance(value, str) else orjson.dumps(value)
    for sign, escaped in ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r"), (b"\t", rb"\t")):
        text = text.replace(sign, escaped)
    return text


@contextmanager
def a_database() -> Iterator[Database]:
    with running_postgres(fsync="on") as url:
        database = Database.open(url)
        database.migrate()
        examples = [
            {"project": "shop", "example_id": f"e{n}", "cutoff": sa.func.now(), "key_text": f'{{"customer":"c{n}"}}'}
            | {"entity_keys": {"customer": f"c{n}"}, "inputs": {}}
            for n in range(1_000)
        ]
        with database.begin() as connection:
            for example in examples:
                connection.execute(sa.insert(open_examples).values(example))
        yield database
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--inputs", type=int, default=30)
    options = parser.parse_args()
    batches = log_lines(options.rows, options.inputs)
    print(f"{options.rows:,} rows of {len(batches[0][0]):,} bytes, {BATCH:,} a transaction")
    ways: dict[str, Callable[[Database, Lines], None]] = {"ours": ours, "by column": by_column, "by COPY": by_copy}
    with a_database() as database:
        database_writer.DatabaseWriter(database).write(batches[0])  # makes the month
        for name, write in [*ways.items(), *ways.items()]:
            with database.begin() as connection:
                connection.exec_driver_sql("TRUNCATE predictions")
            began, own = time.perf_counter(), time.process_time()
            for lines in batches:
                write(database, lines)
            seconds = time.perf_counter() - began
            share = (time.process_time() - own) / seconds
            print(f"{name:10} {options.rows / seconds:10,.0f} rows a second, {share:.0%} of it in Python", flush=True)


if __name__ == "__main__":
    main()
