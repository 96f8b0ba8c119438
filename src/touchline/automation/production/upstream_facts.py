"""What happened upstream around an instant: ingests that failed, came late or rejected rows, new columns, new releases.

These stand beside the cause of a risen loss: in `monitor cause`, in reports, and in the incident's message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from touchline.automation.production.release import RECENT_DAYS
from touchline.ingest import all_snapshots, read_log
from touchline.ingest.snapshots import schema_changes
from touchline.monitoring import DriftReports
from touchline.registry import read_versions

if TYPE_CHECKING:
    from touchline.automation.production.release import ProductionRelease
    from touchline.ingest import Manifest, Snapshot, Source
    from touchline.project import Project
    from touchline.registry import ModelVersion, Registry, StageChange

# An onset is estimated, and a fault may lie some days before it shows in the loss.
_DAYS_BEFORE: Final = timedelta(days=7)
_DAYS_AFTER: Final = timedelta(days=3)
_MOST_FACTS: Final = 12
_MOST_INGESTS: Final = 1_000


@dataclass(frozen=True, order=True)
class _Fact:
    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}: {self.text}"


@dataclass(frozen=True)
class _Period:
    """From some days before an onset to some days after it, in wall time, of which ingests keep records."""

    since: datetime
    until: datetime

    def has(self, instant: datetime) -> bool:
        return self.since <= instant <= self.until


def upstream_facts(
    project: Project, stores: Registry, production: ProductionRelease, *, onset_on: str | None
) -> tuple[str, ...]:
    """The facts around the onset of a risen loss (a day of project time), the oldest first; of 30 days without one.

    Each begins with its instant, in wall time. Facts of the newest drift check (new levels, missing values) come last.
    """
    wall = stores.clock.wall()
    period = _period(onset_on, stores.clock.now(), wall)
    facts = [fact for source in project.sources for fact in _source_facts(project.name, source, stores, period, wall)]
    facts += _release_facts(project.name, stores, period)
    texts = [str(fact) for fact in sorted(facts)]
    left_out = len(texts) - _MOST_FACTS
    if left_out > 0:
        texts = [
            *texts[:_MOST_FACTS],
            f"{left_out} more: touchline data log -p {project.name}, touchline models history -p {project.name}",
        ]
    return (*texts, *_drift_facts(project.name, stores, production))


def _period(onset_on: str | None, now: datetime, wall: datetime) -> _Period:
    if onset_on is None:
        return _Period(wall - timedelta(days=RECENT_DAYS), wall)
    # Where project time stands still, as in a sample, both clocks are compared by their distance from now.
    onset = datetime.fromisoformat(onset_on).replace(tzinfo=UTC) + (wall - now)
    return _Period(onset - _DAYS_BEFORE, onset + _DAYS_AFTER)


def _source_facts(project: str, source: Source, stores: Registry, period: _Period, wall: datetime) -> Iterator[_Fact]:
    log = read_log(stores.database, project, source.name, limit=_MOST_INGESTS)[::-1]
    for manifest in log:
        if period.has(manifest.finished_at):
            yield from _ingest_facts(manifest)
    good = [manifest.finished_at for manifest in log if manifest.status in ("new", "unchanged")]
    if source.max_age is not None:
        yield from _late_facts(source.name, source.max_age, [*good, wall], period)
    snapshots = all_snapshots(project, source.name, stores)[::-1]
    for before, after in pairwise(snapshots):
        if period.has(after.created_at):
            yield from _schema_facts(before, after)


def _late_facts(source: str, max_age: timedelta, ingests: list[datetime], period: _Period) -> Iterator[_Fact]:
    """The times without a good ingest for longer than `max_age`; the last instant is now."""
    for earlier, later in pairwise(ingests):
        late_at = earlier + max_age
        if later > late_at and late_at <= period.until and later >= period.since:
            until = "still" if later is ingests[-1] else f"until {later:%Y-%m-%d %H:%M}"
            yield _Fact(late_at, f"source {source} was late: no ingest for more than {max_age}, {until}")


def _ingest_facts(manifest: Manifest) -> Iterator[_Fact]:
    at, name = manifest.finished_at, manifest.source
    if manifest.status in ("failed", "rejected", "fallback"):
        yield _Fact(at, f"source {name}: the ingest ended as {manifest.status!r}: {manifest.message}")
    if manifest.rejected:
        share = f"{manifest.rejected} of {manifest.rows_in} rows"
        yield _Fact(at, f"source {name}: {share} went to quarantine (touchline data quarantine {name})")
    if manifest.changed:
        yield _Fact(at, f"source {name}: {manifest.changed} rows were corrected")


def _schema_facts(before: Snapshot, after: Snapshot) -> Iterator[_Fact]:
    if changes := schema_changes(before, after):
        yield _Fact(after.created_at, f"source {after.source}: the schema changed: {', '.join(changes)}")


def _release_facts(project: str, stores: Registry, period: _Period) -> Iterator[_Fact]:
    versions = {version.version: version for version in read_versions(stores, project)}
    before: ModelVersion | None = None
    for change in stores.journal.history(project):
        if change.to_stage != "Production":
            continue
        version = versions.get(change.version)
        if period.has(change.wall_at):
            yield _Fact(change.wall_at, _entered(change, before, version))
        before = version


def _entered(change: StageChange, before: ModelVersion | None, version: ModelVersion | None) -> str:
    """The release change in words, with the parts of its making that are others than those of its predecessor."""
    text = f"version {change.version} entered Production ({change.reason})"
    if before is None or version is None:
        return text
    hashes = {name for name in before.hashes if version.hashes.get(name) != before.hashes[name]}
    parts = [name for name in ("declaration", "feature", "recipe", "environment") if name in hashes]
    return f"{text}; another {', '.join(parts)} than version {before.version}" if parts else text


def _drift_facts(project: str, stores: Registry, production: ProductionRelease) -> Iterator[str]:
    for verdict in DriftReports(stores.database, project).newest_with_enough_rows(production.release.id, 1):
        checked = f"drift check of {verdict.at:%Y-%m-%d %H:%M} UTC"
        yield from (f"{checked}: {column.name}: {column.facts}" for column in verdict.columns if column.facts)
