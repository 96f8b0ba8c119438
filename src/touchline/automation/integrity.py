"""Is the stored state what was written? Damage is found file by file, with what can rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from touchline.automation.released_views import outdated_views, released_view
from touchline.errors import (
    NotEvaluated,
    ObjectNotFound,
    OnlineStoreUnavailable,
    StoredFileDamaged,
    TouchlineError,
)
from touchline.features import (
    FeatureHistories,
    FeatureHistory,
    FeatureView,
    compute_view,
    find_damaged_rows,
    invalidate_view,
    materialize,
)
from touchline.features.online.sqlite import SqliteOnlineStore
from touchline.ingest import all_snapshots, forget_snapshots, ingest_source
from touchline.registry import Releases, build_release, declared_families, mirror, read_version
from touchline.storage import open_part

if TYPE_CHECKING:
    from touchline.automation.steps import PipelineContext
    from touchline.ingest import Source
    from touchline.storage import ObjectStore, Part


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written. `repair` rebuilds it and says what came of that; None: from a backup."""

    what: str
    problem: str
    remedy: str
    repair: Callable[[], str] | None = field(default=None, repr=False, compare=False)


def find_damage(context: PipelineContext) -> list[Damage]:
    """All damage of one project, in the order in which it must be repaired: sources, histories, online, releases."""
    return [
        *_sources(context),
        *_histories(context),
        *_online(context),
        *_releases(context),
    ]


def _sources(context: PipelineContext) -> Iterator[Damage]:
    project, stores = context.project.name, context.stores
    for source in context.project.sources:
        parts: dict[str, Part] = {}
        for snapshot in all_snapshots(project, source.name, stores):
            parts.update({part.key: part for part in snapshot.parts})
        problem = _problem_of(parts.values(), stores.objects)
        if problem:
            yield Damage(
                f"source {source.name}",
                problem,
                "To read it again from its provider",
                partial(_read_again, context, source),
            )


def _read_again(context: PipelineContext, source: Source) -> str:
    project, stores = context.project.name, context.stores
    before = all_snapshots(project, source.name, stores)
    forget_snapshots(project, source.name, stores.database)
    report = ingest_source(source, project=project, stores=stores, clock=context.clock)
    if report.snapshot_hash == before[0].hash:
        return "read again from its provider; the snapshot is the same as before"
    lost = len(before) - (report.snapshot_hash in {snapshot.hash for snapshot in before})
    return (
        f"read again from its provider as a first ingest: its rows count as known from their events on; the instants "
        f"of {lost} later ingests are lost, and predictions since then may replay differently. A backup has them."
    )


def _histories(context: PipelineContext) -> Iterator[Damage]:
    for view, label in _views_in_use(context):
        history = _history_of(context, view)
        problem = _problem_of(_files(history), context.stores.objects) if history is not None else None
        if history is not None and problem:
            yield Damage(
                f"history of view {label}",
                problem,
                "To compute it again from the snapshots",
                partial(_compute_again, context, history, view),
            )


def _compute_again(context: PipelineContext, history: FeatureHistory, view: _View) -> str:
    FeatureHistories(context.stores).forget(history)
    declared = view()
    rows = compute_view(declared, project=context.project.name, stores=context.stores, clock=context.clock).rows
    return f"computed again: {rows} rows"


def _online(context: PipelineContext) -> Iterator[Damage]:
    online = context.stores.online
    broken = online.find_damage() if isinstance(online, SqliteOnlineStore) else None
    if broken is not None:
        yield Damage("online store", broken, "To replace the file and fill it", partial(_replace_online, context))
        return
    for view, label in _views_in_use(context):
        history = _history_of(context, view)
        if history is None:
            continue
        try:
            damaged = find_damaged_rows(view(), history, online)
        except StoredFileDamaged:
            damaged = None  # the history is repaired first
        except OnlineStoreUnavailable as failure:
            yield Damage("online store", str(failure), "Start its server, or correct its address in the settings; then")
            return
        if damaged:
            yield Damage(
                f"online values of view {label}",
                damaged,
                "To fill them from the history",
                partial(_fill_again, context, history, view),
            )


def _fill_again(context: PipelineContext, history: FeatureHistory, view: _View) -> str:
    invalidate_view(history.project, history.view, history.feature_version, store=context.stores.online)
    declared = view()
    current = compute_view(declared, project=context.project.name, stores=context.stores, clock=context.clock)
    done = materialize(declared, current, context.stores.online, now=context.clock.now())
    return f"materialized again: {done.rows} entities"


def _replace_online(context: PipelineContext) -> str:
    online = context.stores.online
    assert isinstance(online, SqliteOnlineStore)
    aside = online.set_aside()
    counts = []
    for view, label in _views_in_use(context):
        history = _history_of(context, view)
        if history is not None:
            counts.append(f"{label}: {_fill_again(context, history, view)}")
    return f"moved to {aside.name} and filled again ({'; '.join(counts) or 'no view was computed yet'})"


def _releases(context: PipelineContext) -> Iterator[Damage]:
    stores, project = context.stores, context.project.name
    families = declared_families(context.project.training)
    releases = Releases(stores, lambda _: families)
    state = stores.journal.state(project)
    for version, release_id in sorted(state.releases.items()):
        try:
            releases.open(release_id)
        except (TouchlineError, OSError) as failure:
            yield Damage(
                f"release of version {version}",
                str(failure),
                "To build it again from the files of its run",
                partial(_build_again, context, version, release_id),
            )


def _build_again(context: PipelineContext, version: int, release_id: str) -> str:
    stores, project = context.stores, context.project.name
    families = declared_families(context.project.training)
    try:
        built = build_release(stores, read_version(stores, project, version), lambda _: families)
    except (NotEvaluated, ObjectNotFound, OSError) as missing:
        raise _RunDamaged(version) from missing
    if built.id != release_id:
        raise _RunDamaged(version)
    mirror(stores, project)
    return "built again, with the same digest"


class _RunDamaged(TouchlineError):
    def __init__(self, version: int) -> None:
        super().__init__(
            f"The files of the run of version {version} are missing or damaged as well. Restore them from a backup, or "
            "train again: touchline train --force."
        )


_View = Callable[[], FeatureView]


def _views_in_use(context: PipelineContext) -> Iterator[tuple[_View, str]]:
    """The declared views and those that only releases read, each opened when it is needed."""
    for view in context.project.feature_views:
        yield partial(_itself, view), view.name
    for one in outdated_views(context):
        yield partial(released_view, context, one), f"{one.view} (version {one.feature_version})"


def _itself(view: FeatureView) -> FeatureView:
    return view


def _history_of(context: PipelineContext, view: _View) -> FeatureHistory | None:
    try:
        declared = view()
    except Exception:  # noqa: BLE001  the code of a release may raise anything; the release's own check tells
        return None
    histories = FeatureHistories(context.stores)
    return histories.find(context.project.name, declared.name, declared.feature_version, keys=declared.join_keys)


def _files(history: FeatureHistory) -> Sequence[Part]:
    return [*history.parts, *([history.pending] if history.pending is not None else [])]


def _problem_of(parts: Iterable[Part], objects: ObjectStore) -> str | None:
    """What is wrong with the first damaged part, and how many there are."""
    problems = []
    for part in parts:
        try:
            open_part(objects, part)
        except (TouchlineError, OSError) as failure:
            problems.append(str(failure))
    if not problems:
        return None
    return problems[0] if len(problems) == 1 else f"{len(problems)} damaged files, first: {problems[0]}"
