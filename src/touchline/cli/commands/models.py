"""`touchline models`: show, compare and reproduce model versions, and change their stages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from touchline import automation, errors, registry, rollout
from touchline.cli.commands.promote import (
    PromoteOptions,
    ReasonOption,
    TicketOption,
    VersionArgument,
    print_promotion,
    promote,
)
from touchline.cli.opening import (
    FoundProject,
    JsonOption,
    OpenedProject,
    ProjectOption,
    actor,
    find_project,
    open_project,
    pipeline_context,
)
from touchline.cli.option_groups import command_of
from touchline.cli.output import as_text, print_json, print_table, progress, require_folder
from touchline.cli.processes.alerting import alerts_after_loading
from touchline.cli.processes.probe import probe_of, request_look
from touchline.contracts.instants import parse_instant_or_day

if TYPE_CHECKING:
    from touchline.registry import Decision, MetricValue, Promoted, Registry

group = typer.Typer(help="Model versions: list, compare, promote, roll back.", no_args_is_help=True)


promote_command = command_of(PromoteOptions, promote)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="models")
    group.command("list")(list_versions)
    for command in (
        show,
        compare,
        card,
        download,
        reproduce,
        promote_command,
        approve,
        reject,
        demote,
        rollback,
        history,
    ):
        group.command()(command)


def list_versions(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the model versions, newest first.

    Example: touchline models list -p football
    """
    opened = open_project(project)
    versions = registry.read_versions(opened.stores, opened.name)
    if as_json:
        print_json(versions)
        return
    metrics = [
        name
        for name in ("log_loss", "accuracy", "pr_auc", "rmse")
        if any(name in version.metrics for version in versions)
    ]
    rows = (
        [v.version, v.semantic_version, v.stage, v.name, v.created_at, v.rows]
        + [v.metrics[name].value if name in v.metrics else None for name in metrics]
        for v in versions
    )
    columns = ["version", "semantic", "stage", "model", "trained", "test rows", *metrics]
    print_table(f"versions of {opened.name}", columns, rows)
    typer.echo(opened.stores.journal.state(opened.name).sentence)


def show(version: VersionArgument, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Show a version: stage, hashes, metrics with intervals.

    Example: touchline models show Production -p football
    """
    opened = open_project(project)
    record = registry.read_version(opened.stores, opened.name, version)
    if as_json:
        print_json(record)
        return
    typer.echo(f"{record.project} version {record.version} ({record.semantic_version})  {record.stage}  {record.name}")
    typer.echo(
        f"  trained {as_text(record.created_at)} UTC  MLflow run {record.run_id}  ticket {as_text(record.ticket)}"
    )
    if record.is_recalibration:
        document = registry.read_recalibration(opened.stores, record)
        typer.echo(f"  model   of version {record.recalibrates}; {document['estimate']['message']}")
    period = f", {as_text(record.test_from)} to {as_text(record.test_to)} UTC" if record.test_from else ""
    typer.echo(f"  test    {record.rows} rows in {record.clusters} clusters{period}")
    for name, value in record.hashes.items():
        typer.echo(f"  {name:<12} {value}")
    rows = (
        [name, m.value, m.low, m.high, record.baseline[name].value if name in record.baseline else None]
        for name, m in record.metrics.items()
    )
    print_table("on the test window", ["metric", "value", "low", "high", "constant baseline"], rows)


def compare(
    first: VersionArgument, second: VersionArgument, *, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Compare two versions on their test rows.

    The difference has a confidence interval if both predict the same rows.

    Example: touchline models compare 2 Production -p football
    """
    opened = open_project(project)
    comparison = registry.compare_versions(opened.stores, opened.name, first, second)
    if as_json:
        print_json(comparison)
        return
    columns = ["", f"version {comparison.first.version}", f"version {comparison.second.version}"]
    print_table("test window", columns, ([name, *map(_interval, pair)] for name, pair in comparison.metrics.items()))
    rows = [[name, *pair] for name, pair in {**comparison.hashes, **comparison.recipe}.items() if pair[0] != pair[1]]
    print_table("hashes and settings that differ", columns, rows, empty="none")
    typer.echo(comparison.sentence)


def card(
    version: VersionArgument = "Production",
    form: Annotated[
        Literal["markdown", "html"], typer.Option("--format", help="Markdown, or one HTML page.")
    ] = "markdown",
    *,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default: print the card.")] = None,
    project: ProjectOption = None,
) -> None:
    """Print a version's model card.

    Example: touchline models card Production --format html --out card.html -p football
    """
    opened = open_project(project)
    if out is not None:
        require_folder(out)
    document = registry.read_card(opened.stores, opened.name, version)
    text = document.html if form == "html" else document.markdown
    if out is None:
        typer.echo(text)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"card of version {document.version.version} written to {out}")


