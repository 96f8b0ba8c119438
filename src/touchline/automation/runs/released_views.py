"""The view versions that served releases read, kept up to date after the declaration has moved on to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from touchline.errors import ObjectNotFound, ReleaseTampered, TouchlineError, failure_in_words
from touchline.features import FeatureHistories, compute_view, materialize
from touchline.project import load_released_code
from touchline.registry import Releases

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.features import FeatureView
    from touchline.registry import Release

Views = Mapping[tuple[str, str], "FeatureView"]
"""The views that the code of a release declares, by name and feature version."""


@dataclass(frozen=True)
class ReleasedView:
    """A view version that the declaration no longer has but `readers` do, such as "Production and rollback"."""

    view: str
    feature_version: str
    readers: str
    release: Release

    @property
    def outlook(self) -> str:
        """What the readers do until a version of the present declaration takes over."""
        return (
            f"{self.readers} goes on with version {self.feature_version} of view {self.view}, which every ingest "
            "renews by the release's own code"
        )


@dataclass(frozen=True)
class OutdatedViews:
    """The outdated view versions that releases read, and the stages whose release cannot be read, with the reason."""

    views: tuple[ReleasedView, ...]
    unreadable: Mapping[str, str]


@dataclass(frozen=True)
class RenewedView:
    """The renewal of a view version that only releases read; of all views of a release that cannot be read.

    `rows` counts entities written online; None where nothing was renewed, for the reason in `failure`.
    """

    view: str
    feature_version: str
    readers: str
    rows: int | None
    failure: str | None = None

    @property
    def message(self) -> str:
        if self.failure is None:
            return f"view {self.view}: {self.readers} goes on with version {self.feature_version}, which was renewed"
        return (
            f"view {self.view}: version {self.feature_version}, which {self.readers} reads, could not be renewed: "
            f"{self.failure.rstrip('.')}. Its values grow old; promote a version that is trained on the present "
            "declaration."
        )


def outdated_views(context: PipelineContext) -> OutdatedViews:
    """The view versions that Production, Staging and the rollback read and that the declaration no longer has."""
    state, releases = context.stores.journal.state(context.project.name), Releases(context.stores)
    declared = {(view.name, view.feature_version) for view in context.project.feature_views}
    readers: dict[tuple[str, str], list[str]] = {}
    release_of: dict[tuple[str, str], Release] = {}
    unreadable: dict[str, str] = {}
    for stage, version in (("Production", state.production), ("Staging", state.staging), ("rollback", state.rollback)):
        try:
            release = releases.find(state.releases.get(version or 0, ""))
            views = () if release is None else release.read_manifest().views
        except (ObjectNotFound, ReleaseTampered) as damaged:
            unreadable[stage] = str(damaged)
            continue
        for name in sorted({(view.view, view.feature_version) for view in views} - declared):
            readers.setdefault(name, []).append(stage)
            release_of.setdefault(name, release)  # type: ignore[arg-type]  # without a release there are no views
    found = (ReleasedView(*name, " and ".join(stages), release_of[name]) for name, stages in readers.items())
    return OutdatedViews(tuple(found), unreadable)


def renew_released_views(context: PipelineContext) -> tuple[RenewedView, ...]:
    """Compute and materialize the outdated view versions by the code of their releases.

    A version that cannot be renewed is reported, not raised: the ingest that calls this has done its work.
    """
    outdated, views_of = outdated_views(context), cache(partial(_declared_views, context.project.name))
    renewed = [_renewed(context, one, views_of) for one in outdated.views]
    unread = [RenewedView("(any)", "(any)", stage, None, reason) for stage, reason in outdated.unreadable.items()]
    return (*renewed, *unread)


def released_view(project: str, one: ReleasedView) -> FeatureView:
    """The view as the code of its release declares it. That code may raise anything."""
    return _view_of(one, _declared_views(project, one.release))


def _renewed(context: PipelineContext, one: ReleasedView, views_of: Callable[[Release], Views]) -> RenewedView:
    context.on_progress(f"features {one.view} of {one.readers}")
    stores, project, clock = context.stores, context.project.name, context.clock
    try:
        view = _view_of(one, views_of(one.release))
        history = compute_view(view, project=project, stores=stores, clock=clock)
        histories = FeatureHistories(stores)
        rows = materialize(view, history, stores.online, now=clock.now(), histories=histories).written
    except Exception as failure:  # noqa: BLE001  # old code may raise anything; it is reported, never hidden
        return RenewedView(one.view, one.feature_version, one.readers, None, failure_in_words(failure))
    return RenewedView(one.view, one.feature_version, one.readers, rows)


def _declared_views(project: str, release: Release) -> Views:
    declared = load_released_code(release.path / "code", project=project, release=release.id)
    return {(view.name, view.feature_version): view for view in declared.feature_views}


def _view_of(one: ReleasedView, views: Views) -> FeatureView:
    view = views.get((one.view, one.feature_version))
    if view is None:
        raise _OtherCode(one)
    return view


class _OtherCode(TouchlineError):
    def __init__(self, one: ReleasedView) -> None:
        super().__init__(
            f"The code of release {one.release.id} gives another version of the view here, as with another version of "
            "a library that it computes with."
        )
