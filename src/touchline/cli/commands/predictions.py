"""`touchline predict`, `outcomes`, `trace`, `replay` and `predictions`: predictions and their log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchline import errors, predictions, rollout, serving
from touchline.cli.opening import (
    JsonOption,
    OpenedProject,
    ProjectOption,
    load_default,
    open_home,
    open_project,
    open_releases,
    open_version,
    release_reader,
)
from touchline.cli.output import as_text, pairs_text, print_json, print_table, progress
from touchline.cli.server_client import predict_one
from touchline.clock import SystemClock
from touchline.contracts.instants import parse_instant_or_day

if TYPE_CHECKING:
    from touchline.predictions import Trace

group = typer.Typer(help="The prediction log: export it, delete old rows.", no_args_is_help=True)

SinceOption = Annotated[str | None, typer.Option("--since", help="First time of a prediction (ISO, UTC).")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Predictions before this time; default: now.")]
DaysOption = Annotated[float, typer.Option("--keep-days", min=0, help="Days that stay in the database.")]


def register(app: typer.Typer) -> None:
    for command in (predict, outcomes, trace, replay):
        app.command()(command)
    app.add_typer(group, name="predictions")
    group.command()(export)
    group.command()(prune)


def predict(
    fields: Annotated[list[str] | None, typer.Argument(help="Fields of the request, as name=value.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV or Parquet file with one request per row.")] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", help="File to write for --file; .csv or .parquet.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="API key; default: TOUCHLINE_API_KEY.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict one request, or every row of a file.

    One request goes to the running server. A file is scored by the release in Production, without the server. A row
    that is invalid gets no prediction; its column "problem" says why. The columns of the file are written as they
    were. Predictions of a file are not logged: to log them, send the rows to the server as a job (POST /predict/jobs).

    Example: touchline predict -p football home_team="Schalke 04" away_team="Energie Cottbus"
    """
    if file is not None and fields:
        raise errors.OptionUnused(f"The field {fields[0]!r}", "--file says which rows are predicted")
    if file is None and out is not None:
        raise errors.OptionUnused("--out", "it goes with --file; one request is printed")
    opened = open_project(project)
    if file is not None:
        with progress("predict", quiet=as_json) as on_progress:
            scored = _score(opened, file, target=out, on_progress=on_progress)
        if as_json:
            print_json(scored)
        else:
            typer.echo(f"wrote {scored.rows:,} rows to {scored.file}")
            if scored.refused:
                have = "has no prediction: it does" if scored.refused == 1 else "have no prediction: they do"
                typer.echo(f"{scored.refused:,} of them {have} not fit, and `problem` says why")
        return
    response = predict_one(opened, fields or [], api_key=key)
    if as_json:
        print_json(response)
        return
    output: dict[str, Any] = {
        name: response[name] for name in ("probabilities", "value", "interval") if name in response
    }
    typer.echo(f"{pairs_text(output)}   prediction {response['prediction_id']}   release {response['release']}")


