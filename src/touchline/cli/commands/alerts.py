"""`touchline alerts`: incidents, silences, and the delivery of messages."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchline import alerts, automation, errors
from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, actor, load_sound, open_home, open_project
from touchline.cli.output import print_json, print_table
from touchline.cli.processes import alerting

if TYPE_CHECKING:
    from touchline.alerts import Incident, Silence

group = typer.Typer(help="Incidents of a project, and who is told about them.", no_args_is_help=True)

IncidentArgument = Annotated[str, typer.Argument(help="Id of the incident, or the end of it.", metavar="INCIDENT")]
_SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="alerts")
    group.command("list")(list_incidents)
    group.command("test")(send_test)
    for command in (show, silence, lift, check, deliver, watch):
        group.command()(command)


def list_incidents(
    show_all: Annotated[bool, typer.Option("--all", help="Also the resolved ones and events.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Number of incidents to list.")] = 50,
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the open incidents, newest first.

    Example: touchline alerts list --all -p football
    """
    opened = open_project(project)
    database, now = opened.stores.database, opened.clock.wall()
    records = alerts.IncidentRecords(database, opened.name)
    incidents = records.newest(only_open=not show_all, limit=limit)
    silences = alerts.read_silences(database, opened.name, now=now)
    if as_json:
        print_json([_document(incident, silences.get(incident.cause)) for incident in incidents])
        return
    typer.echo(alerts.incidents_sentence(incidents, automation.read_alert_findings(opened.name, opened.stores)))
    if not show_all and (others := records.count_closed()):
        typer.echo(f"{others} resolved ones and events: touchline alerts list --all -p {opened.name}")
    if not show_all and not incidents:
        return
    rows = (
        [one.id, one.severity, one.status, one.title, one.opened_at, one.resolved_at, _end(silences.get(one.cause))]
        for one in incidents
    )
    columns = ["incident", "severity", "status", "what", "opened", "resolved", "silenced until"]
    print_table(f"incidents of {opened.name}", columns, rows)


