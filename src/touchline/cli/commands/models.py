"""`touchline models`: the decisions about versions, and their journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from touchline.cli.commands.versions import VersionArgument, add_versions
from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, actor, open_project, pipeline_context
from touchline.cli.output import as_text, print_json, print_table

if TYPE_CHECKING:
    from touchline.registry import Decision, Promoted, Registry

models = typer.Typer(help="Model versions: list, compare, promote, roll back.", no_args_is_help=True)

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")]
TicketOption = Annotated[str | None, typer.Option("--ticket", help="Ticket of the change.")]


def register(app: typer.Typer) -> None:
    app.add_typer(models, name="models")
    add_versions(models)
    for command in (promote, approve, reject, demote, rollback, history):
        models.command()(command)


def promote(
    version: VersionArgument,
    skip_rollout: Annotated[bool, typer.Option("--now", help="Straight to Production; needs --reason.")] = False,
    reason: ReasonOption = "",
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a version one stage up.

    To Staging through the gates, to Production by rollout or --now.

    Exit code 3 when a gate says no.

    Example: touchline models promote 7 -p football
    """
    from touchline.automation import judges_of
    from touchline.registry import promote as move_up
    from touchline.registry import read_version

    opened = open_project(project)
    registry = opened.stores
    found = read_version(registry, opened.project.name, version)
    judges = judges_of(pipeline_context(opened), found)
    done = move_up(registry, opened.project.name, found.version, _decision(reason, ticket, skip_rollout), judges=judges)
    _tell(done, as_json=as_json)


def approve(
    version: VersionArgument,
    reason: ReasonOption = "",
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say yes to a version; an approval gate asks for it.

    Example: touchline models approve 7 --reason "looks right" -p football
    """
    from touchline.registry import approve as act

    _decide(act, version, _decision(reason, ticket), project, as_json=as_json)


def reject(
    version: VersionArgument,
    reason: ReasonOption,
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a version away; it is archived.

    Example: touchline models reject 7 --reason "trained on a broken feed" -p football
    """
    from touchline.registry import reject as act

    _decide(act, version, _decision(reason, ticket), project, as_json=as_json)


def demote(
    version: VersionArgument,
    reason: ReasonOption,
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a version one stage down.

    Example: touchline models demote 7 --reason "to be looked at again" -p football
    """
    from touchline.registry import demote as act

    _decide(act, version, _decision(reason, ticket), project, as_json=as_json)


def rollback(
    reason: ReasonOption = "",
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return to the release that was in Production before.

    Example: touchline models rollback --reason "worse on Sunday's matches" -p football
    """
    from touchline.registry import rollback as return_to_previous

    opened = open_project(project)
    done = return_to_previous(opened.stores, opened.project.name, _decision(reason, ticket))
    _tell(done, as_json=as_json)


def history(
    at: Annotated[str | None, typer.Option("--at", help="What was live at this instant (ISO, UTC).")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every stage change, or what stood where at an instant.

    Example: touchline models history --at 2009-04-18T12:00 -p football
    """
    from touchline.cli.instants import parse_instant

    opened = open_project(project)
    journal = opened.stores.journal
    if at is not None:
        state = journal.at(opened.project.name, parse_instant(at))
        if as_json:
            print_json(
                {"at": at, "production": state.production, "staging": state.staging, "rollback": state.rollback}
                | {"stages": state.stages, "releases": state.releases}
            )
        else:
            typer.echo(
                f"{opened.project.name} at {at}: Production {as_text(state.production)}, "
                f"Staging {as_text(state.staging)}, rollback {as_text(state.rollback)}"
            )
        return
    changes = journal.history(opened.project.name)
    if as_json:
        print_json(changes)
        return
    rows = (
        [c.sequence, c.at, c.version, f"{c.from_stage} → {c.to_stage}", c.actor, c.reason, c.ticket] for c in changes
    )
    print_table(f"journal of {opened.project.name}", ["no.", "at", "version", "change", "by", "why", "ticket"], rows)


def _decision(reason: str, ticket: str | None, skip_rollout: bool = False) -> Decision:
    from touchline.registry import Decision

    return Decision(actor(), reason, ticket, skip_rollout)


def _decide(
    act: Callable[[Registry, str, str, Decision], Promoted],
    version: str,
    decision: Decision,
    project: str | None,
    *,
    as_json: bool,
) -> None:

    opened: OpenedProject = open_project(project)
    _tell(act(opened.stores, opened.project.name, version, decision), as_json=as_json)


def _tell(done: Promoted, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for gate in done.report.results if done.report else ():
        typer.echo(f"  gate: {gate.message}")
    for change in done.changes:
        typer.echo(f"version {change.version}: {change.from_stage} → {change.to_stage}  ({change.reason})")
    if not done.changes:
        typer.echo(f"version {done.version.version} already is in {done.version.stage}; nothing changed")
    if done.unmirrored:
        typer.echo(f"note: MLflow shows this later: {done.unmirrored}")
