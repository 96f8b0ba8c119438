"""`touchline retrain`, `monitor`, `trace` and `replay`: after a model is live."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchline.cli.opening import JsonOption, ProjectOption, actor, open_home, open_project, pipeline_context
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.automation import PipelineReport
    from touchline.predictions import Trace

monitor = typer.Typer(help="Watch what a release sees and says.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(retrain)
    app.add_typer(monitor, name="monitor")
    monitor.command()(drift)
    app.command()(trace)
    app.command()(replay)


def retrain(
    is_forced: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest, train, judge and promote in one recorded run. Exit code 3 when a gate says no.

    Example: touchline retrain -p football
    """

    from touchline.automation import run_pipeline

    opened = open_project(project)
    with progress(opened.project.name, quiet=as_json) as say:
        report = run_pipeline(pipeline_context(opened, say), trigger="manual", actor=actor(), is_forced=is_forced)
    print_run(report, as_json=as_json)


def print_run(report: PipelineReport, *, as_json: bool) -> None:
    """What a pipeline run did; raises the gates' refusal, so that the exit code tells."""
    version = report.version
    if as_json:
        print_json(
            {
                "run_id": report.run_id,
                "project": report.project,
                "version": version,
                "is_new": report.is_new,
                "refusal": report.refusal and str(report.refusal),
            }
        )
    else:
        what = "trained" if report.is_new else "unchanged since it was trained, used again:"
        typer.echo(f"{report.project}: {what} version {version.version} ({version.semantic_version}, {version.name})")
        for gate in report.promotion.report.results if report.promotion and report.promotion.report else ():
            typer.echo(f"  gate: {gate.message}")
        typer.echo(f"  stage: {version.stage}")
    if report.refusal:
        raise report.refusal


@monitor.callback()
def monitoring() -> None:
    """Watch what a release sees and says."""


def drift(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Compare what Production was asked with its reference.

    Example: touchline monitor drift -p football
    """
    from touchline.automation import check_production_drift

    opened = open_project(project)
    verdict = check_production_drift(opened.project, opened.stores)
    if as_json:
        print_json(verdict.to_json())
        return
    typer.echo(f"{opened.project.name}: {verdict.message}")
    rows = ([c.name, c.p_adjusted, c.psi, c.distance, c.streak, c.drifted] for c in verdict.columns)
    if verdict.columns:
        print_table("", ["column", "p (adjusted)", "PSI", "Wasserstein", "windows", "drifted"], rows)


def trace(
    prediction_id: Annotated[str, typer.Argument(help="The id that an answer carries.")], as_json: JsonOption = False
) -> None:
    """Walk from an answer back to the bytes of its files.

    Example: touchline trace 01JD9Z0V8RQ6W3M4T7K2X5B1NC
    """
    from touchline.predictions import trace as walk_back

    found = walk_back(open_home().database, prediction_id)
    print_json(found) if as_json else _print_trace(found)


def _print_trace(found: Trace) -> None:
    typer.echo(f"prediction {found.prediction_id}  {found.project}  answered {as_text(found.answered_at)} UTC")
    typer.echo(f"  output     {_pairs(found.output)}")
    asked = {**found.entity_keys, **found.inputs}
    typer.echo(
        f"  asked      {_pairs(asked)}   cutoff {as_text(found.cutoff)} UTC   example {as_text(found.example_id)}"
    )
    for view in found.views:
        known = datetime.fromisoformat(view.event_timestamp) if view.event_timestamp else None
        since = f", known since {as_text(known)} UTC" if known else ""
        typer.echo(f"  features   {view.label} {view.feature_version}  {view.status}{since}")
    typer.echo(f"  release    {found.release_id}  digest {as_text(found.release_digest)}")
    by = f"  in Production since {as_text(found.promoted_at)} UTC by {found.promoted_by}" if found.promoted_at else ""
    typer.echo(f"  model      version {found.version} ({found.semantic_version})  MLflow run {found.run_id}{by}")
    typer.echo(f"  training   set {found.training_set_hash}  views {_pairs(found.feature_versions)}")
    for source in found.sources:
        typer.echo(f"  snapshot   {source.source} {source.snapshot_hash}")
        for ingested in source.ingests:
            typer.echo(f"    ingest   {ingested.manifest_id}  {as_text(ingested.at)} UTC  raw {ingested.raw_hash}")
            for file in ingested.files:
                typer.echo(f"      file   {file.name}  sha256 {file.sha256}")
    if found.outcome is not None:
        outcome = found.outcome
        typer.echo(f"  outcome    {outcome.label}  known {as_text(outcome.label_timestamp)} UTC, from {outcome.source}")


def _pairs(values: Any) -> str:
    flat = {**values, **values.get("probabilities", {})}
    flat.pop("probabilities", None)
    shown = [f"{name} {as_text(value)}" for name, value in flat.items()]
    return "  ".join(shown[:12]) + (f"  … {len(shown) - 12} more" if len(shown) > 12 else "")


def replay(
    prediction_id: Annotated[str | None, typer.Argument(help="One prediction; without it, a sample.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many logged predictions to compute again.")] = 10_000,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute logged answers again and compare.

    From their release and features. Exit code 1 when one comes out differently.

    Example: touchline replay --sample 1000 -p football
    """
    from touchline.predictions import Sample, replay_sample
    from touchline.predictions import replay as replay_one

    if prediction_id is not None:
        home = open_home()
        found = replay_one(home.database, home.objects, prediction_id)
        if as_json:
            print_json({**vars(found), "matches": found.matches})
        else:
            verdict = "the same answer" if found.matches else f"a different answer: {found.difference}"
            typer.echo(f"{prediction_id}: {verdict}  {_pairs(found.computed or {})}")
        raise typer.Exit(0 if found.matches else 1)
    opened = open_project(project)
    with progress("replay", quiet=as_json) as say:
        report = replay_sample(
            opened.stores.database,
            opened.stores.objects,
            opened.project.name,
            Sample(rows=sample),
            tell=lambda done, of: say(f"{done} of {of}"),
        )
    if as_json:
        print_json(report)
    else:
        typer.echo(
            f"{opened.project.name}: {report.replayed} replayed ({report.from_features} from their features), "
            f"{len(report.mismatches)} mismatches"
        )
        for wrong in report.mismatches[:20]:
            typer.echo(f"  {wrong.prediction_id}: {wrong.difference}")
    raise typer.Exit(1 if report.mismatches else 0)
