"""`touchline features`: views, their histories, and what is online."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, open_project
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.features import FeatureView, ViewStatistics
    from touchline.features.verification.view_statistics import FeatureDistribution

features = typer.Typer(help="Feature views: compute, materialize, look up, verify.", no_args_is_help=True)
ViewsArgument = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Views; default: all.")]
ViewArgument = Annotated[str, typer.Argument(help="Feature view.")]


def register(app: typer.Typer) -> None:
    app.add_typer(features, name="features")
    for command in (apply, compute, materialize, get, stats, invalidate, verify):
        features.command()(command)


def apply(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Register views and entities in Feast.

    With the task's feature service, over touchline's own stores.

    Feast's own commands then work in the folder that is printed: `feast -c FOLDER ui`, `materialize-incremental`, …

    Example: touchline features apply -p football
    """
    from touchline.cli.feast_repository import apply_to_feast

    opened = open_project(project)
    with progress(opened.project.name, quiet=as_json) as say:
        done = apply_to_feast(opened, say)
    if as_json:
        print_json(done)
        return
    typer.echo(f"{opened.project.name}: registered in Feast: views {', '.join(done.views) or 'none'}")
    typer.echo(f"  entities {', '.join(done.entities) or 'none'}; feature service {done.service or 'none'}")
    typer.echo(f"  look: feast -c {done.folder} feature-views list")


