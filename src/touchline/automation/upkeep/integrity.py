"""The stored state compared with what was written: damage, file by file, and the repairs that rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from touchline.automation.runs.released_views import outdated_views, released_view
from touchline.automation.upkeep.damage import Damage, Repair
from touchline.automation.upkeep.registry_damage import (
    find_journal_damage,
    find_release_damage,
    find_run_damage,
    find_training_set_damage,
)
from touchline.errors import OnlineStoreUnavailable, OnlineValuesAhead, StoredFileDamaged, failure_in_words
from touchline.features import (
    FeatureHistories,
    FeatureHistory,
    FeatureView,
    compute_view,
    empty_view,
    find_damaged_rows,
    materialize,
)
from touchline.features.online.sqlite import SqliteOnlineStore
from touchline.ingest import all_snapshots, ingest_anew
from touchline.registry import find_mlflow_damage, read_versions

if TYPE_CHECKING:
    from pathlib import Path

    from touchline.automation.runs.steps import PipelineContext
    from touchline.ingest import Source


_BACKUP = "Serving does not need it. Restore it from a backup."
_BY_A_NEW_VERSION = "Promote a version that is trained on the present declaration."


@dataclass(frozen=True)
class _ViewInUse:
    """A version of a view that the declaration or a release has. `open` may run old code, which may raise anything."""

    name: str
    feature_version: str
    label: str
    open: Callable[[], FeatureView]


def find_damage(context: PipelineContext) -> list[Damage]:
    """All damage of one project, in the order in which it must be repaired."""
    return [
        *find_journal_damage(context),
        *_sources(context),
        *_histories(context),
        *_online(context),
        *find_release_damage(context),
        *find_run_damage(context),
        *find_training_set_damage(context),
        *_mlflow(context),
    ]


def repair_damage(context: PipelineContext) -> Iterator[Repair]:
    """Repair what can be rebuilt, one thing after another; at the end the repairs that failed.

    A repair may mend or show what depends on it, so the damage is looked for again after each, and what failed before
    is tried again: a release is built from the files of its run, and these may have to be copied from it first.
    """
    repaired: set[str] = set()
    failed: dict[str, Repair] = {}
    while damage := _next_damage(context, {*repaired, *failed}):
        assert damage.repair is not None
        try:
            result = damage.repair()
        except Exception as failure:  # noqa: BLE001  old code may raise anything; the other repairs go on
            failed[damage.what] = Repair(damage, None, failure_in_words(failure))
            continue
        repaired.add(damage.what)
        failed.clear()
        yield Repair(damage, result)
    yield from failed.values()


def _next_damage(context: PipelineContext, tried: Collection[str]) -> Damage | None:
    return next((one for one in find_damage(context) if one.repair and one.what not in tried), None)


def fill_online_values(context: PipelineContext) -> list[str]:
    """Fill the views whose online values are missing or older than their histories, as after a restore."""
    return [f"{one.what}: {one.repair()}" for one in _online(context) if one.repair is not None]


def _sources(context: PipelineContext) -> Iterator[Damage]:
    for source in context.project.sources:
        snapshots = all_snapshots(context.project.name, source.name, context.stores)
        problem = _first_problem(snapshot.files for snapshot in snapshots)
        if not snapshots and context.stores.objects.list(f"{context.project.name}/snapshots/{source.name}/"):
            problem = "the database knows none of the stored snapshots"
        if problem:
            repair = partial(_read_again, context, source)
            yield Damage(f"source {source.name}", problem, "To read it again from its provider", repair)


def _read_again(context: PipelineContext, source: Source) -> str:
    project, stores = context.project.name, context.stores
    before = [snapshot.hash for snapshot in all_snapshots(project, source.name, stores)]
    report = ingest_anew(source, project=project, stores=stores, clock=context.clock)
    if before and report.snapshot_hash == before[0]:
        return "read again from its provider; the snapshot is the same as before"
    if not before:
        return "read again from its provider as a first ingest: its rows count as known from their events on"
    lost = len(before) - (report.snapshot_hash in before)
    return (
        f"read again from its provider as a first ingest: its rows count as known from their events on; the instants "
        f"of {lost} later ingests are lost, and predictions since then may replay differently. A backup has them."
    )


def _histories(context: PipelineContext) -> Iterator[Damage]:
    for view in _views_in_use(context):
        history = _history_of(context, view)
        problem = _first_problem([history.paths]) if history is not None else None
        if history is not None and problem:
            repair = partial(_compute_again, context, history, view)
            yield Damage(f"history of view {view.label}", problem, "To compute it again from the snapshots", repair)


def _compute_again(context: PipelineContext, history: FeatureHistory, view: _ViewInUse) -> str:
    declared = view.open()
    FeatureHistories(context.stores).forget(history)
    rows = compute_view(declared, project=context.project.name, stores=context.stores, clock=context.clock).rows
    return f"computed again: {rows} rows"


def _online(context: PipelineContext) -> Iterator[Damage]:
    online = context.stores.online
    broken = online.find_damage() if isinstance(online, SqliteOnlineStore) else None
    if broken is not None:
        yield Damage("online store", broken, "To replace the file and fill it", partial(_replace_online, context))
        return
    for view in _views_in_use(context):
        what = f"online values of view {view.label}"
        try:
            problem = _online_problem(context, view)
        except OnlineStoreUnavailable as failure:
            yield Damage("online store", str(failure), "Start its server, or correct its address in the settings.")
            return
        except OnlineValuesAhead as ahead:
            yield Damage(what, str(ahead), "Then run doctor again.")
            continue
        except Exception as failure:  # noqa: BLE001  the code of a release may raise anything; it is reported
            yield Damage(what, f"they cannot be checked: {failure_in_words(failure)}", _BY_A_NEW_VERSION)
            continue
        if problem:
            yield Damage(what, problem, "To fill them from the history", partial(_fill_again, context, view))


def _online_problem(context: PipelineContext, view: _ViewInUse) -> str | None:
    history = _history_of(context, view)
    if history is None:
        return None
    declared, stores = view.open(), context.stores
    snapshots = [all_snapshots(context.project.name, source.name, stores)[:1] for source in declared.sources]
    ingested_at = max((one.ingested_at for newest in snapshots for one in newest), default=context.clock.now())
    try:
        return find_damaged_rows(declared, history, stores.online, ingested_at=ingested_at)
    except StoredFileDamaged:
        return None  # the history is repaired first


def _fill_again(context: PipelineContext, view: _ViewInUse) -> str:
    stores, project, clock = context.stores, context.project.name, context.clock
    declared = view.open()
    history = compute_view(declared, project=project, stores=stores, clock=clock)
    empty_view(project, view.name, view.feature_version, store=stores.online)
    return f"materialized again: {materialize(declared, history, stores.online, now=clock.now()).rows} entities"


def _replace_online(context: PipelineContext) -> str:
    online = context.stores.online
    assert isinstance(online, SqliteOnlineStore)
    aside = online.set_aside()
    filled = [
        f"{view.label}: {_fill_again(context, view)}"
        for view in _views_in_use(context)
        if _history_of(context, view) is not None
    ]
    return f"moved to {aside.name} and filled again ({'; '.join(filled) or 'no view was computed yet'})"


def _mlflow(context: PipelineContext) -> Iterator[Damage]:
    """The files of each version's run in an embedded MLflow."""
    for version in read_versions(context.stores, context.project.name):
        if problem := find_mlflow_damage(context.stores, version):
            yield Damage(f"MLflow files of version {version.version}", problem, _BACKUP, None)


def _views_in_use(context: PipelineContext) -> Iterator[_ViewInUse]:
    """The declared views and those that only releases read."""
    for view in context.project.feature_views:
        yield _ViewInUse(view.name, view.feature_version, view.name, partial(_itself, view))
    for one in outdated_views(context).views:
        label = f"{one.view} (version {one.feature_version})"
        yield _ViewInUse(one.view, one.feature_version, label, partial(released_view, context.project.name, one))


def _itself(view: FeatureView) -> FeatureView:
    return view


def _history_of(context: PipelineContext, view: _ViewInUse) -> FeatureHistory | None:
    histories = FeatureHistories(context.stores)
    return histories.find(context.project.name, view.name, view.feature_version, keys=())


def _first_problem(tables: Iterable[Callable[[], list[Path]]]) -> str | None:
    """The first damage that opening the files of some tables meets."""
    for open_files in tables:
        try:
            open_files()
        except (StoredFileDamaged, OSError) as failure:
            return str(failure)
    return None
