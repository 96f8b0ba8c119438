"""`touchline serve`, `predict` and `outcomes`: answers, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from touchline.cli.opening import JsonOption, ProjectOption, open_home, open_project
from touchline.cli.output import print_json, print_table, progress


def register(app: typer.Typer) -> None:
    for command in (serve, predict, outcomes):
        app.command()(command)


def serve(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to serve; default: all.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; default TOUCHLINE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default TOUCHLINE_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default TOUCHLINE_API_WORKERS.")] = None,
    only_serving: Annotated[
        bool, typer.Option("--only-serving", help="Without /api: a stateless replica behind an ingress.")
    ] = False,
) -> None:
    """Run the API in the foreground.

    Several workers share the port; a promotion reaches all of them.

    Example: touchline serve football --port 8000 --workers 2
    """
    from touchline.cli.processes.ports import require_free
    from touchline.cli.processes.server import run_api
    from touchline.errors import ProjectNotFound
    from touchline.project import find_projects

    home = open_home()
    folders = find_projects(projects or list(home.settings.projects), base=home.base)
    if not folders:
        raise ProjectNotFound("any project", home.base, [])
    settings = home.settings
    address, number = host or settings.host, port or settings.port
    require_free(address, number, setting="TOUCHLINE_PORT")
    count = workers or settings.api_workers
    run_api(home, folders, host=address, port=number, workers=count, only_serving=only_serving)


def predict(
    fields: Annotated[list[str] | None, typer.Argument(help="name=value of the request, as many as it needs.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV or Parquet of requests; many at once.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Where --file's answers go; .csv or .parquet.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running server, or score a file in bulk.

    A file is scored by the release in Production.

    A row of --file that does not fit has no answer and says why in its column "problem". Answers to a file are not
    logged; to have them logged, send the rows to the server as a job (POST /predict/jobs).

    Example: touchline predict -p football home_team="Schalke 04" away_team="Energie Cottbus"
    """
    from touchline.cli.predict_client import answer_file, answer_one

    opened = open_project(project)
    if file is not None:
        with progress("predict", quiet=as_json) as say:
            written = answer_file(opened, file, to, say)
        if as_json:
            print_json(written)
        else:
            refused = f", {written['refused']:,} of them refused" if written["refused"] else ""
            typer.echo(f"wrote {written['rows']:,} rows{refused}, to {written['file']}")
        return
    answer = answer_one(opened, fields or [])
    if as_json:
        print_json(answer)
        return
    output: dict[str, Any] = answer.get("probabilities") or {"value": answer.get("value")}
    said = "  ".join(f"{name} {value:.4f}" for name, value in output.items())
    typer.echo(f"{said}   prediction {answer['prediction_id']}   release {answer['release']}")


def outcomes(
    limit: Annotated[int, typer.Option(min=1, help="Newest predictions shown.")] = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was predicted and what happened, newest first.

    Example: touchline outcomes -p football
    """
    from touchline.predictions import read_settled

    opened = open_project(project)
    found = read_settled(opened.stores.database, opened.project.name, limit=limit)
    if as_json:
        print_json(found)
        return
    order = opened.project.task.entity_columns
    columns = ["example", "asked", "predicted", "happened", "known", "prediction"]
    rows = (
        [
            one.example_id,
            " – ".join(one.entity_keys[name] for name in order if name in one.entity_keys),
            one.said,
            one.label,
            one.label_timestamp,
            one.prediction_id,
        ]
        for one in found
    )
    print_table(f"predictions of {opened.project.name}", columns, rows)
