"""The declaration run on no rows: every name in it is looked up before anything is ingested or trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.errors import TouchlineError, nearest
from touchline.features import empty_examples, empty_training_set
from touchline.training import evaluation_metrics, find_family

if TYPE_CHECKING:
    from touchline.features import TrainingSet
    from touchline.project.spec import Project


@dataclass(frozen=True)
class DryRun:
    """The columns of the training set that the declaration makes, and what is wrong with the declaration.

    `columns` are the model's, None where the training set cannot be made.
    """

    columns: tuple[str, ...] | None
    mistakes: tuple[str, ...]


def dry_run(project: Project) -> DryRun:
    """Run views, examples and transforms on tables without rows, and check every name of the other parts."""
    views = list(_views(project))
    if views:
        return DryRun(None, (*views, *_gates(project), *_candidates(project)))
    training_set, failure = _training_set(project)
    mistakes = [*([failure] if failure else []), *_gates(project), *_candidates(project)]
    if training_set is None:
        return DryRun(None, tuple(mistakes))
    names = [column.name for column in training_set.columns]
    mistakes += _columns(project, training_set.frame.columns, names)
    return DryRun(tuple(names), tuple(mistakes))


def _views(project: Project) -> Iterator[str]:
    for view in project.feature_views:
        failure = _failure_of(lambda view=view: view.features)  # type: ignore[misc]  # mypy cannot infer a lambda
        if failure:
            yield f"view {view.name!r}: {failure}"


def _training_set(project: Project) -> tuple[TrainingSet | None, str | None]:
    """The training set of no examples, or why there is none."""
    task = project.task
    try:
        examples = empty_examples(task.examples)
    except Exception as failure:  # noqa: BLE001  the project's code may raise anything; it is shown
        return None, f"examples {task.examples.name!r}: {_in_words(failure)}"
    try:
        return empty_training_set(examples, task.features, task.inputs, task.on_demand), None
    except Exception as failure:  # noqa: BLE001  as above
        return None, f"the training set: {_in_words(failure)}"


def _columns(project: Project, examples: list[str], model: list[str]) -> Iterator[str]:
    training, task = project.training, project.task
    named = [("`slices`", name, examples) for name in task.slices]
    named += [("`trusted`", name, model) for name in training.trusted]
    named += [
        (f"baseline {baseline!r}", name, examples) for baseline, names in training.baselines.items() for name in names
    ]
    for where, name, known in named:
        if name not in known:
            yield f"{where} names {name!r}, which is no column of the training set. {nearest(name, known)}"


def _gates(project: Project) -> Iterator[str]:
    task = project.task
    metrics = evaluation_metrics(task)
    for gate in project.gates:
        known = metrics if gate.kind == "absolute" else [name for name in metrics if name in _COMPARED]
        if gate.kind in ("absolute", "improves", "slice") and gate.metric not in known:
            yield f"gate {gate.describe()!r}: a {task.type} has no {gate.metric!r} here. {nearest(gate.metric, known)}"
        if gate.kind == "slice" and gate.column not in task.slices:
            yield (
                f"gate {gate.describe()!r} names {gate.column!r}, which the task's `slices` do not list. "
                f"{nearest(gate.column or '', task.slices)}"
            )


_COMPARED = ("log_loss", "brier", "rps", "accuracy", "mse", "rmse", "mae")
"""The metrics that are means over rows, so that two models can be compared row by row."""


def _candidates(project: Project) -> Iterator[str]:
    kind = project.task.kind
    for candidate in project.training.candidates_for(kind):
        family = find_family(candidate.family) if isinstance(candidate.family, str) else candidate.family
        if kind not in family.kinds:
            yield (
                f"candidate {candidate.name!r} cannot learn a {kind} task; it can learn "
                f"{' and '.join(sorted(family.kinds))}"
            )


def _failure_of(act: Callable[[], object]) -> str | None:
    try:
        act()
    except Exception as failure:  # noqa: BLE001  the project's code may raise anything; it is shown
        return _in_words(failure)
    return None


def _in_words(failure: Exception) -> str:
    """The first line of an error; the class where it is not one of ours."""
    text = (str(failure).strip() or "no message").splitlines()[0]
    return text if isinstance(failure, TouchlineError) else f"{type(failure).__name__}: {text}"
