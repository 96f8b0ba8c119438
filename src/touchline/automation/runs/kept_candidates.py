"""Between two comparisons of all candidates (`Training.compare_every`) those of Production alone are trained."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

from touchline.registry import read_recipe, read_version
from touchline.training.periods import before

if TYPE_CHECKING:
    from touchline.automation.runs.records import PipelineRuns, RunRecord
    from touchline.automation.runs.steps import PipelineContext
    from touchline.project import Project
    from touchline.training import Recipe, Training, TrainingResult

# After a change of the world another candidate may be the best one.
_CHANGES: Final = ("drift", "degradation")
# Candidates that a training tries of itself beside those that it is given.
_VARIANT: Final = re.compile(r"\+(linear|curved|weights|smote)(\+.*)?$")
_SEARCHED_AGAIN: Final = re.compile(r"(\+tuned) \d+$")


@dataclass(frozen=True)
class KeptCandidates:
    """The names of the candidates that a recipe is made of, and whether it is their blend."""

    names: tuple[str, ...]
    is_blend: bool

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        names = (_SEARCHED_AGAIN.sub(r"\1", _VARIANT.sub("", one.candidate)) for one in recipe.members or (recipe,))
        return cls(tuple(dict.fromkeys(names)), bool(recipe.members))

    @classmethod
    def in_training(cls, training: Training) -> Self | None:
        """Those that `apply` has left in a training; None where all declared ones compete."""
        if training.compare_every is not None:
            return None
        names = tuple(one if isinstance(one, str) else one.name for one in training.candidates)
        return cls(names, training.blend == "only")

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        return cls(tuple(record["names"]), bool(record["is_blend"]))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names)}

    def apply(self, context: PipelineContext) -> PipelineContext:
        """The context of a training of these candidates; unchanged where one of them is no candidate any more."""
        training = context.project.training
        kept = [one for one in training.candidates_for(context.project.task.kind) if one.name in self.names]
        if len(kept) < len(self.names):
            return context
        blend = "only" if self.is_blend else False
        changed = {"candidates": tuple(kept), "blend": blend, "compare_every": None}
        project = context.project.model_copy(update={"training": training.model_copy(update=changed)})
        return replace(context, loaded=replace(context.loaded, project=project))


def with_kept_candidates(
    context: PipelineContext, runs: PipelineRuns, record: RunRecord, *, declared: Training
) -> PipelineContext:
    """The context of a training: all candidates where a comparison is due, else those of the recipe in Production.

    A comparison is due after `compare_every`, after drift or a loss incident, where a person forces the training, where
    settings are searched, and as long as Production was trained under another declaration.
    """
    run = record.run
    if "kept" not in run.detail:
        kept = None if run.is_forced or run.trigger in _CHANGES else _of_production(context, runs, declared)
        # Noted, so that the run trains alike when it goes on after a kill, whatever is in Production by then.
        record.note({"kept": None if kept is None else kept.to_json()})
    else:
        kept = None if run.detail["kept"] is None else KeptCandidates.from_json(run.detail["kept"])
    return context if kept is None else kept.apply(context)


def recent_comparisons(context: PipelineContext, runs: PipelineRuns, declared: Training) -> list[dict[str, Any]]:
    """The comparisons under this declaration, newest first; none where the next one is due, as where settings are
    searched.
    """
    if declared.compare_every is None or context.project.training.tune.is_on:
        return []
    hash = _hash(context.project, declared)
    found = [dict(run.detail["comparison"]) for run in runs.with_detail("comparison", "declared", value=hash)]
    is_recent = found and datetime.fromisoformat(found[0]["at"]) > before(context.clock.now(), declared.compare_every)
    return found if is_recent else []


def comparison_record(context: PipelineContext, result: TrainingResult, *, declared: Training) -> dict[str, Any]:
    """What a run notes of its comparison of all candidates; empty for a training of kept ones, and without a period."""
    if context.project.training.compare_every is None:
        return {}
    winner, at = KeptCandidates.of(result.recipe).to_json(), result.trained_at.isoformat()
    return {"comparison": {"at": at, "declared": _hash(context.project, declared), "winner": winner}}


def _of_production(context: PipelineContext, runs: PipelineRuns, declared: Training) -> KeptCandidates | None:
    comparisons, stores, name = recent_comparisons(context, runs, declared), context.stores, context.project.name
    production = stores.journal.state(name).production
    if not comparisons or production is None:
        return None
    version = read_version(stores, name, production)
    if version.created_at < datetime.fromisoformat(comparisons[-1]["at"]):
        return None
    return KeptCandidates.of(read_recipe(stores, version))


def _hash(project: Project, declared: Training) -> str:
    """A hash of the declared training and of all that makes its columns."""
    task = project.task
    parts = [
        declared.model_dump_json(),
        task.examples.version,
        sorted({(join.view.name, join.view.feature_version) for join in task.features}),
        sorted((transform.name, transform.version) for transform in task.on_demand),
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]
