"""Check a release against its log and store the verdict."""

from __future__ import annotations

from collections.abc import Iterable

from touchline.clock import Clock
from touchline.monitoring.current import Window, read_current
from touchline.monitoring.drift import DriftVerdict, check_drift
from touchline.monitoring.drift_reports import DriftReports
from touchline.monitoring.spec import Drift
from touchline.predictions import PredictionRecords
from touchline.statistics import Profile
from touchline.storage import Database

# Windows in which late answers are looked for: weeks of them, where a check is daily.
_MAX_WINDOWS = 30


def check_release_drift(
    database: Database, project: str, release_id: str, *, profile: Profile, rule: Drift, clock: Clock
) -> DriftVerdict:
    """Check the answers logged since the last complete window of this release, and store the verdict.

    Too few rows for a verdict stay in the window. An answer can reach its window after the check, since a server stores
    answers on disk while the database is unavailable: that window is then checked again with all later rows. A new
    release starts anew, because it has a reference of its own.
    """
    records, reports = PredictionRecords(database, project), DriftReports(database, project)
    previous = _last_complete(reports, records, release_id)
    after = previous.window.until if previous else ""
    current = read_current(records, release_id, profile, after=after, wall=clock.wall())
    verdict = check_drift(profile, current, project=project, rule=rule, now=clock.now(), previous=previous)
    reports.add(release_id, verdict, wall=clock.wall())
    return verdict


def _last_complete(reports: DriftReports, records: PredictionRecords, release_id: str) -> DriftVerdict | None:
    """The last verdict with enough rows before the first window that has more answers now than when it was checked."""
    chain = _chain(reversed(reports.newest_with_enough_rows(release_id, _MAX_WINDOWS)))
    for place, verdict in enumerate(chain):
        if verdict.answers is not None and _answers_in(records, release_id, verdict.window) > verdict.answers:
            return chain[place - 1] if place else None
    return chain[-1] if chain else None


def _chain(verdicts: Iterable[DriftVerdict]) -> list[DriftVerdict]:
    """The verdicts, oldest first, without those whose windows were checked again later."""
    chain: list[DriftVerdict] = []
    for verdict in verdicts:
        while chain and not verdict.window.follows(chain[-1].window):
            chain.pop()
        chain.append(verdict)
    return chain


def _answers_in(records: PredictionRecords, release_id: str, window: Window) -> int:
    return records.counts(release_id=release_id, after=window.after, until=window.until).predictions
