"""The view versions that served releases read, kept up to date after the declaration has moved on to others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.errors import ObjectNotFound, SnapshotNotFound, TouchlineError
from touchline.features import FeatureHistories, compute_view, materialize
from touchline.ingest import read_snapshot
from touchline.project import load_released_code
from touchline.registry import ReleaseManifest, Releases

if TYPE_CHECKING:
    from touchline.automation.steps import PipelineContext
    from touchline.features import FeatureView
    from touchline.registry import Release


@dataclass(frozen=True)
class RenewedView:
    """A view version that the declaration no longer has, and the stages of the versions that read it.

    `rows` counts entities written online; None where the version could not be renewed, for the reason in `failure`.
    """

    view: str
    feature_version: str
    stages: tuple[str, ...]
    rows: int | None
    failure: str | None = None

    @property
    def message(self) -> str:
        stages = " and ".join(self.stages)
        if self.failure is None:
            return f"view {self.view}: {stages} goes on with version {self.feature_version}, which was renewed"
        return (
            f"view {self.view}: version {self.feature_version}, which {stages} reads, could not be renewed: "
            f"{self.failure} Its values grow old; promote a version that is trained on the present declaration."
        )


@dataclass(frozen=True)
class ReleasedView:
    """A view version that releases read and that the declaration no longer has."""

    view: str
    feature_version: str
    stages: tuple[str, ...]
    release: Release


def outdated_views(context: PipelineContext) -> list[ReleasedView]:
    """The view versions that Production, Staging and the rollback read and that the declaration no longer has."""
    state, releases = context.stores.journal.state(context.project.name), Releases(context.stores)
    declared = {(view.name, view.feature_version) for view in context.project.feature_views}
    found: dict[tuple[str, str], ReleasedView] = {}
    for stage, version in (("Production", state.production), ("Staging", state.staging), ("rollback", state.rollback)):
        try:
            release = releases.find(state.releases.get(version or 0, ""))
            if release is None:
                continue
            manifest = ReleaseManifest.from_bytes((release.path / "release.json").read_bytes())
        except (ObjectNotFound, OSError, ValueError, KeyError):
            continue  # a damaged release: `touchline doctor` and the server say so
        for name in dict.fromkeys((view.view, view.feature_version) for view in manifest.views):
            if name not in declared:
                before = found.get(name)
                stages = (*(before.stages if before else ()), stage)
                found[name] = ReleasedView(*name, stages, before.release if before else release)
    return list(found.values())


def renew_released_views(context: PipelineContext) -> tuple[RenewedView, ...]:
    """Compute and materialize the outdated view versions by the code of their releases.

    A version that cannot be renewed is reported, not raised: the ingest that calls this has done its work.
    """
    return tuple(_renew(context, outdated_views(context)))


def _renew(context: PipelineContext, outdated: list[ReleasedView]) -> Iterator[RenewedView]:
    declared: dict[str, Mapping[tuple[str, str], FeatureView]] = {}
    for one in outdated:
        context.on_progress(f"features {one.view} of {' and '.join(one.stages)}")
        try:
            if one.release.id not in declared:
                declared[one.release.id] = _released_views(context, one.release)
            rows = _renewed_rows(context, one, declared[one.release.id])
        except Exception as failure:  # noqa: BLE001  # old code may raise anything; it is reported, never hidden
            yield RenewedView(one.view, one.feature_version, one.stages, None, _reason(failure))
        else:
            yield RenewedView(one.view, one.feature_version, one.stages, rows)


def _released_views(context: PipelineContext, release: Release) -> Mapping[tuple[str, str], FeatureView]:
    project = load_released_code(release.path / "code", project=context.project.name, release=release.id)
    return {(view.name, view.feature_version): view for view in project.feature_views}


def released_view(context: PipelineContext, one: ReleasedView) -> FeatureView:
    """The view as the code of its release declares it. That code may raise anything."""
    view = _released_views(context, one.release).get((one.view, one.feature_version))
    if view is None:
        raise _OtherCode(one)
    return view


def _renewed_rows(context: PipelineContext, one: ReleasedView, views: Mapping[tuple[str, str], FeatureView]) -> int:
    view = views.get((one.view, one.feature_version))
    if view is None:
        raise _OtherCode(one)
    stores, project = context.stores, context.project.name
    snapshots = {source.name: read_snapshot(project, source.name, stores) for source in view.sources}
    history = compute_view(view, project=project, stores=stores, clock=context.clock, snapshots=snapshots)
    histories = FeatureHistories(stores)
    return materialize(view, history, stores.online, now=context.clock.now(), histories=histories).written


class _OtherCode(TouchlineError):
    def __init__(self, one: ReleasedView) -> None:
        super().__init__(
            f"The code of release {one.release.id[:12]} gives another version of the view here, as with another "
            "version of a library that it computes with."
        )


def _reason(failure: Exception) -> str:
    if isinstance(failure, SnapshotNotFound):
        return str(failure)
    text = str(failure).strip().splitlines()[0] if str(failure).strip() else ""
    return text if isinstance(failure, TouchlineError) else f"{type(failure).__name__}: {text.rstrip('.')}."
