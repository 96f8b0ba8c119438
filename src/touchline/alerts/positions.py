"""The table of positions: how far a record (the journal, the pipeline runs) has been turned into events."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from touchline.storage.tables import alert_positions

_C = alert_positions.c


def read_position(connection: Connection, project: str, record: str) -> str | None:
    """The position reached; None before the first."""
    query = select(_C.position).where(_C.project == project, _C.record == record)
    return connection.execute(query).scalar()


def write_position(connection: Connection, project: str, record: str, position: str) -> None:
    """Move the position, in the transaction that writes the events up to it."""
    connection.execute(delete(alert_positions).where(_C.project == project, _C.record == record))
    connection.execute(insert(alert_positions).values(project=project, record=record, position=position))
