"""`touchline up`, `stop`, `logs`, `mlflow`, `migrate` and `doctor`: the processes and state of a home."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation
from touchline.cli.opening import JsonOption, OpenedProject, actor, load_all, open_home, pipeline_context
from touchline.cli.output import print_json, print_table, progress
from touchline.cli.processes import supervisor
from touchline.cli.processes.alerting import alerts_after
from touchline.cli.processes.moving import move_home
from touchline.cli.processes.ports import require_free
from touchline.cli.processes.scheduling import ended_in_order
from touchline.cli.processes.up import bring_up, mlflow_process, required_processes
from touchline.cli.summary import print_summary, summarize
from touchline.errors import without_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from touchline.cli.opening import Home
    from touchline.project import LoadedProject


def register(app: typer.Typer) -> None:
    for command in (up, stop, logs, mlflow, migrate, doctor):
        app.command()(command)


def up(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to serve; default: all.")] = None,
    *,
    train: Annotated[bool, typer.Option("--train", help="Ingest and train every project first.")] = False,
    systemd: Annotated[
        Path | None, typer.Option(help="Write units of systemd and a Caddyfile into this folder, and start nothing.")
    ] = None,
    domain: Annotated[
        str, typer.Option(help="Name of the server in the Caddyfile of --systemd.")
    ] = "touchline.example",
    as_json: JsonOption = False,
) -> None:
    """Run the API and MLflow in the background.

    A project with nothing in Production is ingested, trained and promoted first. Any other project is served as it
    is, whatever has changed in its declaration: train it with `touchline train`, or all projects with --train. A
    project whose version a gate refuses has nothing in Production; the others are served.

    With --systemd, files that let systemd run the same processes are written instead, with a Caddyfile for TLS.

    Example: touchline up football leads
    """
    home = open_home()
    loaded = load_all(home, projects or [])
    if systemd is not None:
        _write_units(home, loaded, systemd, domain)
        return
    opened = [OpenedProject(home, one) for one in loaded]
    refusals = []
    for one in opened:
        if train or not _has_production(one):
            with progress(one.name) as on_progress:
                context = pipeline_context(one, on_progress)
                with alerts_after(one), ended_in_order():
                    report = automation.run_pipeline(context, trigger="up", actor=actor())
            refusals += [report.refusal] if report.refusal else []
    answering = [one.name for one in opened if _has_production(one)]
    with progress("processes") as on_progress:
        bring_up(home, loaded, answering=answering, on_progress=on_progress)
    summary = summarize(home, opened)
    print_json(summary) if as_json else print_summary(summary)
    for refusal in refusals:
        typer.echo(str(refusal), err=True)


def _write_units(home: Home, loaded: Sequence[LoadedProject], folder: Path, domain: str) -> None:
    from touchline.cli.processes.systemd_units import Installation, caddyfile, unit_files

    environment_file = Path("/etc/touchline/environment")
    installation = Installation(actor(), home.base.absolute(), home.settings.home.absolute(), environment_file)
    files = unit_files(required_processes(home, loaded), installation)
    files["Caddyfile"] = caddyfile(domain, port=home.settings.port)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
        typer.echo(folder / name)
    if (temporary := installation.temporary) is not None:
        typer.echo(
            f"warning: {temporary} is a temporary folder, which a restart of the machine may empty; the units have "
            "PrivateTmp=no, as they could not see it otherwise. Choose another folder (TOUCHLINE_HOME).",
            err=True,
        )
    _print_next(folder, environment_file)


def _print_next(folder: Path, environment_file: Path) -> None:
    typer.echo("Next: touchline keys make scheduler --role operator")
    typer.echo("      a server without a key refuses what the proxy sends it; the key is printed once")
    typer.echo(f"      into {environment_file}, mode 0600: TOUCHLINE_API_KEY=KEY, passwords and addresses of stores")
    typer.echo(
        f"      sudo cp {folder}/touchline* /etc/systemd/system/ && sudo systemctl enable --now touchline.target"
    )
    typer.echo(f"      sudo cp {folder}/Caddyfile /etc/caddy/Caddyfile && sudo systemctl reload caddy")
    typer.echo("      a key for each client: touchline keys make NAME --role scorer")


def _has_production(opened: OpenedProject) -> bool:
    return opened.stores.journal.state(opened.name).production is not None


def stop(as_json: JsonOption = False) -> None:
    """End the processes that `touchline up` started.

    Example: touchline stop
    """
    home = open_home()
    is_stopped = supervisor.stop(home.settings.home)
    if as_json:
        print_json({"stopped": is_stopped})
    else:
        typer.echo("touchline is stopped" if is_stopped else f"nothing runs for {home.settings.home}")


def logs(
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Keep printing new lines.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="Number of the newest lines of each log to print first.")] = 20,
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


def mlflow() -> None:
    """Run only the MLflow UI, in the foreground.

    Example: touchline mlflow
    """
    home = open_home()
    require_free(home.settings.host, home.settings.mlflow_port, setting="TOUCHLINE_MLFLOW_PORT")
    process = mlflow_process(home)
    os.execvpe(process.command[0], process.command, {**os.environ, **process.environment})


def migrate(
    to: Annotated[str | None, typer.Option("--to", help="Move the rows into this empty PostgreSQL database.")] = None,
    objects_to: Annotated[
        str | None, typer.Option("--objects-to", help="Move the objects into this empty bucket or folder.")
    ] = None,
    redis_to: Annotated[str | None, typer.Option("--redis-to", help="Fill this Redis with the online values.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Update the metadata database to this version's schema, or move the home to servers.

    With --to, --objects-to or --redis-to the state is copied from the present stores to these; each table and
    object is counted and hashed on both sides. End the processes first (`touchline stop`). The old stores stay as
    they are; the last lines are the settings to go on with. Run again, it goes on where an earlier try ended.

    Example: touchline migrate --to postgresql://touchline@db/touchline --objects-to s3://models/touchline
    """
    home = open_home()
    targets = {"database_url": to, "objects_url": objects_to, "redis_url": redis_to}
    if not any(targets.values()):
        home.database.migrate()
        if as_json:
            print_json({"database": without_passwords(home.settings.database), "migrated": True})
        else:
            typer.echo("the metadata database has the schema of this version")
        return
    with progress("migrate", quiet=as_json) as on_progress:
        moved = move_home(home, {name: address for name, address in targets.items() if address}, on_progress)
    if as_json:
        print_json(moved)
        return
    for line in moved.lines:
        typer.echo(line)


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what can be rebuilt.")] = False,
    *,
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Check this project only; default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation, and whether the stored state is what was written.

    Python, the home, the databases, the projects, the ports; and of each project the snapshots, feature histories,
    online values and releases, by their digests. With --repair, histories are computed again from snapshots, online
    values from histories, releases from the files of their runs, and damaged snapshots are read again from their
    sources. The rest must come from a backup. Exit code 1 when something is wrong.

    Example: touchline doctor --repair
    """
    from touchline.cli.processes.doctor import examine

    findings = examine(open_home(), [project] if project else [], repairs=repair)
    if as_json:
        print_json(findings)
    else:
        print_table("touchline doctor", ["", "what", "found"], ([f.mark, f.what, f.actual] for f in findings))
    if any(finding.mark == "wrong" for finding in findings):
        raise typer.Exit(1)


def _print_end(file: Path, lines: int) -> int:
    text = file.read_text(errors="replace")
    for line in text.splitlines()[-lines:] if lines else []:
        typer.echo(f"{file.stem:>10} | {line}")
    return file.stat().st_size


def _print_new(file: Path, position: int) -> int:
    if file.stat().st_size < position:  # the file was started again
        position = 0
    with file.open("rb") as handle:
        handle.seek(position)
        text = handle.read()
    for line in text.decode(errors="replace").splitlines():
        typer.echo(f"{file.stem:>10} | {line}")
    return position + len(text)
