"""`touchline serve`: run the API in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from touchline.cli.opening import open_home, project_folders


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to serve; default: all.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: TOUCHLINE_HOST.")] = None,
    *,
    port: Annotated[int | None, typer.Option(help="Port; default: TOUCHLINE_PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; default: TOUCHLINE_API_WORKERS.")
    ] = None,
    only_serving: Annotated[
        bool, typer.Option("--only-serving", help="Only the prediction routes, without /api: a stateless replica.")
    ] = False,
) -> None:
    """Run the API in the foreground.

    Several workers share the port. A promotion reaches all of them.

    Example: touchline serve football --port 8000 --workers 2
    """
    from touchline.cli.processes.ports import require_free
    from touchline.cli.processes.server import run_api

    home = open_home()
    folders = project_folders(home, projects or [])
    settings = home.settings
    address, number = host or settings.host, port or settings.port
    require_free(address, number, setting="TOUCHLINE_PORT")
    count = workers or settings.api_workers
    run_api(home, folders, host=address, port=number, workers=count, only_serving=only_serving)
