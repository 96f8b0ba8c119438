"""`touchline up`, `stop`, `logs`, `mlflow`, `migrate` and `doctor`: the processes and the home."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from touchline.cli.opening import JsonOption, OpenedProject, actor, load_all, open_home, pipeline_context
from touchline.cli.output import print_json, print_table, progress


def register(app: typer.Typer) -> None:
    for command in (up, stop, logs, mlflow, migrate, doctor):
        app.command()(command)


def up(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to serve; default: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start everything: prepare projects, keep the API running.

    Every project goes from ingest to promotion; API and MLflow then run in the background.

    What is unchanged since the last time is used again.

    Example: touchline up football leads
    """
    from touchline.automation import run_pipeline
    from touchline.cli.processes.up import bring_up
    from touchline.cli.summary import describe, print_summary

    home = open_home()
    loaded = load_all(home, projects or [])
    for one in loaded:
        with progress(one.name) as say:
            run_pipeline(pipeline_context(OpenedProject(home, one), say), trigger="up", actor=actor())
    with progress("processes") as say:
        bring_up(home, loaded, say)
    summary = describe(home, loaded)
    print_json(summary) if as_json else print_summary(summary)


def stop(as_json: JsonOption = False) -> None:
    """End the processes that `touchline up` keeps running.

    Example: touchline stop
    """
    from touchline.cli.processes import supervisor

    home = open_home()
    ended = supervisor.stop(home.settings.home)
    if as_json:
        print_json({"stopped": ended})
    else:
        typer.echo("touchline is stopped" if ended else f"nothing runs for {home.settings.home}")


def logs(
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Keep printing new lines.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="Lines of each log to begin with.")] = 20,
) -> None:
    """Print the logs of the running processes.

    Example: touchline logs --follow
    """
    files = sorted((open_home().settings.home / "logs").glob("*.log"))
    if not files:
        typer.echo("no logs yet; start with: touchline up")
        return
    ends = {file: _print_end(file, lines) for file in files}
    while follow:
        for file in files:
            ends[file] = _print_new(file, ends[file])
        time.sleep(0.3)


def _print_end(file: Path, lines: int) -> int:
    text = file.read_text(errors="replace")
    for line in text.splitlines()[-lines:] if lines else []:
        typer.echo(f"{file.stem:>10} | {line}")
    return file.stat().st_size


def _print_new(file: Path, position: int) -> int:
    if file.stat().st_size < position:  # it was started anew
        position = 0
    with file.open("rb") as handle:
        handle.seek(position)
        text = handle.read()
    for line in text.decode(errors="replace").splitlines():
        typer.echo(f"{file.stem:>10} | {line}")
    return position + len(text)


def mlflow() -> None:
    """Run the MLflow UI alone, in the foreground.

    Example: touchline mlflow
    """
    import os

    from touchline.cli.processes.ports import require_free
    from touchline.cli.processes.up import mlflow_process

    home = open_home()
    require_free(home.settings.host, home.settings.mlflow_port, setting="TOUCHLINE_MLFLOW_PORT")
    process = mlflow_process(home)
    os.execvpe(process.command[0], process.command, {**os.environ, **process.environment})


def migrate(as_json: JsonOption = False) -> None:
    """Bring the metadata database to this version's schema.

    Example: touchline migrate
    """
    home = open_home()
    home.database.migrate()
    if as_json:
        print_json({"database": home.settings.database.split("@")[-1], "migrated": True})
    else:
        typer.echo("the metadata database is at this version's schema")


def doctor(as_json: JsonOption = False) -> None:
    """Check this installation and say what is wrong.

    Python, the home, the database, the projects, the ports.

    Example: touchline doctor
    """
    from touchline.cli.processes.doctor import examine

    findings = examine(open_home())
    if as_json:
        print_json(findings)
    else:
        print_table("touchline doctor", ["", "what", "found"], ([f.mark, f.what, f.found] for f in findings))
    if any(finding.mark == "wrong" for finding in findings):
        raise typer.Exit(1)
