"""`touchline monitor`: checks of the model in Production."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from touchline import automation, monitoring
from touchline.cli.opening import JsonOption, ProjectOption, open_project
from touchline.cli.output import print_json, print_table
from touchline.cli.processes.alerting import alerts_after

group = typer.Typer(help="Checks of the model in Production.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="monitor")
    for command in (drift, performance, cause, report):
        group.command()(command)


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


def performance(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Evaluate settled predictions of the release in Production.

    Only predictions old enough for 95 % of their outcomes count. An incident is a loss above that of the test window;
    the loss of predictions without an outcome is estimated.

    Example: touchline monitor performance -p football
    """
    opened = open_project(project)
    with alerts_after(opened):
        verdict = automation.check_production_performance(opened.project, opened.stores)
    if as_json:
        print_json(verdict.to_json())
        return
    typer.echo(f"{opened.name}: {verdict.message}")
    for note in verdict.notes:
        typer.echo(f"  {note}")
    if verdict.metrics:
        rows = ([m.name, m.value, m.low, m.high, m.test, m.test_low, m.test_high] for m in verdict.metrics)
        print_table("", ["metric", "live", "low", "high", "test", "test low", "test high"], rows)


def cause(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Explain a risen loss by columns, sources, slices or class shares.

    Example: touchline monitor cause -p football
    """
    opened = open_project(project)
    found = automation.explain_production_loss(opened.project, opened.stores)
    if as_json:
        print_json(found.to_json())
        return
    typer.echo(f"{opened.name}: {found.message}")
    for fact in found.facts:
        typer.echo(f"  {fact}")
    if found.causes:
        rows = ([one.kind, one.name, f"{one.share:.0%}", one.detail] for one in found.causes)
        print_table("", ["kind", "name", "share explained", "detail"], rows)


def report(
    project: ProjectOption = None,
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("monitoring.html"),
    as_json: JsonOption = False,
) -> None:
    """Run every check and write one HTML page with plots, the verdict first.

    Example: touchline monitor report -p football --out football.html
    """
    opened = open_project(project)
    with alerts_after(opened):
        found = automation.report_production(opened.project, opened.stores)
    out.write_text(monitoring.monitoring_page(found).to_html(), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
        return
    typer.echo(f"{opened.name}: {found.sentence}")
    typer.echo(f"The report is in {out}.")
