"""The settings that a search has found compete as they are until the next search is due (`Tune.every`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from touchline.training import Candidate, Tune
from touchline.training.periods import before

if TYPE_CHECKING:
    from touchline.automation.runs.records import PipelineRuns
    from touchline.automation.runs.steps import PipelineContext
    from touchline.training import Training, TrainingResult


def with_kept_settings(context: PipelineContext, runs: PipelineRuns) -> PipelineContext:
    """The context of a training: where the last search is recent enough, its settings stand for a search.

    Recent is a search under the same declared training that is younger than `Tune.every`.
    """
    training, now = context.project.training, context.clock.now()
    if not training.tune.is_on or training.tune.every is None:
        return context
    searches = [run.detail["search"] for run in runs.with_detail("search", "declared", value=_declared(training))]
    if not searches or datetime.fromisoformat(searches[0]["at"]) <= before(now, training.tune.every):
        return context
    kept = {"candidates": _candidates(context, searches[0]["settings"]), "tune": Tune()}
    project = context.project.model_copy(update={"training": training.model_copy(update=kept)})
    return replace(context, loaded=replace(context.loaded, project=project))


def search_record(training: Training, result: TrainingResult) -> dict[str, Any]:
    """What a run notes of its search: when, under which declaration, and the best settings by declared candidate.

    Empty where nothing was searched. A variant that the training tried of itself, as a curved target, is not kept.
    """
    if not training.tune.is_on:
        return {}
    reports = [one for one in result.candidates if one.score is not None and one.tuning is not None]
    settings: dict[str, Any] = {}
    for report in sorted(reports, key=lambda one: one.score or 0.0):
        name, is_tuned, _ = report.name.partition("+tuned")
        if is_tuned and "+" not in name and report.tuning is not None and report.tuning.best is not None:
            settings.setdefault(name, dict(report.tuning.best))
    return {"search": {"at": result.trained_at.isoformat(), "declared": _declared(training), "settings": settings}}


def _candidates(context: PipelineContext, settings: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Each declared candidate, and behind it the one with the settings that were found for it."""
    declared = context.project.training.candidates_for(context.project.task.kind)
    found = [
        one.model_copy(update={"name": f"{one.name}+tuned", "params": settings[one.name]})
        for one in declared
        if one.name in settings
    ]
    return (*declared, *found)


def _declared(training: Training) -> str:
    return sha256(training.model_dump_json().encode()).hexdigest()[:16]
