"""Check a release against its log, and keep every verdict."""

from __future__ import annotations

from sqlalchemy import select

from touchline.clock import Clock
from touchline.monitoring.current import count_answers, read_current
from touchline.monitoring.drift import DriftVerdict, check_drift
from touchline.monitoring.spec import Drift
from touchline.statistics import Profile
from touchline.storage import Database
from touchline.storage.tables import drift_reports
from touchline.storage.ulids import ulid_at

# Judged windows in which late answers are looked for: weeks of them, where a check is daily.
_LOOKED_BACK = 30


def check_release_drift(
    database: Database, project: str, release_id: str, *, profile: Profile, rule: Drift, clock: Clock
) -> DriftVerdict:
    """Judge what was logged since the last judged window of this release, and record the verdict.

    Rows too few for a verdict stay in the next window. A window that answers have reached since it was judged (a
    server kept them on disk while the database was away) is judged again, together with what followed. A new release
    starts anew: its reference is another.
    """
    previous = _last_whole(database, project, release_id)
    after = previous.window.until if previous else ""
    current = read_current(database, project, release_id, profile, after=after, wall=clock.wall())
    verdict = check_drift(profile, current, rule=rule, now=clock.now(), previous=previous)
    _record(database, project, release_id, verdict, clock)
    return verdict


def read_reports(database: Database, project: str, *, limit: int = 20) -> list[DriftVerdict]:
    """The latest verdicts of a project, newest first."""
    newest = select(drift_reports.c.verdict).where(drift_reports.c.project == project)
    with database.connect() as connection:
        found = connection.execute(newest.order_by(drift_reports.c.id.desc()).limit(limit)).scalars()
        return [DriftVerdict.from_json(stored) for stored in found]


def _last_whole(database: Database, project: str, release_id: str) -> DriftVerdict | None:
    """The last judged verdict before the first window that has more answers now than when it was judged."""
    chain = _chain(_judged(database, project, release_id))
    for place, verdict in enumerate(chain):
        if _has_grown(database, project, release_id, verdict):
            return chain[place - 1] if place else None
    return chain[-1] if chain else None


def _judged(database: Database, project: str, release_id: str) -> list[DriftVerdict]:
    """The last judged verdicts on a release, oldest first."""
    table = drift_reports.c
    judged = select(table.verdict).where(
        table.project == project,
        table.release_id == release_id,
        table.verdict["state"].as_string() != "not_enough_data",
    )
    with database.connect() as connection:
        newest = connection.execute(judged.order_by(table.id.desc()).limit(_LOOKED_BACK)).scalars().all()
    return [DriftVerdict.from_json(stored) for stored in reversed(newest)]


def _chain(verdicts: list[DriftVerdict]) -> list[DriftVerdict]:
    """Without those whose windows were judged again later."""
    chain: list[DriftVerdict] = []
    for verdict in verdicts:
        while chain and not verdict.window.follows(chain[-1].window):
            chain.pop()
        chain.append(verdict)
    return chain


def _has_grown(database: Database, project: str, release_id: str, verdict: DriftVerdict) -> bool:
    found = count_answers(database, project, release_id, verdict.window)
    return verdict.answers is not None and found > verdict.answers


def _record(database: Database, project: str, release_id: str, verdict: DriftVerdict, clock: Clock) -> None:
    # Project time may stand still; ids made from wall time keep the order of the checks.
    row = {
        "id": ulid_at(clock.wall()),
        "project": project,
        "at": verdict.at,
        "release_id": release_id,
        "verdict": verdict.to_json(),
    }
    with database.begin() as connection:
        connection.execute(drift_reports.insert().values(row))
