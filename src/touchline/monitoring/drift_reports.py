"""Check a release against its log, and keep every verdict."""

from __future__ import annotations

from sqlalchemy import select
from ulid import ULID

from touchline.clock import Clock
from touchline.monitoring.current import read_current
from touchline.monitoring.drift import DriftVerdict, check_drift
from touchline.monitoring.spec import Drift
from touchline.statistics import Profile
from touchline.storage import Database
from touchline.storage.tables import drift_reports


def check_release_drift(
    database: Database, project: str, release_id: str, *, profile: Profile, rule: Drift, clock: Clock
) -> DriftVerdict:
    """Judge what was logged since the last judged window of this release, and record the verdict.

    Rows too few for a verdict stay in the next window. A new release starts anew: its reference is another.
    """
    previous = _last_judged(database, project, release_id)
    current = read_current(database, project, release_id, profile, after=previous.window.until if previous else "")
    verdict = check_drift(
        profile,
        current.matrix,
        rule=rule,
        now=clock.now(),
        window=current.window,
        clusters=current.clusters,
        previous=previous,
    )
    _record(database, project, release_id, verdict, clock)
    return verdict


def read_reports(database: Database, project: str, *, limit: int = 20) -> list[DriftVerdict]:
    """The latest verdicts of a project, newest first."""
    newest = select(drift_reports.c.verdict).where(drift_reports.c.project == project)
    with database.connect() as connection:
        found = connection.execute(newest.order_by(drift_reports.c.id.desc()).limit(limit)).scalars()
        return [DriftVerdict.from_json(stored) for stored in found]


def _last_judged(database: Database, project: str, release_id: str) -> DriftVerdict | None:
    table = drift_reports.c
    judged = select(table.verdict).where(
        table.project == project,
        table.release_id == release_id,
        table.verdict["state"].as_string() != "not_enough_data",
    )
    with database.connect() as connection:
        stored = connection.execute(judged.order_by(table.id.desc()).limit(1)).scalar()
    return None if stored is None else DriftVerdict.from_json(stored)


def _record(database: Database, project: str, release_id: str, verdict: DriftVerdict, clock: Clock) -> None:
    # Project time may stand still; ids made from wall time keep the order of the checks.
    row = {
        "id": str(ULID.from_datetime(clock.wall())),
        "project": project,
        "at": verdict.at,
        "release_id": release_id,
        "verdict": verdict.to_json(),
    }
    with database.begin() as connection:
        connection.execute(drift_reports.insert().values(row))
