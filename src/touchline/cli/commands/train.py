"""`touchline train`, `retrain` and `runs`: run the pipeline, and compare its trainings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, errors, registry
from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, actor, open_project, pipeline_context
from touchline.cli.output import print_json, print_table, progress
from touchline.cli.processes.alerting import alerts_after
from touchline.cli.processes.limits import ended_beyond_limits
from touchline.cli.processes.scheduling import ended_in_order

if TYPE_CHECKING:
    from touchline.automation import PipelineReport
    from touchline.registry import RunSummary

group = typer.Typer(help="Trainings in MLflow: list, compare, find the best.", no_args_is_help=True)

FilterOption = Annotated[str, typer.Option("--filter", help='Such as "log_loss < 1.0 and candidate = lightgbm".')]
ForceOption = Annotated[bool, typer.Option("--force", help="Train even if nothing changed.")]
_WAIT_SECONDS = 600.0
_METRICS = ("log_loss", "brier", "accuracy", "roc_auc", "pr_auc", "rmse", "mae")


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(retrain)
    app.add_typer(group, name="runs")
    group.command("list")(list_trainings)
    for command in (compare, best):
        group.command()(command)


def train(is_forced: ForceOption = False, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Train the candidates, and promote the best one.

    The sources are ingested first. The best candidate becomes a version, which is promoted if it passes the gates:
    the first one to Production, later ones to Staging.

    Exit code 3 when a gate refuses the version, 1 when it fails or outgrows a limit of the declared Retrain.

    Example: touchline train -p football
    """
    _run(project, trigger="train", is_forced=is_forced, as_json=as_json)


def retrain(
    is_forced: ForceOption = False,
    is_due: Annotated[bool, typer.Option("--due", help="Train only if the declared Retrain says that it is due.")] = (
        False
    ),
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Train again, as `train` does, recorded as started by hand.

    With --due, as a cron job runs it: what the declared Retrain says is due is decided and done, and runs whose process
    died are gone on with; exit code 0 where nothing is.

    Exit code 3 when a gate refuses the version, 1 when it fails or outgrows a limit of the declared Retrain.

    Example: touchline retrain -p football
    """
    if not is_due:
        _run(project, trigger="manual", is_forced=is_forced, as_json=as_json)
        return
    if is_forced:
        raise errors.InvalidSetting("--force", "given with --due", "one trains whatever is due, the other only what is")
    _run_due(open_project(project), as_json=as_json)


def list_trainings(
    where: FilterOption = "",
    sort: Annotated[
        str, typer.Option(help="A metric, a parameter or started; with - in front: largest first.")
    ] = "-started",
    *,
    has_children: Annotated[bool, typer.Option("--all", help="Also list the runs of candidates and trials.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Number of runs to list.")] = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the trainings, newest first.

    Example: touchline runs list --filter "log_loss < 1.02" --sort log_loss -p football
    """
    opened = open_project(project)
    runs = registry.list_runs(opened.stores, opened.name, registry.RunQuery(where, sort, limit, has_children))
    if as_json:
        print_json(runs)
    elif not runs and where:
        total = registry.count_runs(opened.stores, opened.name, has_children=has_children)
        typer.echo(f"runs of {opened.name}: none of {total} matches {where!r}")
    else:
        _print_runs(f"runs of {opened.name}", runs)


def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Run ids, the first letters of them, or model versions.", metavar="RUN...")
    ],
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare runs side by side.

    Prints every metric, and the parameters that differ.

    Example: touchline runs compare 1 2 -p football
    """
    opened = open_project(project)
    comparison = registry.compare_runs(opened.stores, opened.name, runs)
    if as_json:
        print_json(comparison)
        return
    columns = ["", *(run.name for run in comparison.runs)]
    print_table("metrics", columns, ([name, *values] for name, values in comparison.metrics.items()))
    parameters = ([name, *values] for name, values in comparison.params.items())
    print_table("parameters that differ", columns, parameters, empty="none")


def best(
    metric: Annotated[str, typer.Argument(help="Name of a metric, such as log_loss.")],
    where: FilterOption = "",
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the training with the best test value of a metric.

    Example: touchline runs best log_loss -p football
    """
    opened = open_project(project)
    run = registry.best_run(opened.stores, opened.name, metric, where=where)
    print_json(run) if as_json else _print_runs(f"best {metric} of {opened.name}", [run])


