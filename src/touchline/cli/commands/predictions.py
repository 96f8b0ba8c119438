"""`touchline predictions`: how long the prediction log keeps its rows, and where they go."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from touchline.cli.opening import JsonOption, ProjectOption, open_project
from touchline.cli.output import print_json

predictions = typer.Typer(help="The prediction log: export it, keep it small.", no_args_is_help=True)

SinceOption = Annotated[str | None, typer.Option("--since", help="Answered at this instant or later (ISO, UTC).")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Answered before this instant; default: now.")]
DaysOption = Annotated[float, typer.Option("--keep-days", min=0, help="How many days stay in the database.")]


def register(app: typer.Typer) -> None:
    app.add_typer(predictions, name="predictions")
    predictions.command()(export)
    predictions.command()(prune)


def export(
    since: SinceOption = None, until: UntilOption = None, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Copy logged predictions to Parquet, by month.

    Example: touchline predictions export --since 2009-04-01 -p football
    """
    from touchline.cli.instants import parse_instant
    from touchline.predictions import export_predictions

    opened = open_project(project)
    home = opened.home
    found = export_predictions(
        home.database,
        home.objects,
        opened.project.name,
        since=parse_instant(since) if since else None,
        until=parse_instant(until) if until else opened.clock.wall(),
    )
    if as_json:
        print_json(found)
        return
    typer.echo(f"{opened.project.name}: {found.rows:,} predictions in {len(found.object_keys)} files")
    for key in found.object_keys:
        typer.echo(f"  {key}")


def prune(keep_days: DaysOption, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Move old predictions to Parquet; outcomes stay.

    Example: touchline predictions prune --keep-days 90 -p football
    """
    from touchline.predictions import prune_predictions

    opened = open_project(project)
    home = opened.home
    done = prune_predictions(
        home.database, home.objects, opened.project.name, keep=timedelta(days=keep_days), now=opened.clock.wall()
    )
    if as_json:
        print_json(done)
    else:
        files = len(done.exported.object_keys)
        typer.echo(f"{opened.project.name}: {done.deleted:,} predictions moved to Parquet in {files} files")
