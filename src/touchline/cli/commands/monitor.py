"""`touchline monitor`: checks of the model in Production."""

from __future__ import annotations

import typer

from touchline import automation, monitoring
from touchline.cli.opening import JsonOption, ProjectOption, open_project
from touchline.cli.output import print_json, print_table
from touchline.cli.processes.alerting import alerts_after

group = typer.Typer(help="Checks of the model in Production.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="monitor")
    group.command()(drift)


@group.callback()
def checks() -> None:
    """Checks of the model in Production."""


def drift(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Check the release in Production for drift.

    Compares the inputs and outputs of its logged predictions with those of the test rows of its training, and says
    which rows, which window and which reference each number is of.

    Example: touchline monitor drift -p football
    """
    opened = open_project(project)
    with alerts_after(opened):
        verdict = automation.check_production_drift(opened.project, opened.stores)
    if as_json:
        print_json(verdict.to_json())
        return
    typer.echo(f"{opened.name}: {verdict.message}")
    rows = ([c.name, c.p_adjusted, c.psi, c.distance, c.streak, c.drifted] for c in verdict.columns)
    if verdict.columns:
        print_table("", ["column", "p (adjusted)", "PSI", "Wasserstein", "windows", "drifted"], rows)
    for line in monitoring.explain_verdict(verdict, opened.project.monitoring.drift):
        typer.echo(f"  {line}")
