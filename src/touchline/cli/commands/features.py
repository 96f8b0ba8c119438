"""`touchline features`: feature views, their histories, and their values in the online store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import api, errors, features, predictions, registry
from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, open_project, open_version
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.features import FeatureView, ViewStatistics
    from touchline.features.verification.view_statistics import FeatureDistribution

group = typer.Typer(help="Feature views: compute, materialize, look up, verify.", no_args_is_help=True)
ViewsArgument = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Feature views; default: all.")]
ViewArgument = Annotated[str, typer.Argument(help="Feature view.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="features")
    for command in (apply, compute, materialize, get, stats, invalidate, verify):
        group.command()(command)


def apply(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Register views and entities in Feast.

    Feast then reads touchline's own stores. Its commands work in the printed folder: `feast -c FOLDER ui`,
    `materialize-incremental`, and so on.

    Example: touchline features apply -p football
    """
    from touchline.features.feast.repository import FeastRepository, apply_to_feast

    opened = open_project(project)
    home = opened.home
    online_file = home.folder / "online.db" if home.settings.online_store == "sqlite" else None
    repository = FeastRepository(home.folder / "feast" / opened.name, opened.loaded.folder, online_file)
    with progress(opened.name, quiet=as_json) as on_progress:
        applied = apply_to_feast(
            opened.project, repository, stores=opened.stores, clock=opened.clock, on_progress=on_progress
        )
    if as_json:
        print_json(applied)
        return
    typer.echo(f"{opened.name}: registered in Feast: views {', '.join(applied.views) or 'none'}")
    typer.echo(f"  entities {', '.join(applied.entities) or 'none'}; feature service {applied.service or 'none'}")
    typer.echo(f"  list them: feast -c {applied.folder} feature-views list")


def compute(views: ViewsArgument = None, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Compute the history of views from the ingested data.

    A history that was computed before from the same snapshots and code is used again.

    Example: touchline features compute team_form -p football
    """
    opened = open_project(project)
    histories = []
    with progress(opened.name, quiet=as_json) as on_progress:
        for view in _views(opened, views):
            on_progress(f"compute {view.name}")
            history = features.compute_view(view, project=opened.name, stores=opened.stores, clock=opened.clock)
            histories.append(history)
    if as_json:
        print_json(histories)
        return
    rows = ([one.view, one.feature_version, one.rows, one.hash[:12], one.computed_until] for one in histories)
    print_table(f"feature histories of {opened.name}", ["view", "version", "rows", "hash", "computed until"], rows)


def materialize(views: ViewsArgument = None, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Copy the newest values of views to the online store.

    A value there that is newer stays.

    Example: touchline features materialize -p football
    """
    opened = open_project(project)
    results = []
    with progress(opened.name, quiet=as_json) as on_progress:
        for view in _views(opened, views):
            on_progress(f"materialize {view.name}")
            result = features.materialize_view(
                view,
                project=opened.name,
                stores=opened.stores,
                online=opened.stores.online,
                clock=opened.clock,
                progress=_rows_progress(view.name, on_progress),
            )
            results.append(result)
    if as_json:
        print_json(results)
        return
    columns = ["view", "version", "entities", "written", "known up to"]
    rows = ([one.view, one.feature_version, one.rows, one.written, one.watermark] for one in results)
    print_table(f"materialized for {opened.name}", columns, rows)


def get(
    view: ViewArgument,
    keys: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="Join keys of the entity.")],
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an entity's online values, with their status and age.

    Example: touchline features get team_form team="Schalke 04" -p football
    """
    opened = open_project(project)
    (declared,) = _views(opened, [view])
    entity = api.entity_keys(declared, _pairs(keys))
    now = opened.clock.now()
    (values,) = api.read_online([declared], entity, project=opened.name, store=opened.stores.online, now=now)
    if as_json:
        print_json(values)
        return
    named = " ".join(f"{name}={value}" for name, value in entity.items())
    typer.echo(f"{values.view} {values.feature_version}  {named}: {values.status}")
    if values.event_timestamp is None:
        typer.echo(f"  the online store has no row for it; it is complete up to {as_text(values.watermark)} UTC")
        return
    age = now - values.event_timestamp
    typer.echo(
        f"  known since {as_text(values.event_timestamp)} UTC, {age.days} days old (ttl {as_text(values.ttl)}); "
        f"the online store is complete up to {as_text(values.watermark)} UTC"
    )
    print_table("", ["feature", "value"], values.values.items())


def stats(views: ViewsArgument = None, project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Show rows, freshness and distributions of views.

    Distributions are over each entity's newest value. The model versions that use a view are listed too.

    Example: touchline features stats team_form -p football
    """
    opened = open_project(project)
    stores, name, now = opened.stores, opened.name, opened.clock.now()
    training_sets = {found.version: found.training_set_hash for found in registry.read_versions(stores, name)}
    statistics = [
        features.view_statistics(
            view,
            features.read_history(view, project=name, stores=stores),
            project=name,
            online=stores.online,
            now=now,
            models=features.models_using(view, training_sets, project=name, database=stores.database),
        )
        for view in _views(opened, views)
    ]
    print_json(statistics) if as_json else _print_stats(name, statistics)