def _run(project: str | None, *, trigger: str, is_forced: bool, as_json: bool) -> None:
    opened = open_project(project)
    with progress(opened.name, quiet=as_json) as on_progress:
        context = pipeline_context(opened, on_progress)
        with alerts_after(opened), ended_in_order():

            def work() -> PipelineReport:
                with ended_beyond_limits(opened):
                    return automation.run_pipeline(context, trigger=trigger, actor=actor(), is_forced=is_forced)

            report = _after_others(work, on_progress)
    _print_report(report, as_json=as_json)
    if report.refusal:
        raise report.refusal


def _after_others(work: Callable[[], PipelineReport], on_progress: Callable[[str], None]) -> PipelineReport:
    """Do the work once another process, as the scheduler, has ended its run of the pipeline. Raises `LeaseHeld`."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return work()
        except errors.LeaseHeld as held:
            if time.monotonic() > deadline:
                raise
            on_progress(f"waiting for {held.holder} to end its run")
            time.sleep(1)


def _run_due(opened: OpenedProject, *, as_json: bool) -> None:
    ticks = automation.decide_due(opened.project, opened.stores, actor=actor())
    waiting = automation.read_waiting(opened.name, opened.stores)
    runs = [run for run in waiting.ready if run.job == "retrain"]
    held = waiting.held("retrain")
    if not as_json:
        for tick in ticks:
            typer.echo(f"{tick.scheduled_at:%Y-%m-%d %H:%M} {tick.job} {tick.trigger}: {tick.verdict} ({tick.reason})")
        if not runs:
            typer.echo(f"{opened.name}: nothing to do")
        if held:
            typer.echo(
                f"  runs held by the pause: {len(held)}. Next: touchline schedule resume retrain -p {opened.name}"
            )
    refusals = []
    for run in runs:
        with progress(opened.name, quiet=as_json) as on_progress, alerts_after(opened), ended_in_order():
            context = pipeline_context(opened, on_progress)
            with ended_beyond_limits(opened):
                report = automation.resume_pipeline(context, run.id, actor=actor())
        if report is not None:
            _print_report(report, as_json=as_json)
            refusals += [report.refusal] if report.refusal else []
    if refusals:
        raise refusals[-1]


def _print_report(report: PipelineReport, *, as_json: bool) -> None:
    version = report.version
    if as_json:
        refusal = report.refusal and str(report.refusal)
        run = {"run_id": report.run_id, "project": report.project, "version": version}
        outcome = {"refusal": refusal, "excluded": report.excluded, "rollout": report.rollout}
        print_json({**run, "is_new": report.is_new, **outcome})
        return
    action = "trained" if report.is_new else "nothing changed since it was trained; using"
    typer.echo(f"{report.project}: {action} version {version.version} ({version.semantic_version}, {version.name})")
    if report.excluded:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in report.excluded.items())
        typer.echo(f"  examples excluded: {reasons}")
    for gate in report.promotion.report.results if report.promotion and report.promotion.report else ():
        typer.echo(f"  gate: {gate.message}")
    typer.echo(f"  stage: {version.stage}")
    if report.rollout is not None:
        typer.echo(f"  rollout: {report.rollout}")


def _print_runs(title: str, runs: Sequence[RunSummary]) -> None:
    metrics = [name for name in _METRICS if any(name in run.metrics for run in runs)]
    rows = (
        [run.run_id[:8], run.name, run.status, run.started_at, run.seconds, run.semantic_version, run.stage]
        + [run.metrics.get(name) for name in metrics]
        for run in runs
    )
    print_table(title, ["run", "name", "status", "started", "seconds", "version", "stage", *metrics], rows)
