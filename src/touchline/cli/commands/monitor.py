"""`touchline monitor`: checks of the model in Production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from touchline import automation, monitoring
from touchline.cli.commands.promote import print_promotion
from touchline.cli.opening import JsonOption, ProjectOption, actor, open_project, pipeline_context
from touchline.cli.output import print_json, print_table, require_folder
from touchline.cli.processes.alerting import alerts_after
from touchline.contracts.instants import parse_instant_or_day

group = typer.Typer(help="Checks of the model in Production.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="monitor")
    for command in (drift, performance, cause, recalibrate, report):
        group.command()(command)


@group.callback()
def checks() -> None:
    """Checks of the model in Production."""


def drift(
    evidently: Annotated[
        Path | None, typer.Option("--evidently", help="Also write the same windows as a page of Evidently, FILE.html.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the release in Production for drift.

    Compares the inputs and outputs of its logged predictions with those of the test rows of its training, and says
    which rows, which window and which reference each number is of. A page of Evidently needs touchline[evidently], and
    its verdicts are its own.

    Example: touchline monitor drift -p football
    """
    opened = open_project(project)
    if evidently is not None:
        require_folder(evidently)
    with alerts_after(opened):
        verdict = automation.check_production_drift(opened.project, opened.stores)
    if evidently is not None:
        page = automation.production_drift_in_evidently(opened.project, opened.stores, verdict)
        evidently.write_text(page, encoding="utf-8")
    if as_json:
        print_json(verdict.to_json())
        return
    typer.echo(f"{opened.name}: {verdict.message}")
    rows = ([c.name, c.p_adjusted, c.psi, c.distance, c.streak, c.drifted] for c in verdict.columns)
    if verdict.columns:
        print_table("", ["column", "p (adjusted)", "PSI", "Wasserstein", "windows", "drifted"], rows)
    for line in monitoring.explain_verdict(verdict, opened.project.monitoring.drift):
        typer.echo(f"  {line}")


def performance(
    slice: Annotated[
        str | None, typer.Option("--slice", metavar="FIELD=VALUE", help="Show the figures of one slice alone.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate settled predictions of the release in Production.

    Only predictions old enough for 95 % of their outcomes count. An incident is a loss above that of the test window;
    the loss of predictions without an outcome is estimated. A slice is the rows of one value of a field that
    Performance(slices=[...]) names, or of a category column where it names none.

    Example: touchline monitor performance -p football
    """
    opened = open_project(project)
    with alerts_after(opened):
        verdict = automation.check_production_performance(opened.project, opened.stores)
    if slice is not None:
        _print_slice(opened.name, verdict.slices.find(slice), as_json=as_json)
        return
    if as_json:
        print_json(verdict.to_json())
        return
    findings = automation.read_production_findings(opened.name, opened.stores)
    typer.echo(" ".join([f"{opened.name}: {verdict.message}", *findings]))
    for note in verdict.notes:
        typer.echo(f"  {note}")
    for fact in verdict.facts:
        typer.echo(f"  upstream: {fact}")
    if verdict.metrics:
        _print_metrics(verdict.metrics)
    _print_slices(verdict.slices)
    if len(verdict.variants) > 1:
        losses = (
            [
                one.version,
                one.variant,
                one.role,
                one.rows,
                one.loss.value if one.loss else None,
                one.estimate.value if one.estimate else None,
            ]
            for one in verdict.variants
        )
        print_table("", ["version", "variant", "role", "rows", verdict.score, "estimated"], losses)


def _print_metrics(metrics: Sequence[monitoring.LiveMetric]) -> None:
    rows = ([m.name, m.value, m.low, m.high, m.test, m.test_low, m.test_high] for m in metrics)
    print_table("", ["metric", "live", "low", "high", "test", "test low", "test high"], rows)


def _print_slices(report: monitoring.LiveSlices) -> None:
    typer.echo(report.message)
    heads = ["slice", "rows", "with outcome", "loss", "low", "high", "test", "p (corrected)", "worse"]
    rows = (
        [one.label, one.rows, None if one.coverage is None else f"{one.coverage:.0%}"]
        + ([one.loss.value, one.loss.low, one.loss.high, one.loss.test] if one.loss else [None] * 4)
        + [one.p_value, one.is_worse if one.p_value is not None else None]
        for one in report.slices
    )
    if report.slices:
        print_table("", heads, rows)


def _print_slice(project: str, one: monitoring.SlicePerformance, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(one), "coverage": one.coverage, "is_worse": one.is_worse})
        return
    typer.echo(f"{project}: {one.message}")
    if one.metrics:
        _print_metrics(one.metrics)
    if one.calibration:
        rows = ([each.output, each.predicted, each.observed, each.low, each.high] for each in one.calibration)
        print_table("", ["output", "predicted", "observed", "low", "high"], rows)
    if one.trend:
        print_table("", ["day", "rows", "loss"], ([each.day, each.rows, each.loss] for each in one.trend))


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
        typer.echo(f"  upstream: {fact}")
    if found.causes:
        rows = ([one.kind, one.name, f"{one.share:.0%}", one.detail] for one in found.causes)
        print_table("", ["kind", "name", "explains by itself", "detail"], rows)


def recalibrate(
    since: Annotated[
        str | None, typer.Option("--since", help="First day of the new class shares; default: the onset of the loss.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Register the new version and promote it; needs --reason.")] = (
        False
    ),
    reason: Annotated[str, typer.Option("--reason", help="Reason, for the journal.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recalibrate Production for new class shares.

    Without --apply it shows the shares that explain the newest predictions, and changes nothing. With --apply the same
    model under these shares becomes a version of its own; it passes the gates and goes live as a refresh does.

    Exit code 3 when a gate refuses the version.

    Example: touchline monitor recalibrate -p football --apply --reason "fewer home wins without spectators"
    """
    opened = open_project(project)
    first = None if since is None else parse_instant_or_day(since).date()
    if not apply:
        shift = automation.find_production_shift(opened.project, opened.stores, since=first)
        print_json(shift.to_json()) if as_json else _print_shift(opened.name, shift)
        return
    with alerts_after(opened):
        done = automation.recalibrate_production(pipeline_context(opened), actor=actor(), reason=reason, since=first)
    if not as_json:
        typer.echo(f"{opened.name}: {done.shift.message}")
    print_promotion(done.promotion, as_json=as_json)
    if done.message:
        typer.echo(done.message, err=True)


def _print_shift(name: str, shift: monitoring.ShareShift) -> None:
    typer.echo(f"{name}: {shift.message}")
    if shift.refusal is not None:
        typer.echo(f"Recalibrating would be refused: {shift.refusal}.")
        return
    typer.echo(f"To do it: touchline monitor recalibrate -p {name} --since {shift.since_on} --apply --reason '...'")


def report(
    project: ProjectOption = None,
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("monitoring.html"),
    as_json: JsonOption = False,
) -> None:
    """Run every check and write one HTML page with plots, the verdict first.

    Example: touchline monitor report -p football --out football.html
    """
    opened = open_project(project)
    require_folder(out)
    with alerts_after(opened):
        found = automation.report_production(opened.project, opened.stores)
    out.write_text(monitoring.monitoring_page(found).to_html(), encoding="utf-8")
    if as_json:
        print_json(found.to_json())
        return
    typer.echo(f"{opened.name}: {found.sentence}")
    typer.echo(f"The report is in {out}.")