def compute(views: ViewsArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Compute the history of views on what is ingested.

    What was computed before on the same snapshots and by the same code is found again.

    Example: touchline features compute team_form -p football
    """
    from touchline.features import compute_view

    opened = open_project(project)
    found = []
    with progress(opened.project.name, quiet=as_json) as say:
        for view in chosen_views(opened, views):
            say(f"compute {view.name}")
            found.append(compute_view(view, project=opened.project.name, stores=opened.stores, clock=opened.clock))
    if as_json:
        print_json(found)
        return
    rows = ([one.view, one.feature_version, one.rows, one.hash[:12], one.object_key] for one in found)
    print_table(f"feature histories of {opened.project.name}", ["view", "version", "rows", "hash", "object"], rows)


def materialize(views: ViewsArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Copy newest values to the online store.

    A newer value that lies there stays.

    Example: touchline features materialize -p football
    """
    from touchline.features import materialize_view

    opened = open_project(project)
    store, found = opened.stores.online, []
    with progress(opened.project.name, quiet=as_json) as say:
        for view in chosen_views(opened, views):
            say(f"materialize {view.name}")
            found.append(
                materialize_view(
                    view,
                    project=opened.project.name,
                    stores=opened.stores,
                    online=store,
                    clock=opened.clock,
                    progress=lambda sent, of, name=view.name: say(f"materialize {name}: {sent} of {of}"),  # type: ignore[misc]
                )
            )
    if as_json:
        print_json(found)
        return
    rows = ([one.view, one.feature_version, one.rows, one.written, one.watermark] for one in found)
    print_table(
        f"materialized for {opened.project.name}", ["view", "version", "entities", "written", "known up to"], rows
    )


def get(
    view: ViewArgument,
    keys: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="The entity, by its join keys.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read an entity's values, with their status and age.

    Example: touchline features get team_form team="Schalke 04" -p football
    """
    from touchline.api import entity_keys, read_online

    opened = open_project(project)
    (chosen,) = chosen_views(opened, [view])
    entity = entity_keys(chosen, pairs_of(keys))
    now = opened.clock.now()
    ((found,),) = read_online(opened.project.name, [chosen], [entity], opened.stores.online, now=now)
    if as_json:
        print_json(found)
        return
    named = " ".join(f"{name}={value}" for name, value in entity.items())
    typer.echo(f"{found.view} {found.feature_version}  {named}: {found.status}")
    if found.event_timestamp is None:
        typer.echo(f"  nothing is online for it; known up to {as_text(found.watermark)} UTC")
        return
    age = now - found.event_timestamp
    typer.echo(
        f"  known since {as_text(found.event_timestamp)} UTC, {age.days} days old (ttl {as_text(found.ttl)}); "
        f"everything known up to {as_text(found.watermark)} UTC is online"
    )
    print_table("", ["feature", "value"], found.values.items())


def stats(views: ViewsArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show rows, freshness and values of every view.

    And the model versions that use it.

    Distributions are of each entity's newest known value.

    Example: touchline features stats team_form -p football
    """
    from touchline.features import read_history, view_statistics

    opened = open_project(project)
    stores, name, store = opened.stores, opened.project.name, opened.stores.online
    found = [
        view_statistics(
            view,
            read_history(view, project=name, stores=stores),
            project=name,
            stores=stores,
            online=store,
            now=opened.clock.now(),
        )
        for view in chosen_views(opened, views)
    ]
    print_json(found) if as_json else _print_stats(name, found)


def invalidate(
    view: Annotated[str | None, typer.Argument(help="Feature view; or give --model.")] = None,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="One entity; default: all.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Every view that this version's release reads.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take values out of the online store.

    An entity's, a view's, or all that a model reads.

    The next `features materialize` brings them back.

    Example: touchline features invalidate team_form team="Schalke 04" -p football
    """
    from touchline.cli.invalidation import invalidate_online

    opened = open_project(project)
    chosen = chosen_views(opened, [view])[0] if view else None
    gone = invalidate_online(opened, chosen, pairs_of(keys or []), model=model)
    if as_json:
        print_json({"project": opened.project.name, "rows": gone})
    else:
        typer.echo(
            f"{opened.project.name}: {gone} rows are no longer online; back again: touchline features materialize"
        )


def verify(
    sample: Annotated[int, typer.Option(min=1, help="How many logged answers to compute again.")] = 1000,
    all_rows: Annotated[bool, typer.Option("--all", help="Every logged answer of the release.")] = False,
    version: Annotated[str, typer.Option("--model", help="Version whose answers are checked.")] = "Production",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that served features equal what history gives.

    Logged vectors are computed again, offline, as known then.

    Exit code 1 when one comes out differently.

    Example: touchline features verify --sample 1000 -p football
    """
    from touchline.cli.verification import verify_served

    opened = open_project(project)
    with progress(opened.project.name, quiet=as_json) as say:
        checked = verify_served(opened, version, sample=None if all_rows else sample, say=say)
    report = checked.report
    if as_json:
        print_json(
            {**vars(report), "mismatched": report.mismatched, "release": checked.release, "given": checked.given}
        )
    else:
        typer.echo(
            f"{opened.project.name} {checked.release}: {report.matched} of {report.checked} vectors match, "
            f"{report.mismatched} mismatches; skew rate at most {report.upper_bound:.3%} (95 %)"
        )
        typer.echo(f"  apart: {report.fallback_rows} answered by a fall-back, {checked.given} brought their own values")
        if report.mismatched:
            by_column = sorted(report.by_column.items(), key=lambda pair: -pair[1])
            print_table("mismatches by feature", ["feature", "vectors"], by_column)
            rows = ([one.prediction_id, one.column, one.served, one.offline] for one in report.mismatches)
            print_table("first mismatches", ["prediction", "feature", "served", "offline"], rows)
    raise typer.Exit(1 if report.mismatched else 0)


def _print_stats(project: str, found: Sequence[ViewStatistics]) -> None:
    heads = ["view", "entity", "sources", "version"]
    heads += ["history rows", "online rows", "bytes", "materialized", "known up to"]
    print_table(f"feature views of {project}", [*heads, "quarantined", "model versions"], map(_view_row, found))
    heads = ["feature", "type", "coverage", "distinct", "mean", "std", "min", "5 %", "25 %", "50 %", "75 %", "95 %"]
    for view in found:
        if view.features:
            typer.echo("")
            print_table(view.view, [*heads, "max", "levels"], map(_feature_row, view.features))


def _view_row(found: ViewStatistics) -> list[object]:
    sources = ", ".join(f"{source} {(hash or '-')[:12]}" for source, hash in found.sources.items())
    identity = [found.view, found.entity, sources, found.feature_version]
    sizes = [found.history_rows, found.online_rows, found.online_bytes]
    models = ", ".join(map(str, found.models)) or None
    return [*identity, *sizes, found.materialized_at, found.watermark, found.quarantined, models]


def _feature_row(found: FeatureDistribution) -> list[object]:
    coverage = f"{1 - found.nulls / found.count:.1%}" if found.count else None
    quantiles = found.quantiles or [None] * 5
    levels = ", ".join(f"{level} {count}" for level, count in found.levels) or None
    facts = [found.name, found.dtype, coverage, found.distinct, found.mean, found.std]
    return [*facts, found.minimum, *quantiles, found.maximum, levels]


def chosen_views(opened: OpenedProject, names: Sequence[str] | None) -> list[FeatureView]:
    """The views of these names, or all; an unknown one names its neighbour."""
    from touchline.errors import ViewNotFound

    known = {view.name: view for view in opened.project.feature_views}
    for name in names or ():
        if name not in known:
            raise ViewNotFound(name, known)
    return [known[name] for name in names] if names else list(known.values())


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """What was typed as name=value."""
    from touchline.errors import NotAPair

    for text in texts:
        if "=" not in text:
            raise NotAPair(text)
    return dict(text.split("=", 1) for text in texts)