def download(
    version: VersionArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to copy the release to.")],
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a version's release to a folder and verify the copy.

    Example: touchline models download Production ./release -p football
    """
    opened = open_project(project)
    target = registry.download_release(opened.stores, opened.name, version, folder)
    print_json({"folder": target}) if as_json else typer.echo(f"verified release in {target}")


def reproduce(
    version: VersionArgument = "latest", project: ProjectOption = None, *, as_json: JsonOption = False
) -> None:
    """Train a version again and compare the predictions.

    Exit code 1 when a prediction differs. Data and libraries that changed since are listed.

    Example: touchline models reproduce 1 -p football
    """
    opened = open_project(project)
    record = registry.read_version(opened.stores, opened.name, version)
    material = automation.material_of(pipeline_context(opened), record)
    if material is None:
        raise errors.NotReproducible(record.version, record.training_set_hash)
    with progress(opened.name, quiet=as_json) as on_progress:
        on_progress(f"train version {record.version} again")
        again = registry.reproduce(opened.stores, record, material)
    if as_json:
        print_json({**vars(again), "version": record.version, "is_same": again.is_same})
    else:
        same = "all identical" if again.is_same else f"{again.differing} differ, by {again.gap:.3g} at most"
        typer.echo(f"version {record.version} trained again: {again.rows} predictions, {same}")
        for change in again.changed:
            typer.echo(f"  changed since: {change}")
    if not again.is_same:
        raise typer.Exit(1)


def approve(
    version: VersionArgument,
    reason: ReasonOption = "",
    *,
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a version, as an approval gate requires.

    Example: touchline models approve 7 --reason "reviewed" -p football
    """
    _decide(registry.approve, version, registry.Decision(actor(), reason, ticket), project=project, as_json=as_json)


def reject(
    version: VersionArgument,
    reason: ReasonOption,
    *,
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a version and archive it.

    Example: touchline models reject 7 --reason "trained on a broken feed" -p football
    """
    _decide(registry.reject, version, registry.Decision(actor(), reason, ticket), project=project, as_json=as_json)


def demote(
    version: VersionArgument,
    reason: ReasonOption,
    *,
    ticket: TicketOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a version one stage down.

    Example: touchline models demote 7 --reason "needs another review" -p football
    """
    _decide(registry.demote, version, registry.Decision(actor(), reason, ticket), project=project, as_json=as_json)


def rollback(
    reason: ReasonOption = "",
    ticket: TicketOption = None,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return to the release that was in Production before.

    Where a server runs, it is asked until it answers by that release; exit code 1 where it does not.

    Example: touchline models rollback --reason "worse on Sunday's matches" -p football
    """
    found = find_project(project)
    decision = registry.Decision(actor(), reason, ticket)
    load = cache(found.load)
    leaving = found.stores.journal.state(found.name).production
    with alerts_after_loading(load):
        promoted = registry.rollback(
            found.stores, found.name, decision, families=lambda _: registry.declared_families(load().project.training)
        )
        request_look(found.home)
    try:
        promotion = automation.clean_up(pipeline_context(load()), promoted, leaving=leaving)
    except errors.InvalidProject as failure:  # the rollback stands: a broken declaration must not keep it from anyone
        promotion = automation.Promotion(promoted, cleanup_failure=str(failure))
    print_promotion(promotion, as_json=as_json)
    _end_rollout(found)
    probe, release = probe_of(found), promoted.version.release_id
    if probe is not None and release is not None:
        typer.echo(probe(release), err=as_json)


def history(
    at: Annotated[
        str | None,
        typer.Option("--at", help="Show the stages at this time instead (ISO, UTC); a second counts to its end."),
    ] = None,
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List all stage changes, or show the stages at a time.

    Example: touchline models history --at 2009-04-18T12:00 -p football
    """
    opened = open_project(project)
    journal = opened.stores.journal
    if at is not None:
        state = journal.at(opened.name, _end_of_second(parse_instant_or_day(at)))
        if as_json:
            print_json(
                {"at": at, "production": state.production, "staging": state.staging, "rollback": state.rollback}
                | {"stages": state.stages, "releases": state.releases}
            )
        else:
            typer.echo(
                f"{opened.name} at {at}: Production {as_text(state.production)}, "
                f"Staging {as_text(state.staging)}, rollback {as_text(state.rollback)}"
            )
        return
    changes = journal.history(opened.name)
    if as_json:
        print_json(changes)
        return
    columns = ["no.", "at", "version", "change", "by", "reason", "ticket"]
    rows = (
        [c.sequence, c.at, c.version, f"{c.from_stage} → {c.to_stage}", c.actor, c.reason, c.ticket] for c in changes
    )
    print_table(f"journal of {opened.name}", columns, rows)


def _end_of_second(instant: datetime) -> datetime:
    """Times are listed to the second: one that is typed from there includes the changes listed under it."""
    return instant if instant.microsecond else instant + timedelta(seconds=1, microseconds=-1)


def _decide(
    change_stage: Callable[[Registry, str, str, Decision], Promoted],
    version: str,
    decision: Decision,
    *,
    project: str | None,
    as_json: bool,
) -> None:
    opened = open_project(project)
    promoted = change_stage(opened.stores, opened.name, version, decision)
    print_promotion(automation.Promotion(promoted), as_json=as_json)
    _end_rollout(opened)


def _end_rollout(opened: OpenedProject | FoundProject) -> None:
    """End the rollout whose version was moved by hand, and say so."""
    message = automation.end_overtaken_rollout(rollout.RolloutContext(opened.stores, opened.name))
    if message is not None:
        typer.echo(message, err=True)


def _interval(metric: MetricValue | None) -> str:
    if metric is None or metric.low is None:
        return as_text(metric.value if metric else None)
    return f"{as_text(metric.value)} ({as_text(metric.low)} to {as_text(metric.high)})"
