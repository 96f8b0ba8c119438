"""After a change of the world every candidate chooses how far back it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from touchline.automation.schedule.facts import read_change
from touchline.registry import read_recipe, read_version

if TYPE_CHECKING:
    from touchline.automation.runs.records import RunRecord
    from touchline.automation.runs.steps import PipelineContext

_CHANGES: Final = ("drift", "degradation")


def with_recent_candidates(context: PipelineContext, record: RunRecord) -> PipelineContext:
    """The context of a training whose candidates may learn from the newest rows alone, where that is asked for.

    It is after drift or a loss incident, and from then on while such a version is in Production. Each fit tries both,
    the newest rows and all of them; so it is a setting that a training selects, and the gates of a refresh decide on
    it. Most changes are too young for the test window to show a gain, which the gates of another recipe ask for.
    """
    run, project = record.run, context.project
    is_recent: bool = run.detail.get("is_recent", run.trigger in _CHANGES or _is_needed(context))
    # Noted, so that the run trains alike when it goes on after a kill, whatever is in Production by then.
    record.note({"is_recent": is_recent})
    if not is_recent:
        return context
    candidates = [one.model_copy(update={"recent": True}) for one in project.training.candidates_for(project.task.kind)]
    training = project.training.model_copy(update={"candidates": tuple(candidates)})
    project = project.model_copy(update={"training": training})
    return replace(context, loaded=replace(context.loaded, project=project))


def _is_needed(context: PipelineContext) -> bool:
    stores, name = context.stores, context.project.name
    production = stores.journal.state(name).production
    if production is None:
        return False
    recipe = read_recipe(stores, read_version(stores, name, production))
    is_live = any(part.is_recent for part in (recipe, *recipe.members))
    return is_live or read_change(context.project, stores) is not None
