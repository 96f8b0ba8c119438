"""The table of rehearsal reports, so that every process of the home can show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true

from touchline.errors import RehearsalNotFound
from touchline.registry.runs.run_files import to_json
from touchline.storage import Database
from touchline.storage.tables import rehearsal_reports
from touchline.storage.ulids import ulid_at

_COLUMNS = rehearsal_reports.c


@dataclass(frozen=True)
class StoredReport:
    """The document of `build_report`. `at` is when the rehearsal ended, in wall time."""

    id: str
    at: datetime
    document: Mapping[str, Any]


class RehearsalRecords:
    """Reads and adds the rehearsal reports of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def add(self, document: Mapping[str, Any], *, wall: datetime) -> str:
        """Store a report under a new id. The same report again, known by its hash, keeps the id that it has."""
        same = [report.id for report in self._read(true()) if report.document["hash"] == document["hash"]]
        if same:
            return same[0]
        row = {"id": ulid_at(wall), "project": self._project, "at": wall, "document": json.loads(to_json(document))}
        with self._database.begin() as connection:
            connection.execute(rehearsal_reports.insert().values(row))
        return str(row["id"])

    def newest(self, limit: int = 20) -> list[StoredReport]:
        """The latest reports, newest first."""
        return self._read(true(), limit)

    def find(self, report_id: str) -> StoredReport:
        """The report of an id. Raises `RehearsalNotFound`."""
        found = self._read(_COLUMNS.id == report_id, 1)
        if not found:
            raise RehearsalNotFound(self._project, report_id)
        return found[0]

    def _read(self, condition: ColumnElement[bool], limit: int | None = None) -> list[StoredReport]:
        query = select(_COLUMNS.id, _COLUMNS.at, _COLUMNS.document).where(_COLUMNS.project == self._project, condition)
        with self._database.connect() as connection:
            return [StoredReport(*row) for row in connection.execute(query.order_by(_COLUMNS.id.desc()).limit(limit))]
