"""`touchline init`, `plan` and `clock`: write a declaration, show its changes, advance its clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from touchline import automation
from touchline import project as projects
from touchline.cli.opening import JsonOption, ProjectOption, open_home, open_project
from touchline.cli.output import print_json

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
    """Show what changed in the declaration since the last run.

    Each change is listed with the parts that the next run computes or trains again.

    Example: touchline plan -p football
    """
    opened = open_project(project)
    last_run = automation.PipelineRuns(opened.stores.database, opened.name).last_declaration()
    planned = projects.plan_changes(opened.project, last_run)
    if as_json:
        print_json(planned)
        return
    if not planned.changes:
        typer.echo(f"{planned.project}: nothing changed since the last run")
        return
    typer.echo(f"{planned.project}: {'no run yet, so everything is new' if planned.first_run else 'changes'}")
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for change in planned.changes:
        typer.echo(f"{signs[change.kind]} {change.part}")
        for detail in change.details:
            typer.echo(f"    {detail}")
        for affected in change.affects:
            typer.echo(f"    → {affected}")


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
    to: Annotated[datetime, typer.Argument(help="The new time, UTC: 2009-04-20 or 2009-04-20T18:00:00.")],
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Move the frozen clock of a sample project forward.

    The next ingest reads the results that are known by then.

    Example: touchline clock advance 2009-04-20 -p football
    """
    opened = open_project(project)
    now = projects.advance_clock(opened.project, opened.stores.database, to=to.replace(tzinfo=UTC))
    if as_json:
        print_json({"project": opened.name, "now": now, "frozen": True})
    else:
        typer.echo(f"{opened.name}: project time is now {now:%Y-%m-%d %H:%M} UTC")
        typer.echo(f"Next: touchline ingest -p {opened.name}")
