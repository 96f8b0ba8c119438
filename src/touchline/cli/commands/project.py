"""`touchline init`, `plan` and `clock`: write a declaration, show its changes, advance its clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from touchline import automation
from touchline import project as projects
from touchline.cli.opening import JsonOption, ProjectOption, open_home, open_project, pipeline_context
from touchline.cli.output import print_json
from touchline.contracts.instants import parse_instant_or_day

if TYPE_CHECKING:
    from touchline.automation import RunPlan
    from touchline.project import Plan

clock = typer.Typer(help="Project time: show it, advance it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(plan)
    app.add_typer(clock, name="clock")


def init(
    name: Annotated[str, typer.Argument(help="Name of the new project; its folder is projects/NAME.")],
    data: Annotated[Path, typer.Option("--from", help="CSV or Parquet file with the data.")],
    *,
    target: Annotated[str, typer.Option(help="Column to predict.")],
    task: Annotated[
        Literal["classification", "regression"] | None, typer.Option(help="Kind of task, where it is not as inferred.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a working project from one table.

    Types, nulls, ranges, the key, the time column, categories and suspected leakage are inferred. The
    file is ordinary code that you can edit.

    Example: touchline init churn --from customers.csv --target churned
    """
    written = projects.write_project(name, data=data, target=target, base=open_home().base, task=task)
    if as_json:
        print_json(written)
        return
    typer.echo(
        f"Wrote {written.file}: {written.rows} rows, {written.columns} columns, target {target!r} ({written.task})"
    )
    for note in written.notes:
        typer.echo(f"  note: {note}")
    typer.echo(f"Next: touchline plan -p {name}; touchline train -p {name}")


def plan(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show what the next run would do, without doing it.

    The declaration is run on no rows, so that a wrong name is found before anything is trained, and the columns of the
    source files (of other sources: of the last snapshot) are compared with the contracts. Each change since the
    last training is listed with the parts that are computed or trained again, then the columns that the model gains
    or loses, and what Production does meanwhile. Exit code 1 when the
    declaration has mistakes, or when the next ingest would be refused.

    Example: touchline plan -p football
    """
    opened = open_project(project)
    planned = automation.plan_run(pipeline_context(opened))
    if as_json:
        print_json({**vars(planned), **vars(planned.changes)})
    else:
        _print_changes(planned.changes)
        _print_model(planned)
    if planned.mistakes:
        raise typer.Exit(1)


def _print_changes(planned: Plan) -> None:
    if not planned.changes:
        typer.echo(f"{planned.project}: nothing changed since the last training")
        return
    news = "nothing was trained here yet, so everything is new" if planned.first_run else "changes"
    typer.echo(f"{planned.project}: {news}")
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for change in planned.changes:
        typer.echo(f"{signs[change.kind]} {change.part}")
        for detail in change.details:
            typer.echo(f"    {detail}")
        for affected in change.affects:
            typer.echo(f"    → {affected}")


def _print_model(planned: RunPlan) -> None:
    if planned.columns is not None:
        typer.echo(f"model: {len(planned.columns)} columns")
    for sign, names in (("+", planned.added), ("-", planned.removed)):
        if names:
            typer.echo(f"    {sign} {', '.join(names)} (beside version {planned.production} in Production)")
    for note in planned.sources:
        typer.echo(f"source: {note}")
    for sentence in planned.meanwhile:
        typer.echo(f"meanwhile: {sentence}")
    for mistake in planned.mistakes:
        typer.echo(f"wrong: {mistake}", err=True)


@clock.command("show")
def show_clock(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show project time, and if it is frozen.

    Example: touchline clock show -p football
    """
    opened = open_project(project)
    now, is_frozen = opened.clock.now(), opened.project.frozen_at() is not None
    if as_json:
        print_json({"project": opened.name, "now": now, "frozen": is_frozen})
    else:
        typer.echo(f"{opened.name}: {now:%Y-%m-%d %H:%M:%S} UTC{' (frozen)' if is_frozen else ''}")


@clock.command("advance")
def advance(
    to: Annotated[str, typer.Argument(help="The new time: 2009-04-20 or 2009-04-20T18:00, in UTC or with a zone.")],
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Move the frozen clock of a sample project forward.

    The next ingest reads the results that are known by then.

    Example: touchline clock advance 2009-04-20 -p football
    """
    opened = open_project(project)
    now = projects.advance_clock(opened.project, opened.stores.database, to=parse_instant_or_day(to))
    if as_json:
        print_json({"project": opened.name, "now": now, "frozen": True})
    else:
        typer.echo(f"{opened.name}: project time is now {now:%Y-%m-%d %H:%M} UTC")
        typer.echo(f"Next: touchline ingest -p {opened.name}")
