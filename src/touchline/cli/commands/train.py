"""`touchline train` and `runs`: learning, and comparing what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from touchline.cli.opening import JsonOption, ProjectOption, actor, open_project, pipeline_context
from touchline.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.registry import RunSummary

runs = typer.Typer(help="Trainings as MLflow keeps them: list, compare, best.", no_args_is_help=True)

FilterOption = Annotated[str, typer.Option("--filter", help='Such as "log_loss < 1.0 and candidate = lightgbm".')]
_SHOWN = ("log_loss", "brier", "accuracy", "roc_auc", "pr_auc", "rmse", "mae")


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.add_typer(runs, name="runs")
    runs.command("list")(list_trainings)
    for command in (compare, best):
        runs.command()(command)


def train(
    is_forced: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the candidates and judge the best by the gates.

    The best is recorded as a version; a first one that passes goes to Production.

    Ingests first, so that the newest data counts. Exit code 3 when a gate says no.

    Example: touchline train -p football
    """
    from touchline.automation import run_pipeline
    from touchline.cli.commands.operate import print_run

    opened = open_project(project)
    with progress(opened.project.name, quiet=as_json) as say:
        report = run_pipeline(pipeline_context(opened, say), trigger="train", actor=actor(), is_forced=is_forced)
    print_run(report, as_json=as_json)


def list_trainings(
    where: FilterOption = "",
    sort: Annotated[
        str, typer.Option(help="A metric, a parameter or started; - in front: largest first.")
    ] = "-started",
    has_children: Annotated[bool, typer.Option("--all", help="Candidates and trials too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most runs shown.")] = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the trainings, newest first.

    Example: touchline runs list --filter "log_loss < 1.02" --sort log_loss -p football
    """
    from touchline.registry import RunQuery, list_runs

    opened = open_project(project)
    found = list_runs(opened.stores, opened.project.name, RunQuery(where, sort, limit, has_children))
    if as_json:
        print_json(found)
    else:
        _print_runs(f"runs of {opened.project.name}", found)


def compare(
    runs: Annotated[list[str], typer.Argument(help="Run ids, their first letters, or versions.", metavar="RUN...")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put runs side by side: parameters that differ, every metric.

    Example: touchline runs compare 1 2 -p football
    """
    from touchline.registry import compare_runs

    opened = open_project(project)
    found = compare_runs(opened.stores, opened.project.name, runs)
    if as_json:
        print_json(found)
        return
    columns = ["", *(run.name for run in found.runs)]
    print_table("metrics", columns, ([name, *values] for name, values in found.metrics.items()))
    print_table("parameters that differ", columns, ([name, *values] for name, values in found.params.items()))


def best(
    metric: Annotated[str, typer.Argument(help="Such as log_loss; which end is best is known.")],
    where: FilterOption = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the training with the best test value of a metric.

    Example: touchline runs best log_loss -p football
    """
    from touchline.registry import best_run

    opened = open_project(project)
    found = best_run(opened.stores, opened.project.name, metric, where=where)
    if as_json:
        print_json(found)
    else:
        _print_runs(f"best {metric} of {opened.project.name}", [found])


def _print_runs(title: str, found: list[RunSummary]) -> None:
    metrics = [name for name in _SHOWN if any(name in run.metrics for run in found)]
    rows = (
        [run.run_id[:8], run.name, run.status, run.started_at, run.seconds, run.semantic_version, run.stage]
        + [run.metrics.get(name) for name in metrics]
        for run in found
    )
    print_table(title, ["run", "name", "status", "started", "seconds", "version", "stage", *metrics], rows)
