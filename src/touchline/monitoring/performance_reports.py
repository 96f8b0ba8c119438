"""The table of performance reports: the verdict of every check, as a document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from touchline.monitoring.performance import PerformanceVerdict
from touchline.storage import Database
from touchline.storage.tables import performance_reports
from touchline.storage.ulids import ulid_at

_COLUMNS = performance_reports.c


class PerformanceReports:
    """Reads and adds the performance reports of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def add(self, verdict: PerformanceVerdict, *, wall: datetime) -> None:
        """Store a verdict. Project time may stand still; ids of wall time keep the order of the checks."""
        row = {
            "id": ulid_at(wall),
            "project": self._project,
            "at": verdict.at,
            "release_id": verdict.release_id,
            "verdict": verdict.to_json(),
        }
        with self._database.begin() as connection:
            connection.execute(performance_reports.insert().values(row))

    def newest(self, limit: int = 20) -> list[Mapping[str, Any]]:
        """The documents of the latest verdicts, newest first."""
        query = select(_COLUMNS.verdict).where(_COLUMNS.project == self._project)
        with self._database.connect() as connection:
            return list(connection.scalars(query.order_by(_COLUMNS.id.desc()).limit(limit)))
