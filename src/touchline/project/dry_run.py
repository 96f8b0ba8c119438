"""The declaration run on no rows: every name in it is looked up before anything is ingested or trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.errors import failure_in_words, nearest
from touchline.features import empty_examples, empty_training_set, has_own_clusters
from touchline.training import evaluation_metrics, find_family

if TYPE_CHECKING:
    from touchline.alerts import Rule
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
    others = [*_gates(project), *_candidates(project), *_rollout(project), *_rules(project)]
    if views:  # what they make of the training set is no mistake of its own
        return DryRun(None, (*views, *others))
    training_set = _training_set(project)
    if isinstance(training_set, str):
        return DryRun(None, (training_set, *others))
    names = [column.name for column in training_set.columns]
    return DryRun(tuple(names), (*others, *_columns(project, training_set.frame.columns, names)))


def _views(project: Project) -> Iterator[str]:
    for view in project.feature_views:
        try:
            _ = view.features
        except Exception as failure:  # noqa: BLE001  the project's code may raise anything; it is shown
            yield f"view {view.name!r}: {failure_in_words(failure)}"


def _training_set(project: Project) -> TrainingSet | str:
    """The training set of no examples, or the mistake that keeps it from being made."""
    task = project.task
    try:
        examples = empty_examples(task.examples)
    except Exception as failure:  # noqa: BLE001  the project's code may raise anything; it is shown
        return f"examples {task.examples.name!r}: {failure_in_words(failure)}"
    try:
        return empty_training_set(examples, task.features, task.inputs, task.on_demand)
    except Exception as failure:  # noqa: BLE001  as above
        return f"the training set: {failure_in_words(failure)}"


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
    yield from _baselines(project)
    watched = [*model, *(task.classes or ("value",))]
    for name in _named(project, "drift"):
        if name not in watched:
            yield f"a rule on drift names {name!r}, which is no column of the model. {nearest(name, watched)}"


def _baselines(project: Project) -> Iterator[str]:
    """A baseline has one column a class, or one for a number; how many classes undeclared ones are is not known yet."""
    classes = project.task.classes
    expected = 1 if project.task.kind == "regression" else len(classes)
    for baseline, names in project.training.baselines.items():
        if expected and len(names) != expected:
            order = (
                f"one column for each of {', '.join(classes)}, in this order"
                if classes
                else "one column, of the predicted number"
            )
            yield f"baseline {baseline!r} names {', '.join(names)}; name {order}"


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


def _rules(project: Project) -> Iterator[str]:
    """Rules of alerts that could never hold: on metrics that the task has not, or views that it does not join."""
    metrics, views = evaluation_metrics(project.task), [join.view.name for join in project.task.features]
    for rule in _declared_rules(project):
        if rule.is_on_metric and rule.signal not in metrics:
            told = nearest(rule.signal, metrics)
            yield f"rule {rule.condition!r}: a {project.task.type} has no {rule.signal!r} here. {told}"
    for name in _named(project, "feature_missing"):
        if name not in views:
            yield f"a rule on feature_missing names {name!r}, which is no view of the task. {nearest(name, views)}"


def _declared_rules(project: Project) -> Sequence[Rule]:
    return project.alerts.rules if project.alerts else ()


def _named(project: Project, signal: str) -> Iterator[str]:
    """The columns of the rules on one signal."""
    for rule in _declared_rules(project):
        yield from rule.columns if rule.signal == signal else ()


_COMPARED = ("log_loss", "brier", "rps", "accuracy", "mse", "rmse", "mae")
"""The metrics that are means over rows, so that two models can be compared row by row."""


def _rollout(project: Project) -> Iterator[str]:
    """What the start of each rollout would refuse, whatever the version."""
    declared, task = project.rollout, project.task
    if declared is None:
        return
    of_numbers = ("mse", "mae")
    if declared.metric is not None and (declared.metric in of_numbers) != (task.kind == "regression"):
        allowed = "mse or mae" if task.kind == "regression" else "log_loss, brier or rps"
        yield f"the rollout's metric {declared.metric!r} is not one of a {task.type}. Allowed: {allowed}"
    if task.kind == "regression" and any(guardrail.kind == "calibration" for guardrail in declared.guardrails):
        yield "the rollout has Guardrail.calibration(), which compares the probabilities of classes, for a regression"
    fields = {*task.entity_columns, *task.inputs, "example_id"}
    if declared.unit is not None and declared.unit not in fields:
        yield f"the rollout's unit {declared.unit!r} is no field of a request. {nearest(declared.unit, fields)}"
    if declared.cluster and _lacks_clusters(project):
        yield (
            "the rollout has cluster=True, and the examples return no `cluster` and have no time whose day would be "
            "one. Return a `cluster` column, such as the customer or the batch, or declare cluster=False"
        )


def _lacks_clusters(project: Project) -> bool:
    try:
        return not has_own_clusters(project.task.examples)
    except Exception:  # noqa: BLE001  what the examples raise is a mistake of theirs, which is shown
        return False


def _candidates(project: Project) -> Iterator[str]:
    kind = project.task.kind
    for candidate in project.training.candidates_for(kind):
        family = find_family(candidate.family) if isinstance(candidate.family, str) else candidate.family
        if kind not in family.kinds:
            yield (
                f"candidate {candidate.name!r} cannot learn a {kind} task; it can learn "
                f"{' and '.join(sorted(family.kinds))}"
            )
