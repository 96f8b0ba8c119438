"""The table of drift reports: the verdict of every check."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, select, true

from touchline.monitoring.drift import DriftVerdict
from touchline.storage import Database
from touchline.storage.tables import drift_reports
from touchline.storage.ulids import ulid_at

_COLUMNS = drift_reports.c


class DriftReports:
    """Reads and adds the drift reports of one project."""

    def __init__(self, database: Database, project: str) -> None:
        self._database, self._project = database, project

    def newest(self, limit: int = 20) -> list[DriftVerdict]:
        """The latest verdicts, newest first."""
        return self._read(limit, true())

    def last_verdict(self) -> DriftVerdict | None:
        """The newest verdict with enough rows on the release that was checked last; None where it has none."""
        mine = select(_COLUMNS.release_id).where(_COLUMNS.project == self._project)
        with self._database.connect() as connection:
            release_id = connection.scalar(mine.order_by(_COLUMNS.id.desc()).limit(1))
        verdicts = [] if release_id is None else self.newest_with_enough_rows(release_id, 1)
        return verdicts[0] if verdicts else None

    def newest_with_enough_rows(self, release_id: str, limit: int) -> list[DriftVerdict]:
        """The latest verdicts on a release that had enough rows, newest first."""
        has_enough_rows = _COLUMNS.verdict["state"].as_string() != "not_enough_data"
        return self._read(limit, (_COLUMNS.release_id == release_id) & has_enough_rows)

    def add(self, release_id: str, verdict: DriftVerdict, *, wall: datetime) -> None:
        """Store a verdict. Project time may stand still; ids of wall time keep the order of the checks."""
        row = {
            "id": ulid_at(wall),
            "project": self._project,
            "at": verdict.at,
            "release_id": release_id,
            "verdict": verdict.to_json(),
        }
        with self._database.begin() as connection:
            connection.execute(drift_reports.insert().values(row))

    def _read(self, limit: int, condition: ColumnElement[bool]) -> list[DriftVerdict]:
        mine = select(_COLUMNS.verdict).where(_COLUMNS.project == self._project, condition)
        with self._database.connect() as connection:
            return [
                DriftVerdict.from_json(document)
                for document in connection.scalars(mine.order_by(_COLUMNS.id.desc()).limit(limit))
            ]
