"""The plan of the next run: changes of the declaration, its mistakes, columns that come and go, and Production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.automation.promotion.rollouts import overtaken_rule
from touchline.automation.runs.records import PipelineRuns
from touchline.automation.runs.released_views import outdated_views
from touchline.errors import InvalidProject, ObjectNotFound, ReleaseTampered
from touchline.ingest import check_source_columns
from touchline.project import plan_changes
from touchline.registry import Releases

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.project import LoadedProject, Plan


@dataclass(frozen=True)
class RunPlan:
    """The plan of the next run. `columns` are the model's; None where mistakes keep them from being known.

    `mistakes` are those of the declaration, and columns of the sources that the next ingest would refuse; `sources` are
    notes on their other columns. `added` and `removed` compare the model's columns with those of the version in
    Production; `meanwhile` says in words what the running rollout, Production, Staging and the rollback do until a
    version of the present declaration takes over.
    """

    changes: Plan
    mistakes: tuple[str, ...]
    sources: tuple[str, ...]
    columns: tuple[str, ...] | None
    production: int | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    meanwhile: tuple[str, ...]


def plan_run(context: PipelineContext) -> RunPlan:
    """Run the declaration on no rows and compare it with the sources, the last run and Production."""
    project, stores = context.project, context.stores
    dry, outdated = context.loaded.dry_run, outdated_views(context)
    production = stores.journal.state(project.name).production
    served = _columns_of(context, production)
    findings = [
        check_source_columns(source, project=project.name, stores=stores, clock=stores.clock)
        for source in project.sources
    ]
    is_known = served is not None and dry.columns is not None
    columns, before = dry.columns or (), served or ()
    return RunPlan(
        changes=plan_changes(project, PipelineRuns(stores.database, project.name).last_declaration()),
        mistakes=(*dry.mistakes, *(mistake for one in findings for mistake in one.mistakes)),
        sources=tuple(note for one in findings for note in one.notes),
        columns=dry.columns,
        production=production,
        added=tuple(name for name in columns if name not in before) if is_known else (),
        removed=tuple(name for name in before if name not in columns) if is_known else (),
        meanwhile=(
            *(() if (ended := overtaken_rule(context)) is None else (ended,)),
            *(one.outlook for one in outdated.views),
            *(f"the release of {stage} cannot be read: {reason}" for stage, reason in outdated.unreadable.items()),
        ),
    )


def require_sound(loaded: LoadedProject) -> None:
    """Raise `InvalidProject` with every mistake that a dry run of the declaration finds."""
    mistakes = loaded.dry_run.mistakes
    if mistakes:
        what = "; ".join(mistakes)
        raise InvalidProject(loaded.folder / "project.py", None, what, "Nothing was trained; correct the declaration.")


def _columns_of(context: PipelineContext, version: int | None) -> tuple[str, ...] | None:
    """The model columns of a version's release; None without one, or where it cannot be read."""
    releases = context.stores.journal.state(context.project.name).releases
    try:
        release = Releases(context.stores).find(releases.get(version or 0, ""))
        return None if release is None else tuple(column.name for column in release.read_manifest().columns)
    except (ObjectNotFound, ReleaseTampered):
        return None
