"""The stored state compared with what was written: damage, file by file, and the repairs that rebuild it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
    failure_in_words,
)
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
from touchline.registry import (
    Releases,
    build_release,
    declared_families,
    find_mlflow_damage,
    mirror,
    read_version,
    read_versions,
)

if TYPE_CHECKING:
    from pathlib import Path

    from touchline.automation.steps import PipelineContext
    from touchline.ingest import Source


_BACKUP = "Serving does not need it. Restore it from a backup."
_BY_A_NEW_VERSION = "Promote a version that is trained on the present declaration."


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written. `repair` rebuilds it and returns the result in words.

    `remedy` says what `repair` does; without one, what a person can do.
    """

    what: str
    problem: str
    remedy: str
    repair: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Repair:
    """The repair of one damage: what came of it, or why it failed."""

    damage: Damage
    result: str | None
    failure: str | None = None


@dataclass(frozen=True)
class _ViewInUse:
    """A version of a view that the declaration or a release has. `open` may run old code, which may raise anything."""

    name: str
    feature_version: str
    label: str
    open: Callable[[], FeatureView]


def find_damage(context: PipelineContext) -> list[Damage]:
    """All damage of one project, in the order in which it must be repaired: sources, histories, online, releases."""
    damage = [*_sources(context), *_histories(context), *_online(context), *_releases(context)]
    return [*damage, *_mlflow(context)]


def repair_damage(context: PipelineContext) -> Iterator[Repair]:
    """Repair what can be rebuilt, one thing after another; each thing is tried once.

    A repair may mend or show what depends on it, so the damage is looked for again after each.
    """
    tried: set[str] = set()
    while damage := next((one for one in find_damage(context) if one.repair and one.what not in tried), None):
        tried.add(damage.what)
        assert damage.repair is not None
        try:
            yield Repair(damage, damage.repair())
        except Exception as failure:  # noqa: BLE001  old code may raise anything; the other repairs go on
            yield Repair(damage, None, failure_in_words(failure))


def _sources(context: PipelineContext) -> Iterator[Damage]:
    for source in context.project.sources:
        snapshots = all_snapshots(context.project.name, source.name, context.stores)
        problem = _first_problem(snapshot.files for snapshot in snapshots)
        if problem:
            repair = partial(_read_again, context, source)
            yield Damage(f"source {source.name}", problem, "To read it again from its provider", repair)


def _read_again(context: PipelineContext, source: Source) -> str:
    project, stores = context.project.name, context.stores
    before = [snapshot.hash for snapshot in all_snapshots(project, source.name, stores)]
    report = ingest_anew(source, project=project, stores=stores, clock=context.clock)
    if report.snapshot_hash == before[0]:
        return "read again from its provider; the snapshot is the same as before"
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
        except Exception as failure:  # noqa: BLE001  the code of a release may raise anything; it is reported
            yield Damage(what, f"they cannot be checked: {failure_in_words(failure)}", _BY_A_NEW_VERSION)
            continue
        if problem:
            yield Damage(what, problem, "To fill them from the history", partial(_fill_again, context, view))


def _online_problem(context: PipelineContext, view: _ViewInUse) -> str | None:
    history = _history_of(context, view)
    if history is None:
        return None
    try:
        return find_damaged_rows(view.open(), history, context.stores.online)
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


def _mlflow(context: PipelineContext) -> Iterator[Damage]:
    """The files of each version's run in an embedded MLflow."""
    for version in read_versions(context.stores, context.project.name):
        if problem := find_mlflow_damage(context.stores, version):
            yield Damage(f"MLflow files of version {version.version}", problem, _BACKUP, None)


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
