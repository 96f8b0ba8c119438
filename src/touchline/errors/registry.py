"""Runs, versions, stages and releases."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = [
    "CodeChanged",
    "EvidenceMoved",
    "FolderNotEmpty",
    "GateFailed",
    "IllegalStageChange",
    "InvalidEvidence",
    "InvalidFilter",
    "NotComparable",
    "NotEvaluated",
    "NotPortable",
    "NotReproducible",
    "ReasonMissing",
    "ReleaseBroken",
    "ReleaseCrashes",
    "ReleaseTampered",
    "RunNotFound",
    "RunValueUnknown",
    "StageConflict",
    "TrackingMismatch",
    "TrackingUnavailable",
    "TransformBroken",
    "VersionNotFound",
]


class VersionNotFound(UsageError):
    def __init__(self, project: str, reference: str, allowed: Collection[str]) -> None:
        self.project, self.reference = project, reference
        versions = ", ".join(allowed) or f"none yet; train one: touchline train -p {project}"
        step = ""
        if allowed and reference in ("Staging", "Production"):
            step = f" To bring one there through the gates: touchline models promote VERSION -p {project}"
        elif allowed and reference == "rollback":
            step = " None was in Production before the one that is there now, if any."
        super().__init__(f"{project} has no version {reference!r}. Versions: {versions}.{step}")


class ReasonMissing(UsageError):
    def __init__(self, act: str) -> None:
        super().__init__(f"{act} needs a reason, which the journal keeps. Add: --reason '...'")


class IllegalStageChange(UsageError):
    """The journal allows no such step from where the version stands."""

    def __init__(self, project: str, version: int | None, stage: str, *, why: str) -> None:
        self.project, self.version, self.stage = project, version, stage
        what = (
            f"{project}: no stage was changed" if version is None else f"{project} version {version} stays in {stage}"
        )
        super().__init__(f"{what}: {why}")

    @classmethod
    def needs_rollout(cls, project: str, version: int) -> IllegalStageChange:
        why = (
            f"from Staging a version goes to Production by a rollout (touchline rollout start -p {project}) or by a "
            f"person's decision: touchline models promote {version} -p {project} --now --reason '...'"
        )
        return cls(project, version, "Staging", why=why)

    @classmethod
    def rollout_runs(cls, project: str, version: int, number: int) -> IllegalStageChange:
        why = (
            f"its rollout {number} runs and decides about Production (touchline rollout status -p {project}), "
            f"or a person does: touchline models promote {version} -p {project} --now --reason '...'"
        )
        return cls(project, version, "Staging", why=why)

    @classmethod
    def nothing_to_return_to(cls, project: str, version: int | None) -> IllegalStageChange:
        if version is None:
            why = (
                "nothing is in Production, and nothing was before, so there is nothing to roll back to. To bring a "
                f"version there: touchline models promote VERSION -p {project}"
            )
            return cls(project, None, "None", why=why)
        why = "no other version was in Production before it, so there is nothing to roll back to."
        return cls(project, version, "Production", why=why)


class StageConflict(TouchlineError):
    """Another change of a stage came first; nothing of this change was written."""

    def __init__(self, project: str, *, expected: int, actual: int, winner: str, did: str) -> None:
        self.project, self.expected, self.actual, self.winner = project, expected, actual, winner
        super().__init__(
            f"{project}: the journal moved from entry {expected} to {actual} meanwhile: {winner} {did}. "
            f"Nothing of this change was written; look again: touchline models history -p {project}"
        )


class InvalidEvidence(UsageError):
    """A text that is no hash of evidence; nothing was changed."""

    key = "evidence"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:100]!r} is no hash of evidence, which is a number, '-' and 16 hexadecimal digits, such as "
            "12-0123456789abcdef. It is printed by: touchline models promote VERSION --dry-run"
        )


class EvidenceMoved(TouchlineError):
    """A promotion rests on evidence that is no longer current; nothing was changed."""

    def __init__(self, project: str, version: int, *, expected: str, actual: str) -> None:
        self.project, self.version, self.expected, self.actual = project, version, expected, actual
        super().__init__(
            f"{project} version {version} was not promoted: its evidence has the hash {actual}, the decision rests on "
            f"{expected}. A stage, a gate, an approval or the compared rows changed since. Look again: "
            f"touchline models promote {version} -p {project} --dry-run"
        )


class GateFailed(TouchlineError):
    """A gate said no (exit code 3). `messages` holds one sentence per failed gate.

    `can_be_overruled`: no gate measured a no, so that `--now` with a reason promotes the version.
    """

    def __init__(
        self, project: str, version: int, stage: str, messages: Sequence[str], *, can_be_overruled: bool = False
    ) -> None:
        self.project, self.version, self.messages = project, version, tuple(messages)
        self.can_be_overruled = can_be_overruled
        promote = f"touchline models promote {version} -p {project}"
        if can_be_overruled:
            step = f"To promote it all the same: {promote} --now --reason '...'"
        else:
            step = (
                "--now does not overrule a gate that measured a no or waits for an approval. Train a better version "
                f"(touchline train -p {project}), or change the gates of the declaration, then: {promote}"
            )
        super().__init__(f"{project} version {version} stays in {stage}: {'; '.join(messages)}. {step}")


class NotComparable(TouchlineError):
    """Production cannot be evaluated on the examples of a version; only a person can decide then."""

    def __init__(self, version: int, production: int, reason: str) -> None:
        self.version, self.production, self.reason = version, production, reason
        super().__init__(
            f"version {version} cannot be compared with Production version {production}: {reason.rstrip('.')}"
        )


class CodeChanged(TouchlineError):
    """A project's folder was edited while its training went on."""

    def __init__(self, project: str, folder: str) -> None:
        self.project, self.folder = project, folder
        super().__init__(
            f"{folder} was edited while the training of {project} went on, so its files are not the code that trained. "
            f"No version was recorded; train with the code of now: touchline train -p {project}"
        )


