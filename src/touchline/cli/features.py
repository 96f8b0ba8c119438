"""`touchline features`: views, their histories, and what is online."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from touchline.cli.door import Door, JsonOption, ProjectOption, open_project
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.features import FeatureView

features = typer.Typer(help="Feature views: compute, materialize, look up, verify.", no_args_is_help=True)
ViewsArgument = Annotated[list[str] | None, typer.Argument(metavar="[VIEW]...", help="Views; default: all.")]
ViewArgument = Annotated[str, typer.Argument(help="Feature view.")]


def register(app: typer.Typer) -> None:
    app.add_typer(features, name="features")
    for command in (apply, compute, materialize, get):
        features.command()(command)


def apply(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Register entities, views and the task's feature service in Feast, over touchline's own stores.

    Feast's own commands then work in the folder that is printed: `feast -c FOLDER ui`, `materialize-incremental`, …

    Example: touchline features apply -p football
    """
    from touchline.cli.feast_repository import apply_to_feast

    door = open_project(project)
    with progress(door.project.name, quiet=as_json) as say:
        done = apply_to_feast(door, say)
    if as_json:
        print_json(done)
        return
    typer.echo(f"{door.project.name}: registered in Feast: views {', '.join(done.views) or 'none'}")
    typer.echo(f"  entities {', '.join(done.entities) or 'none'}; feature service {done.service or 'none'}")
    typer.echo(f"  look: feast -c {done.folder} feature-views list")


def compute(views: ViewsArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Compute the history of every view (or those named) on what is ingested.

    What was computed before on the same snapshots and by the same code is found again.

    Example: touchline features compute team_form -p football
    """
    from touchline.features import compute_view

    door = open_project(project)
    found = []
    with progress(door.project.name, quiet=as_json) as say:
        for view in chosen_views(door, views):
            say(f"compute {view.name}")
            found.append(compute_view(view, project=door.project.name, stores=door.house.stores, clock=door.clock))
    if as_json:
        print_json(found)
        return
    rows = ([one.view, one.feature_version, one.rows, one.hash[:12], one.object_key] for one in found)
    print_table(f"feature histories of {door.project.name}", ["view", "version", "rows", "hash", "object"], rows)


def materialize(views: ViewsArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Copy each entity's newest known values to the online store; a newer value that lies there stays.

    Example: touchline features materialize -p football
    """
    from touchline.cli.work import open_online
    from touchline.features import compute_view
    from touchline.features import materialize as write_online

    door = open_project(project)
    store, found = open_online(door.house), []
    with progress(door.project.name, quiet=as_json) as say:
        for view in chosen_views(door, views):
            say(f"compute {view.name}")
            history = compute_view(view, project=door.project.name, stores=door.house.stores, clock=door.clock)
            say(f"materialize {view.name}")
            found.append(write_online(view, history, store, now=door.clock.now()))
    if as_json:
        print_json(found)
        return
    rows = ([one.view, one.feature_version, one.rows, one.written, one.watermark] for one in found)
    print_table(
        f"materialized for {door.project.name}", ["view", "version", "entities", "written", "known up to"], rows
    )


def get(
    view: ViewArgument,
    keys: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="The entity, by its join keys.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read an entity's values from the online store, with their status and age.

    Example: touchline features get team_form team="Schalke 04" -p football
    """
    from touchline.api import entity_keys, read_online
    from touchline.cli.work import open_online

    door = open_project(project)
    (chosen,) = chosen_views(door, [view])
    entity = entity_keys(chosen, pairs_of(keys))
    now = door.clock.now()
    (found,) = read_online(door.project.name, [chosen], entity, open_online(door.house), now=now)
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


def chosen_views(door: Door, names: Sequence[str] | None) -> list[FeatureView]:
    """The views of these names, or all; an unknown one names its neighbour."""
    from touchline.errors import ViewNotFound

    known = {view.name: view for view in door.project.feature_views}
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
