"""What the next run would do: changes of the declaration, its mistakes, columns that come and go, and Production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.automation.released_views import outdated_views
from touchline.automation.run_records import PipelineRuns
from touchline.errors import InvalidProject
from touchline.project import dry_run, plan_changes
from touchline.registry import ReleaseManifest, Releases

if TYPE_CHECKING:
    from touchline.automation.steps import PipelineContext
    from touchline.project import LoadedProject, Plan


@dataclass(frozen=True)
class RunPlan:
    """The plan of the next run. `columns` are the model's; None where mistakes keep them from being known.

    `added` and `removed` compare them with the columns of the version in Production; `meanwhile` says in words what
    Production, Staging and the rollback do until a version of the present declaration takes over.
    """

    changes: Plan
    mistakes: tuple[str, ...]
    columns: tuple[str, ...] | None
    production: int | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    meanwhile: tuple[str, ...]


def plan_run(context: PipelineContext) -> RunPlan:
    """Run the declaration on no rows and compare it with the last run and with Production."""
    project, stores = context.project, context.stores
    changes = plan_changes(project, PipelineRuns(stores.database, project.name).last_declaration())
    rehearsed = dry_run(project)
    state = stores.journal.state(project.name)
    served = _production_columns(context) if state.production is not None else None
    columns = rehearsed.columns
    known = served is not None and columns is not None
    return RunPlan(
        changes=changes,
        mistakes=rehearsed.mistakes,
        columns=columns,
        production=state.production,
        added=tuple(name for name in columns or () if known and name not in (served or ())),
        removed=tuple(name for name in served or () if known and name not in (columns or ())),
        meanwhile=tuple(
            f"{' and '.join(one.stages)} goes on with version {one.feature_version} of view {one.view}, which every "
            "ingest renews by the release's own code"
            for one in outdated_views(context)
        ),
    )


def require_sound(loaded: LoadedProject) -> None:
    """Raise `InvalidProject` with every mistake that a dry run of the declaration finds."""
    mistakes = dry_run(loaded.project).mistakes
    if mistakes:
        what = "; ".join(mistakes)
        raise InvalidProject(loaded.folder / "project.py", None, what, "Nothing was trained; correct the declaration.")


def _production_columns(context: PipelineContext) -> tuple[str, ...] | None:
    state = context.stores.journal.state(context.project.name)
    release = Releases(context.stores).find(state.releases.get(state.production or 0, ""))
    if release is None:
        return None
    manifest = ReleaseManifest.from_bytes((release.path / "release.json").read_bytes())
    return tuple(column.name for column in manifest.columns)
