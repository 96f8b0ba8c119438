"""Alerts."""

from __future__ import annotations

from touchline.errors.base import TouchlineError, UsageError

__all__ = ["IncidentNotFound", "SilenceInvalid", "TargetNotFound", "WebhookUnverified"]


class IncidentNotFound(UsageError):
    """No incident, or more than one, has this id."""

    def __init__(self, project: str, reference: str, matches: int) -> None:
        self.reference = reference
        count = "No incident" if matches == 0 else "More than one incident"
        super().__init__(
            f"{count} of {project} has an id that begins or ends with {reference!r}. "
            f"List them: touchline alerts list --all -p {project}"
        )


class SilenceInvalid(UsageError):
    """A silence without a reason or without an end to come, or one that cannot be lifted."""

    def __init__(self, incident_id: str, problem: str, step: str, *, act: str = "silenced") -> None:
        self.incident_id = incident_id
        what = f"Incident {incident_id} is not silenced" if act == "silenced" else f"Incident {incident_id}: not {act}"
        super().__init__(f"{what}: {problem}. {step}.")


class TargetNotFound(UsageError):
    """A project declares nobody to tell."""

    def __init__(self, project: str) -> None:
        super().__init__(
            f"{project} declares no alerts, so there is nobody to send to. Add alerts=Alerts(['mailto://…']) to its "
            "project.py."
        )


class WebhookUnverified(TouchlineError):
    """A received webhook that does not come from the sender it claims, or is too old."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The webhook is refused: {problem}. Check the secret and the clock of the receiver.")
