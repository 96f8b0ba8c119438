"""Training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = [
    "BudgetExceeded",
    "CandidateUnfit",
    "ClassMissing",
    "ClassesUnordered",
    "LabelsAllEqual",
    "LabelsUnusable",
    "LeakageFound",
    "ModelDamaged",
    "ModelMismatch",
    "NoCandidateWorked",
    "NothingVaries",
    "OneClassOnly",
    "TooFewExamples",
    "UnknownScore",
    "WorkerLost",
]


class UnknownScore(UsageError):
    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self.name = name
        super().__init__(f"{name!r} is not a loss of single rows. {nearest(name, allowed)}")


class ClassesUnordered(UsageError):
    """A score of ordered classes for classes without an order."""

    def __init__(self, score: str, classes: Sequence[str]) -> None:
        super().__init__(
            f"The score {score!r} needs classes that have an order, and {', '.join(classes)} have none. If they are "
            "listed in their order, declare it: classification(..., ordered=True). Else score by log_loss or brier."
        )


class TooFewExamples(TouchlineError):
    def __init__(self, what: str, actual: int, least: int) -> None:
        self.actual, self.least = actual, least
        super().__init__(
            f"There are {actual} {what}; training needs {least} or more. "
            "Bring more data, or change `test` and `validation`."
        )


class OneClassOnly(TouchlineError):
    def __init__(self, label: str | None, rows: int) -> None:
        self.label, self.rows = label, rows
        actual = f"All {rows} known labels are {label!r}" if rows else "No label is known"
        super().__init__(f"{actual}; a classification needs two classes or more. Check how `examples` makes the label.")


class LabelsAllEqual(TouchlineError):
    def __init__(self, label: object, rows: int) -> None:
        self.label, self.rows = label, rows
        super().__init__(
            f"All {rows} known labels are {label}, so there is nothing to learn. Check how `examples` makes the label."
        )


class ClassMissing(TouchlineError):
    def __init__(self, names: Sequence[str], where: str, rows: int) -> None:
        self.names, self.rows = tuple(names), rows
        super().__init__(
            f"No example of {', '.join(map(repr, names))} is among the {rows} {where}, and a class that a fit has "
            "never seen cannot be predicted. Make the windows later or shorter (`test`, `validation`), or take the "
            "class out of `classes`."
        )


class NothingVaries(TouchlineError):
    def __init__(self, columns: int) -> None:
        self.columns = columns
        super().__init__(
            f"None of the {columns} columns varies among the labelled examples, so there is nothing to learn from. "
            "Check the features and inputs of the task, and whether their values are known by the cutoff."
        )


class LabelsUnusable(TouchlineError):
    def __init__(self, example_id: object, label: object, rows: int, allowed: str) -> None:
        self.example_id, self.label, self.rows = example_id, label, rows
        super().__init__(
            f"{rows} labels are not {allowed} (first: example {example_id}, {label!r}). "
            "Correct them in `examples`, or leave them null for examples that are to be predicted."
        )


class LeakageFound(TouchlineError):
    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            f"The training set tells the label beforehand: {'; '.join(findings)}. "
            "Remove what is known only afterwards, or list it in Training(trusted=[...]) "
            "when it is truly known at the cutoff."
        )


class CandidateUnfit(UsageError):
    def __init__(self, name: str, kind: str, fitting: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Candidate {name!r} cannot learn a {kind} task. Fitting ones: {', '.join(sorted(fitting))}.")


class BudgetExceeded(TouchlineError):
    def __init__(self, who: str, seconds: float) -> None:
        self.who, self.seconds = who, seconds
        super().__init__(
            f"{who} was not done within {seconds:g} s. Raise candidate_seconds in Training, or leave it out."
        )


class WorkerLost(TouchlineError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The worker that did this fit was lost: {reason}. See the cluster's own log.")


class NoCandidateWorked(TouchlineError):
    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"Every candidate failed, so there is no model: {told}.")


class ModelDamaged(TouchlineError):
    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        super().__init__(f"{what} cannot be used as a model: {reason}. Take the release again from its store.")


class ModelMismatch(TouchlineError):
    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"The training set lacks the columns {', '.join(missing)} that this recipe was made with. "
            "Train anew, or give the training set of the recipe's feature version."
        )