def show(incident: IncidentArgument, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Show an incident: its signals, its messages and where each was delivered.

    Example: touchline alerts show 2X5B1NC -p football
    """
    opened = open_project(project)
    database = opened.stores.database
    found = alerts.IncidentRecords(database, opened.name).find(incident)
    silenced = alerts.read_silences(database, opened.name, now=opened.clock.wall()).get(found.cause)
    deliveries = alerts.Outbox(database, opened.name).of_incident(found.id)
    if as_json:
        print_json(
            {
                **_document(found, silenced),
                "deliveries": deliveries,
                "silences": alerts.silence_history(database, found),
            }
        )
        return
    typer.echo(f"{found.id}  {found.severity} {found.status}: {found.title}")
    for one in found.signals:
        state = f"well again since {one.cleared_at:%Y-%m-%d %H:%M}" if one.cleared_at else "wrong"
        typer.echo(f"  {one.signal} {one.subject} ({state}): {one.account.happened}")
        typer.echo(f"    how sure: {one.account.certainty}; cost: {one.account.cost}; next: {one.account.next_command}")
        for fact in one.account.facts:
            typer.echo(f"    upstream: {fact}")
    if silenced:
        typer.echo(f"  silenced now, until {silenced.ends_at:%Y-%m-%d %H:%M} UTC")
    for entry in alerts.silence_history(database, found):
        what = "silence lifted" if entry.is_lift else f"silenced until {entry.ends_at:%Y-%m-%d %H:%M}"
        typer.echo(f"  {entry.created_at:%Y-%m-%d %H:%M} {what} by {entry.actor}: {entry.reason}")
    rows = ([d.created_at, d.kind, d.target, d.status, d.attempts, d.sent_at, d.failure] for d in deliveries)
    print_table("messages", ["written", "kind", "to", "status", "attempts", "sent", "failure"], rows)


def silence(
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why nobody should be told.")],
    *,
    span: Annotated[str, typer.Option("--for", help="How long, such as 30m, 4h or 2d.")] = "",
    until: Annotated[str, typer.Option("--until", help="The end instead (ISO, UTC).")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send no messages about an incident's cause until an end, also if it is resolved and comes back.

    Example: touchline alerts silence 2X5B1NC --for 4h --reason "provider works on it" -p football
    """
    opened = open_project(project)
    database, now = opened.stores.database, opened.clock.wall()
    found = alerts.IncidentRecords(database, opened.name).find(incident)
    made = alerts.silence_incident(
        database, found, actor=actor(), reason=reason, ends_at=_silence_end(found, span, until, now), now=now
    )
    print_json(made) if as_json else typer.echo(f"{found.title}: silenced until {made.ends_at:%Y-%m-%d %H:%M} UTC")


def lift(
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why messages are wanted again.")],
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """End the silence of an incident's cause early. Who lifted it and why stands among its silences.

    Example: touchline alerts lift 2X5B1NC --reason "the provider is back" -p football
    """
    opened = open_project(project)
    database = opened.stores.database
    found = alerts.IncidentRecords(database, opened.name).find(incident)
    lifted = alerts.lift_silence(database, found, actor=actor(), reason=reason, now=opened.clock.wall())
    print_json(lifted) if as_json else typer.echo(f"{found.title}: no longer silenced")


def send_test(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Send a test message to every declared address now. Exit code 1 if one fails.

    Example: touchline alerts test -p football
    """
    opened = open_project(project)
    if opened.project.alerts is None:
        raise errors.TargetNotFound(opened.name)
    now = opened.clock.wall()
    payload = {"type": "test", "timestamp": now.isoformat(), "data": {"project": opened.name}}
    title, text = f"[touchline] {opened.name}: test", "This is a test of the alerts. Nothing is wrong."
    note = alerts.Notice(f"msg_test_{now:%Y%m%d%H%M%S%f}", "test", title, text, False, payload, now)
    results = {
        target: alerts.send_note(channel, note, clock=opened.clock)
        for target, channel in alerting.channels_of(opened).items()
    }
    if as_json:
        print_json({target: {"sent": failure is None, "failure": failure} for target, failure in results.items()})
    else:
        rows = ([target, "failed" if failure else "sent", failure] for target, failure in results.items())
        print_table(f"test of the alerts of {opened.name}", ["to", "result", "failure"], rows)
    if any(results.values()):
        raise typer.Exit(1)


def check(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Check everything that makes incidents once, and deliver the messages.

    For a machine without `touchline up`, whose alerts watch by themselves.

    Example: touchline alerts check -p football
    """
    opened = open_project(project)
    failures = automation.check_alerts(opened.project, opened.stores)
    report = alerting.deliver(opened)
    incidents = alerts.IncidentRecords(opened.stores.database, opened.name).newest(only_open=True)
    if as_json:
        print_json({"open": [one.id for one in incidents], "not_checked": failures, "delivery": report})
        return
    for failure in failures:
        typer.echo(f"note: {failure}", err=True)
    typer.echo(f"{opened.name}: {len(incidents)} open incidents; {_words(report)}")


def deliver(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Try once to deliver the messages that wait and are due.

    Example: touchline alerts deliver -p football
    """
    report = alerting.deliver(open_project(project))
    print_json(report) if as_json else typer.echo(_words(report))


def watch(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to watch; default: all.")] = None,
) -> None:
    """Check and deliver until the process is ended, in the foreground. `touchline up` runs it.

    Example: touchline alerts watch football
    """
    home = open_home()
    loaded, broken = load_sound(home, projects or [])
    for wrong in broken:
        typer.secho(f"not watched until the watch starts again: {wrong}", fg="red", err=True)
    running = alerting.Watch(home, [OpenedProject(home, one) for one in loaded])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop.set())
    running.run()


def _silence_end(incident: Incident, span: str, until: str, now: datetime) -> datetime:
    """The end of a silence. Raises `SilenceInvalid` unless exactly one of the two is given and can be read."""
    step = "Give one end: --for 4h, or --until 2026-01-31T18:00"
    if bool(span) == bool(until):
        raise errors.SilenceInvalid(incident.id, "it has no end" if not span else "it has two ends", step)
    try:
        if span:
            return now + int(span[:-1]) * _SPANS[span[-1]]
        end = datetime.fromisoformat(until)
        return end if end.tzinfo else end.replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError):
        raise errors.SilenceInvalid(incident.id, f"its end {span or until!r} cannot be read", step) from None


def _document(incident: Incident, silenced: Silence | None) -> dict[str, Any]:
    return {**vars(incident), "silence": silenced}


def _end(silenced: Silence | None) -> datetime | None:
    return silenced.ends_at if silenced else None


def _words(report: alerts.DeliveryReport) -> str:
    waiting = f", {report.pending} not answered yet" if report.pending else ""
    return f"{report.sent} messages sent, {report.failed} failed{waiting}"
