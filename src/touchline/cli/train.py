"""`touchline train` and `runs`: learning, and comparing what was learned."""

from __future__ import annotations

from typing import Annotated

import typer

from touchline.cli.door import JsonOption, ProjectOption, open_project
from touchline.cli.output import progress

runs = typer.Typer(help="Trainings as MLflow keeps them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    is_forced: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the candidates on what is ingested, record the best as a version, and judge it by the gates.

    Ingests first, so that the newest data counts. Exit code 3 when a gate says no.

    Example: touchline train -p football
    """
    from touchline.cli.operate import print_run
    from touchline.cli.work import prepare

    door = open_project(project)
    with progress(door.project.name, quiet=as_json) as say:
        report = prepare(door, trigger="train", say=say, is_forced=is_forced)
    print_run(report, as_json=as_json)
