"""`touchline init`, `plan` and `clock`: the declaration itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from touchline.cli.opening import JsonOption, ProjectOption, open_home, open_project
from touchline.cli.output import print_json

clock = typer.Typer(help="Project time, and how to advance it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(plan)
    app.add_typer(clock, name="clock")


def init(
    name: Annotated[str, typer.Argument(help="Name of the new project; its folder is projects/NAME.")],
    data: Annotated[Path, typer.Option("--from", help="The CSV or Parquet file to start from.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    as_json: JsonOption = False,
) -> None:
    """Write a working project from a table alone.

    Types, nulls, ranges, the key, the time column, categories and suspected leakage are inferred; the
    file is ordinary code to edit.

    Example: touchline init churn --from customers.csv --target churned
    """
    from touchline.project import write_project

    home = open_home()
    written = write_project(name, data=data, target=target, base=home.base)
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
    """Show what the declaration would change, before anything runs.

    Example: touchline plan -p football
    """
    from touchline.automation import last_declaration
    from touchline.project import plan_changes

    opened = open_project(project)
    found = plan_changes(opened.project, last_declaration(opened.stores.database, opened.project.name))
    if as_json:
        print_json(found)
        return
    if not found.changes:
        typer.echo(f"{found.project}: nothing changed since the last run")
        return
    typer.echo(f"{found.project}: never run here; all of it is new" if found.first_run else f"{found.project}: changes")
    signs = {"added": "+", "removed": "-", "changed": "~"}
    for change in found.changes:
        typer.echo(f"{signs[change.kind]} {change.part}")
        for detail in change.details:
            typer.echo(f"    {detail}")
        for affected in change.affects:
            typer.echo(f"    → {affected}")


@clock.command("show")
def show_clock(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show project time and whether it stands still.

    Example: touchline clock show -p football
    """
    opened = open_project(project)
    now, frozen = opened.clock.now(), opened.project.frozen_at() is not None
    if as_json:
        print_json({"project": opened.project.name, "now": now, "frozen": frozen})
    else:
        typer.echo(f"{opened.project.name}: {now:%Y-%m-%d %H:%M:%S} UTC{' (frozen)' if frozen else ''}")


@clock.command("advance")
def advance(
    to: Annotated[datetime, typer.Argument(help="The new instant, UTC: 2009-04-20 or 2009-04-20T18:00:00.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a sample's clock forward.

    Results known by then arrive with the next ingest.

    Example: touchline clock advance 2009-04-20 -p football
    """
    from touchline.project import advance_clock

    opened = open_project(project)
    reached = advance_clock(opened.project, opened.stores.database, to=to.replace(tzinfo=UTC))
    if as_json:
        print_json({"project": opened.project.name, "now": reached, "frozen": True})
    else:
        typer.echo(f"{opened.project.name}: the clock now stands at {reached:%Y-%m-%d %H:%M} UTC")
        typer.echo(f"Next: touchline ingest -p {opened.project.name}")