class NotEvaluated(TouchlineError):
    def __init__(self, project: str, version: int, missing: str) -> None:
        self.project, self.version = project, version
        super().__init__(
            f"{project} version {version} cannot be evaluated: its record has no {missing}. "
            f"Train it again: touchline train -p {project}"
        )


class ReleaseTampered(TouchlineError):
    """A bundle is not what was built; it is never loaded."""

    def __init__(self, folder: str, what: str, *, actual: str, expected: str) -> None:
        self.folder, self.what = folder, what
        super().__init__(
            f"Release {folder} was refused: {what} is {actual}, {expected} was built. The running release stays; "
            f"restore the folder from a backup, or build it again: touchline models promote"
        )


class ReleaseBroken(TouchlineError):
    """A bundle is complete but does not predict what it predicted when it was built."""

    def __init__(self, folder: str, *, rows: int, of: int, gap: float, allowed: float) -> None:
        self.folder, self.gap = folder, gap
        super().__init__(
            f"Release {folder} failed its self-test: {rows} of {of} stored examples differ, by up to {gap:.3g} "
            f"(allowed {allowed:.0e}). The running release stays; compare the library versions in release.json"
        )


class ReleaseCrashes(ReleaseBroken):
    """Processes have ended while they loaded a release, which no exception tells."""

    def __init__(self, release_id: str, deaths: int, marks: str) -> None:
        self.folder, self.deaths, self.gap = release_id, deaths, float("inf")
        TouchlineError.__init__(
            self,
            f"Release {release_id} is not loaded again: {deaths} processes ended while they loaded it, by a crash or "
            f"for want of memory. Train a version anew, or delete {marks} to try once more.",
        )


class TransformBroken(ReleaseBroken):
    """A bundle is complete, but an on-demand transform does not compute what it computed at training."""

    def __init__(self, folder: str, transform: str, reason: str) -> None:
        self.folder, self.transform, self.gap = folder, transform, float("inf")
        TouchlineError.__init__(
            self,
            f"Release {folder} failed its self-test: on-demand transform {transform!r} {reason}. "
            "The running release stays; compare the library versions in release.json",
        )


class RunNotFound(UsageError):
    def __init__(self, project: str, what: str) -> None:
        super().__init__(f"{project} has no run {what}. See: touchline runs list -p {project}")


class RunValueUnknown(UsageError):
    """A metric or a parameter that no run of the project has. `kind` is "metric" or "metric or parameter"."""

    def __init__(self, project: str, kind: str, name: str, allowed: Collection[str]) -> None:
        self.project, self.name, self.allowed = project, name, tuple(sorted(allowed))
        close = nearest(name, allowed)
        hint = f" {close}" if close.startswith("Did you mean") else ""
        # The bounds and the baseline of each metric can be named too, but would bury the metrics.
        shown = [one for one in self.allowed if not one.endswith(("_low", "_high")) and not one.startswith("baseline_")]
        super().__init__(f"No run of {project} has a {kind} {name!r}.{hint} The runs have: {', '.join(shown)}.")


class InvalidFilter(UsageError):
    def __init__(self, condition: str, reason: str = "") -> None:
        super().__init__(
            f"The filter {condition!r} cannot be read{reason and f': {reason}'}. Write NAME SIGN VALUE, joined by "
            "'and', for example: log_loss < 1.0 and candidate = lightgbm"
        )


class FolderNotEmpty(UsageError):
    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} exists and is not empty. Choose another folder, or remove it first.")


class NotPortable(UsageError):
    """An on-demand transform that serving could not run without the whole project."""

    def __init__(self, transform: str, reason: str) -> None:
        self.transform = transform
        super().__init__(
            f"On-demand transform {transform!r} {reason}. It also runs while serving, without the project: define its "
            "function in a module of the project that imports only NumPy (such as transforms.py), import that module "
            "in project.py, and declare it there: on_demand(transforms.function)"
        )


class TrackingUnavailable(TouchlineError):
    def __init__(self, uri: str, attempts: int, last: str) -> None:
        self.uri, self.attempts = uri, attempts
        super().__init__(
            f"MLflow at {uri} did not answer in {attempts} attempts (last: {last}). Nothing was registered; "
            f"start it and run the same command again: make mlflow"
        )


class TrackingMismatch(TouchlineError):
    """MLflow and touchline number their versions differently: one of the two was replaced or reset."""

    def __init__(self, project: str, version: int, uri: str) -> None:
        self.project, self.version = project, version
        super().__init__(
            f"{project} version {version} in MLflow at {uri} is another run than in touchline's own record. "
            f"Use the MLflow that the record was made with (MLFLOW_TRACKING_URI), or a new home"
        )


class NotReproducible(TouchlineError):
    def __init__(self, version: int, training_set_hash: str) -> None:
        self.version, self.training_set_hash = version, training_set_hash
        super().__init__(
            f"Version {version} cannot be made again: its training set {training_set_hash} is no longer in the object "
            "store. Restore it from a backup, then run the same command."
        )
