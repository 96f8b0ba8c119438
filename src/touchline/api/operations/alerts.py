"""`/alerts`: the incidents of a project, and silences of their causes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from touchline import alerts, automation
from touchline.alerts.policy import Status
from touchline.alerts.signals import Severity
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.api.stored_fields import Reason
from touchline.http.callers import ActorOfRequest

router = APIRouter(tags=["alerts"])
IncidentId = Annotated[str, Path(description="id of the incident, or the end of it")]


class SignalState(BaseModel):
    """One signal of an incident, as its last observation described it."""

    signal: str
    subject: str = Field(description="the source, view or column; empty: the project")
    severity: Severity
    is_wrong: bool
    wrong_since: datetime
    value: float | None
    happened: str
    certainty: str
    cost: str
    next_command: str


class SilenceState(BaseModel):
    """No messages are sent until `ends_at`."""

    actor: str
    reason: str
    ends_at: datetime


class IncidentState(BaseModel):
    """One cause that is or was wrong; `event`: something that happened once. Instants are wall time."""

    id: str
    title: str
    cause: str
    severity: Severity
    status: Status
    opened_at: datetime
    resolved_at: datetime | None
    observations: int
    signals: list[SignalState]
    silence: SilenceState | None


class IncidentList(BaseModel):
    """Incidents, newest first; `sentence` is the verdict on the open ones, with findings where none is open."""

    sentence: str
    findings: list[str] = Field(description="what the newest checks found, and whether the loss is not watched")
    incidents: list[IncidentState]


class MessageState(BaseModel):
    """A message on its way to one target."""

    kind: str
    target: str = Field(description="a label such as slack-1, never an address")
    status: str = Field(description="waiting, sent or failed")
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    failure: str | None


class SilenceEntry(SilenceState):
    """One line of the journal of silences: a cause was silenced, or its silence was lifted."""

    act: Literal["silenced", "lifted"]
    created_at: datetime


class IncidentPage(IncidentState):
    """An incident with its messages, and the journal of the silences of its cause."""

    messages: list[MessageState]
    silences: list[SilenceEntry]


class SilenceBody(BaseModel):
    """Why no messages are wanted, and until when. Who wants that is the holder of the API key."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Reason
    ends_at: AwareDatetime


class LiftBody(BaseModel):
    """Why messages are wanted again. Who wants that is the holder of the API key."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Reason


@router.get("/alerts", summary="The incidents of a project, newest first")
def get_alerts(
    project: ProjectOfRequest,
    *,
    only_open: Annotated[bool, Query(description="leave out resolved ones and events")] = True,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> IncidentList:
    silences = _silences(project)
    incidents = _records(project).newest(only_open=only_open, limit=limit)
    findings = automation.read_alert_findings(project.name, project.stores)
    return IncidentList(
        sentence=alerts.incidents_sentence(incidents, findings),
        findings=list(findings),
        incidents=[_state(one, silences) for one in incidents],
    )


@router.get("/alerts/{incident}", summary="An incident with its signals and messages")
def get_alert(project: ProjectOfRequest, incident: IncidentId) -> IncidentPage:
    stored = _records(project).find(incident)
    deliveries = alerts.Outbox(project.stores.database, project.name).of_incident(stored.id)
    messages = [MessageState.model_validate(vars(one), from_attributes=True) for one in deliveries]
    entries = [_entry(one) for one in alerts.silence_history(project.stores.database, stored)]
    return IncidentPage(**_state(stored, _silences(project)).model_dump(), messages=messages, silences=entries)


@router.post("/alerts/{incident}/silence", summary="Send no messages about an incident's cause until an end")
def post_silence(
    project: ProjectOfRequest, actor: ActorOfRequest, incident: IncidentId, body: SilenceBody
) -> IncidentState:
    """It also holds for the same cause when it is resolved and comes back. The newest silence counts."""
    stored, now = _records(project).find(incident), project.wall()
    alerts.silence_incident(
        project.stores.database, stored, actor=actor, reason=body.reason, ends_at=body.ends_at, now=now
    )
    return _state(stored, _silences(project))


@router.post("/alerts/{incident}/silence/lift", summary="Send messages about an incident's cause again")
def post_lift(project: ProjectOfRequest, actor: ActorOfRequest, incident: IncidentId, body: LiftBody) -> IncidentState:
    """Ends the silence that is in force. The reason stands in the journal of silences."""
    stored = _records(project).find(incident)
    alerts.lift_silence(project.stores.database, stored, actor=actor, reason=body.reason, now=project.wall())
    return _state(stored, _silences(project))


def _records(project: RequestedProject) -> alerts.IncidentRecords:
    return alerts.IncidentRecords(project.stores.database, project.name)


def _silences(project: RequestedProject) -> dict[str, alerts.Silence]:
    return alerts.read_silences(project.stores.database, project.name, now=project.wall())


def _state(incident: alerts.Incident, silences: dict[str, alerts.Silence]) -> IncidentState:
    silence = silences.get(incident.cause)
    return IncidentState(
        **{name: getattr(incident, name) for name in IncidentState.model_fields if name not in ("signals", "silence")},
        signals=[_signal(signal) for signal in incident.signals],
        silence=SilenceState(actor=silence.actor, reason=silence.reason, ends_at=silence.ends_at) if silence else None,
    )


def _entry(silence: alerts.Silence) -> SilenceEntry:
    return SilenceEntry(
        act="lifted" if silence.is_lift else "silenced",
        actor=silence.actor,
        reason=silence.reason,
        created_at=silence.created_at,
        ends_at=silence.ends_at,
    )


def _signal(signal: alerts.IncidentSignal) -> SignalState:
    account = signal.account
    return SignalState(
        signal=signal.signal,
        subject=signal.subject,
        severity=signal.severity,
        is_wrong=signal.cleared_at is None,
        wrong_since=signal.wrong_since,
        value=signal.value,
        happened=account.happened,
        certainty=account.certainty,
        cost=account.cost,
        next_command=account.next_command,
    )