def outcomes(
    limit: Annotated[int, typer.Option(min=1, help="Number of predictions to list.")] = 20,
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List predictions beside their outcomes, newest first.

    Example: touchline outcomes -p football
    """
    opened = open_project(project)
    settled = predictions.read_settled(opened.stores.database, opened.name, limit=limit)
    if as_json:
        print_json(settled)
        return
    order = opened.project.task.entity_columns
    columns = ["example", "entity", "predicted", "observed", "known at", "prediction"]
    rows = (
        [
            one.example_id,
            " – ".join(one.entity_keys[name] for name in order if name in one.entity_keys),
            one.predicted,
            one.label,
            one.label_timestamp,
            one.prediction_id,
        ]
        for one in settled
    )
    print_table(f"predictions of {opened.name}", columns, rows)


def trace(
    prediction_id: Annotated[str, typer.Argument(help="Id of the prediction, from the response.")],
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Project name or folder; default: look in all.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the origin of a prediction.

    Its features, release, training, snapshots and source files.

    Example: touchline trace 01JD9Z0V8RQ6W3M4T7K2X5B1NC
    """
    home = open_home()
    name = None if project is None else load_default(home, project).name
    traced = predictions.trace(home.stores(SystemClock()), prediction_id, project=name)
    print_json(traced) if as_json else _print_trace(traced)


def replay(
    prediction_id: Annotated[str | None, typer.Argument(help="Id of one prediction; default: a random sample.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Number of logged predictions to compute again.")] = 10_000,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute logged predictions again, and compare.

    They are computed from their release and features. Exit code 1 when one differs.

    Example: touchline replay --sample 1000 -p football
    """
    if prediction_id is not None:
        _replay_one(prediction_id, as_json=as_json)
        return
    opened = open_project(project)
    with progress("replay", quiet=as_json) as on_progress:
        report = predictions.replay_sample(
            opened.stores,
            opened.name,
            predictions.Sample(rows=sample),
            open_release=open_releases(opened.home).open,
            on_progress=lambda done, total: on_progress(f"{done} of {total}"),
        )
    if as_json:
        print_json(report)
    elif not report.replayed:
        typer.echo(f"{opened.name}: the prediction log has no prediction to replay")
    else:
        typer.echo(
            f"{opened.name}: {report.replayed} replayed, {len(report.mismatches)} mismatches; features "
            + ", ".join(f"{count} {check}" for check, count in report.features.items())
        )
        for mismatch in report.mismatches[:20]:
            typer.echo(f"  {mismatch.prediction_id}: {mismatch.difference}")
    raise typer.Exit(1 if report.mismatches else 0)


def export(
    since: SinceOption = None, until: UntilOption = None, *, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Copy logged predictions to Parquet files, one per month.

    Example: touchline predictions export --since 2009-04-01 -p football
    """
    opened = open_project(project)
    exported = predictions.export_predictions(
        opened.stores.database,
        opened.stores.objects,
        opened.name,
        since=parse_instant_or_day(since) if since else None,
        until=parse_instant_or_day(until) if until else opened.clock.wall(),
    )
    if as_json:
        print_json(exported)
        return
    typer.echo(f"{opened.name}: {exported.rows:,} predictions in {len(exported.object_keys)} files")
    for key in exported.object_keys:
        typer.echo(f"  {key}")


def prune(keep_days: DaysOption, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Move old predictions to Parquet files.

    They are deleted from the database; outcomes stay there. Those of a rollout that runs stay, since its verdict rests
    on them.

    Example: touchline predictions prune --keep-days 90 -p football
    """
    opened = open_project(project)
    stores, until = opened.stores, opened.clock.wall() - timedelta(days=keep_days)
    running = rollout.RolloutRecords(stores.database, opened.name).running()
    if running is not None and running.experiment.started_wall_at < until:
        until = running.experiment.started_wall_at
        typer.echo(f"note: rollout {running.experiment.number} runs: predictions since its start stay", err=True)
    pruned = predictions.prune_predictions(stores.database, stores.objects, opened.name, until=until)
    if as_json:
        print_json(pruned)
    else:
        files = len(pruned.exported.object_keys)
        typer.echo(f"{opened.name}: {pruned.deleted:,} predictions moved to {files} Parquet files")


def _score(
    opened: OpenedProject, file: Path, *, target: Path | None, on_progress: Callable[[str], None]
) -> serving.ScoredFile:
    """Score a file by the release in Production."""
    if opened.stores.journal.state(opened.name).production is None:
        raise errors.NothingInProduction(opened.name)
    release, declared = open_version(opened, "Production"), opened.project
    views = {view.name: view for view in declared.feature_views}
    reader = release_reader(opened.home, release, clock=opened.clock, declared_views=lambda: views)
    requests = serving.RequestFile(file, target, declared.task.examples.sources)
    return serving.score_file(release, reader, requests, now=opened.clock.now(), on_progress=on_progress)


def _replay_one(prediction_id: str, *, as_json: bool) -> None:
    home = open_home()
    replayed = predictions.replay(home, prediction_id, open_releases(home).open)
    if as_json:
        print_json({**vars(replayed), "matches": replayed.matches})
    else:
        typer.echo(f"{prediction_id}: {replayed.sentence}  {pairs_text(replayed.computed or {})}")
    raise typer.Exit(0 if replayed.matches else 1)


def _print_trace(trace: Trace) -> None:
    typer.echo(f"prediction {trace.prediction_id}  {trace.project}  answered {as_text(trace.answered_at)} UTC")
    typer.echo(f"  {trace.sentence}")
    typer.echo(f"  output     {pairs_text(trace.output)}")
    request = pairs_text({**trace.entity_keys, **trace.inputs})
    by_entity = " (found by its entity)" if trace.example_source == "entity" else ""
    example = f"{as_text(trace.example_id)}{by_entity}"
    typer.echo(f"  request    {request}   cutoff {as_text(trace.cutoff)} UTC   example {example}")
    for view in trace.views:
        event_time = datetime.fromisoformat(view.event_timestamp) if view.event_timestamp else None
        since = f", known since {as_text(event_time)} UTC" if event_time else ""
        typer.echo(f"  features   {view.label} {view.feature_version}  {view.status}{since}")
    typer.echo(f"  release    {trace.release_id}  digest {as_text(trace.release_digest)}")
    by = f"  in Production since {as_text(trace.promoted_at)} UTC by {trace.promoted_by}" if trace.promoted_at else ""
    typer.echo(f"  model      version {trace.version} ({trace.semantic_version})  MLflow run {trace.run_id}{by}")
    if trace.recalibrates is not None:
        typer.echo(f"             the model of version {trace.recalibrates} under new class shares")
    typer.echo(f"  training   set {trace.training_set_hash}  views {pairs_text(trace.feature_versions)}")
    for source in trace.sources:
        typer.echo(f"  snapshot   {source.source} {source.snapshot_hash}")
        for ingested in source.ingests:
            typer.echo(f"    ingest   {ingested.manifest_id}  {as_text(ingested.at)} UTC  raw {ingested.raw_hash}")
            for file in ingested.files:
                typer.echo(f"      file   {file.name}  sha256 {file.sha256}")
    if trace.outcome is not None:
        outcome = trace.outcome
        typer.echo(f"  outcome    {outcome.label}  known {as_text(outcome.label_timestamp)} UTC, from {outcome.source}")