def invalidate(
    view: Annotated[str | None, typer.Argument(help="Feature view; without it give --model.")] = None,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Join keys of one entity; default: all.")
    ] = None,
    *,
    model: Annotated[str | None, typer.Option("--model", help="Model version, for the views it reads.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete values from the online store.

    Deletes the values of an entity, of a view, or of all views that a model reads. The next `features
    materialize` writes them again.

    Example: touchline features invalidate team_form team="Schalke 04" -p football
    """
    opened = open_project(project)
    if (view is None) == (model is None):
        raise errors.NothingNamed("features invalidate", "either a feature view or --model VERSION")
    if model is not None:
        rows = _invalidate_model(opened, model)
    else:
        rows = _invalidate_view(opened, _views(opened, [str(view)])[0], _pairs(keys or []))
    if as_json:
        print_json({"project": opened.name, "rows": rows})
    else:
        typer.echo(f"{opened.name}: {rows} rows deleted online; to write them again: touchline features materialize")


def verify(
    sample: Annotated[int, typer.Option(min=1, help="Number of logged predictions to check, drawn at random.")] = 1000,
    all_rows: Annotated[bool, typer.Option("--all", help="Check every logged prediction of the release.")] = False,
    *,
    version: Annotated[str, typer.Option("--model", help="Model version to check.")] = "Production",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check logged features against the feature histories.

    The features of logged predictions are computed again offline, as they were known at the time of each prediction.

    Exit code 1 when one differs.

    Example: touchline features verify --sample 1000 -p football
    """
    opened = open_project(project)
    with progress(opened.name, quiet=as_json) as on_progress:
        checked = predictions.verify_features(
            open_version(opened, version),
            opened.stores,
            sample=None if all_rows else sample,
            at=opened.clock.wall(),
            on_progress=on_progress,
        )
    report = checked.report
    if as_json:
        print_json(
            {**vars(report), "mismatched": report.mismatched, "release": checked.release, "given": checked.given}
        )
    else:
        typer.echo(checked.proof.sentence)
        typer.echo(
            f"  not counted: {report.fallback_rows} answered by a fall-back, {checked.given} with values of the request"
        )
        if report.mismatched:
            by_column = sorted(report.by_column.items(), key=lambda pair: -pair[1])
            print_table("mismatches by feature", ["feature", "vectors"], by_column)
            rows = ([one.prediction_id, one.column, one.logged_value, one.offline] for one in report.mismatches)
            print_table("first mismatches", ["prediction", "feature", "served", "offline"], rows)
    raise typer.Exit(1 if report.mismatched else 0)


def _invalidate_model(opened: OpenedProject, version: str) -> int:

    return features.invalidate_model(open_version(opened, version).views, store=opened.stores.online)


def _invalidate_view(opened: OpenedProject, view: FeatureView, keys: Mapping[str, str]) -> int:
    store = opened.stores.online
    if not keys:
        return features.invalidate_view(opened.name, view.name, view.feature_version, store=store)
    return features.invalidate_entity(view, api.entity_keys(view, keys), project=opened.name, store=store)


def _rows_progress(view: str, on_progress: Callable[[str], None]) -> Callable[[int, int], None]:
    return lambda sent, total: on_progress(f"materialize {view}: {sent} of {total}")


def _print_stats(project: str, statistics: Sequence[ViewStatistics]) -> None:
    heads = ["view", "entity", "sources", "version"]
    heads += ["history rows", "online rows", "bytes", "materialized", "known up to"]
    print_table(f"feature views of {project}", [*heads, "quarantined", "model versions"], map(_view_row, statistics))
    heads = ["feature", "type", "coverage", "distinct", "mean", "std", "min", "5 %", "25 %", "50 %", "75 %", "95 %"]
    for view in statistics:
        if view.features:
            typer.echo("")
            print_table(view.view, [*heads, "max", "levels"], map(_feature_row, view.features))


def _view_row(view: ViewStatistics) -> list[object]:
    sources = ", ".join(f"{source} {(hash or '-')[:12]}" for source, hash in view.sources.items())
    identity = [view.view, view.entity, sources, view.feature_version]
    sizes = [view.history_rows, view.online_rows, view.online_bytes]
    models = ", ".join(map(str, view.models)) or None
    return [*identity, *sizes, view.materialized_at, view.watermark, view.quarantined, models]


def _feature_row(feature: FeatureDistribution) -> list[object]:
    coverage = f"{1 - feature.nulls / feature.count:.1%}" if feature.count else None
    quantiles = feature.quantiles or [None] * 5
    levels = ", ".join(f"{level} {count}" for level, count in feature.levels) or None
    row = [feature.name, feature.dtype, coverage, feature.distinct, feature.mean, feature.std]
    return [*row, feature.minimum, *quantiles, feature.maximum, levels]


def _views(opened: OpenedProject, names: Sequence[str] | None) -> list[FeatureView]:
    """The views of these names, or all. Raises `ViewNotFound` with the nearest name."""
    views = {view.name: view for view in opened.project.feature_views}
    for name in names or ():
        if name not in views:
            raise errors.ViewNotFound(name, views)
    return [views[name] for name in names] if names else list(views.values())


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """The typed KEY=VALUE arguments by key."""
    for text in texts:
        if "=" not in text:
            raise errors.NotAPair(text)
    return dict(text.split("=", 1) for text in texts)
