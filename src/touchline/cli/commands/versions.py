"""`touchline models`: what a version is, beside another one, on paper, on disk, and made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from touchline.cli.opening import JsonOption, ProjectOption, open_project, pipeline_context
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.registry import MetricValue

VersionArgument = Annotated[str, typer.Argument(help="7, 1.2.0, Production, staging, rollback, latest.")]


def add_versions(models: typer.Typer) -> None:
    """The commands that only read; beside them stand those that decide."""
    models.command("list")(list_versions)
    for command in (show, compare, card, download, reproduce):
        models.command()(command)


def list_versions(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the versions, newest first.

    Example: touchline models list -p football
    """
    from touchline.registry import read_versions

    opened = open_project(project)
    found = read_versions(opened.stores, opened.project.name)
    if as_json:
        print_json(found)
        return
    shown = ("log_loss", "accuracy", "pr_auc", "rmse")
    names = [name for name in shown if any(name in version.metrics for version in found)]
    rows = (
        [v.version, v.semantic_version, v.stage, v.name, v.created_at, v.rows]
        + [v.metrics[name].value if name in v.metrics else None for name in names]
        for v in found
    )
    columns = ["version", "semantic", "stage", "model", "trained", "test rows", *names]
    print_table(f"versions of {opened.project.name}", columns, rows)


def show(version: VersionArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show a version: metrics with intervals, hashes, stage.

    Example: touchline models show Production -p football
    """
    from touchline.registry import read_version

    opened = open_project(project)
    found = read_version(opened.stores, opened.project.name, version)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found.project} version {found.version} ({found.semantic_version})  {found.stage}  {found.name}")
    typer.echo(f"  trained {as_text(found.created_at)} UTC  MLflow run {found.run_id}  ticket {as_text(found.ticket)}")
    typer.echo(
        f"  test    {found.rows} rows in {found.clusters} clusters, {as_text(found.test_from)} to "
        f"{as_text(found.test_to)} UTC"
    )
    for name, value in found.hashes.items():
        typer.echo(f"  {name:<12} {value}")
    rows = (
        [name, m.value, m.low, m.high, found.baseline[name].value if name in found.baseline else None]
        for name, m in found.metrics.items()
    )
    print_table("on the test window", ["metric", "value", "low", "high", "constant baseline"], rows)


def compare(
    first: VersionArgument, second: VersionArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Compare two versions: is the difference luck?

    Example: touchline models compare 2 Production -p football
    """
    from touchline.registry import compare_versions

    opened = open_project(project)
    found = compare_versions(opened.stores, opened.project.name, first, second)
    if as_json:
        print_json(found)
        return
    columns = ["", f"version {found.first.version}", f"version {found.second.version}"]
    print_table("test window", columns, ([name, *map(_interval, pair)] for name, pair in found.metrics.items()))
    rows = [[name, *pair] for name, pair in {**found.hashes, **found.recipe}.items() if pair[0] != pair[1]]
    print_table("made from what differs", columns, rows)
    if found.paired is None:
        typer.echo(f"No paired comparison: {found.note}.")
        return
    paired = found.paired
    typer.echo(
        f"{paired.metric}: {paired.difference:+.4f} (95 % from {paired.low:+.4f} to {paired.high:+.4f}, "
        f"p = {paired.p_value:.3f}) {found.note}; below 0 version {found.first.version} is better."
    )


def card(
    version: VersionArgument = "Production",
    form: Annotated[Literal["markdown", "html"], typer.Option("--format", help="Markdown, or one HTML page.")] = (
        "markdown"
    ),
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of printing.")] = None,
    project: ProjectOption = None,
) -> None:
    """Print a version's model card.

    Example: touchline models card Production --format html --out card.html -p football
    """
    from touchline.registry import read_card

    opened = open_project(project)
    found = read_card(opened.stores, opened.project.name, version)
    text = found.html if form == "html" else found.markdown
    if out is None:
        typer.echo(text)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"card of version {found.version.version} written to {out}")


def download(
    version: VersionArgument,
    folder: Annotated[Path, typer.Argument(help="Where its release goes.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a version's release to a folder and verify it there.

    Example: touchline models download Production ./release -p football
    """
    from touchline.registry import download_release

    opened = open_project(project)
    target = download_release(opened.stores, opened.project.name, version, folder)
    if as_json:
        print_json({"folder": target})
    else:
        typer.echo(f"verified release in {target}")


def reproduce(version: VersionArgument = "latest", project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Train a version again from its record, and compare.

    Exit code 1 when a prediction comes out differently; what has changed since is listed.

    Example: touchline models reproduce 1 -p football
    """
    from touchline.automation import material_of
    from touchline.errors import NotReproducible
    from touchline.registry import read_version
    from touchline.registry import reproduce as make_again

    opened = open_project(project)
    registry = opened.stores
    found = read_version(registry, opened.project.name, version)
    material = material_of(pipeline_context(opened), found)
    if material is None:
        raise NotReproducible(found.version, found.training_set_hash)
    with progress(opened.project.name, quiet=as_json) as say:
        say(f"train version {found.version} again")
        again = make_again(registry, found, material)
    if as_json:
        print_json({**vars(again), "version": found.version, "is_same": again.is_same})
    else:
        same = "the same, bit for bit" if again.is_same else f"{again.differing} differ, by {again.gap:.3g} at most"
        typer.echo(f"version {found.version} made again: {again.rows} predictions, {same}")
        for change in again.changed:
            typer.echo(f"  changed since: {change}")
    if not again.is_same:
        raise typer.Exit(1)


def _interval(metric: MetricValue | None) -> str:
    if metric is None or metric.low is None:
        return as_text(metric.value if metric else None)
    return f"{as_text(metric.value)} ({as_text(metric.low)} to {as_text(metric.high)})"
