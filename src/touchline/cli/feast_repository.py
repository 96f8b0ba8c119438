"""A project's Feast repository: a folder in the home where Feast's own commands work on touchline's stores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.cli.opening import Home, OpenedProject

if TYPE_CHECKING:
    from feast import FeatureStore

    from touchline.project import Project

# What Feast's CLI collects: it imports the files of its folder and looks at their names.
_DEFINITIONS = """\
from touchline.cli.feast_repository import feast_objects
globals().update(feast_objects({folder!r}))
"""


@dataclass(frozen=True)
class AppliedToFeast:
    """What is registered now, and the folder for `feast -c`."""

    folder: Path
    views: tuple[str, ...]
    entities: tuple[str, ...]
    service: str | None
    removed: tuple[str, ...]


def apply_to_feast(opened: OpenedProject, say: Callable[[str], None]) -> AppliedToFeast:
    """Bring Feast's registry to the declaration, with the present histories as its sources.

    The folder is written anew each time: `feature_store.yaml` follows the settings.
    """
    folder = repository_of(opened.home, opened.project.name)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "feature_store.yaml", _configuration(opened.home, opened.project.name))
    _write(folder / "feast_repo.py", _DEFINITIONS.format(folder=str(opened.loaded.folder)))
    _publish_histories(opened, folder, say)
    say("register in Feast")
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(folder))
    objects = objects_of(opened.project)
    gone = _undeclared(store, objects)
    store.apply(list(objects.values()), objects_to_delete=gone, partial=False)
    return AppliedToFeast(
        folder=folder,
        views=tuple(view.name for view in opened.project.feature_views),
        entities=tuple(name.removeprefix("entity_") for name in objects if name.startswith("entity_")),
        service=opened.project.name if "service" in objects else None,
        removed=tuple(sorted(one.name for one in gone)),
    )


def repository_of(home: Home, project: str) -> Path:
    """The folder of a project's Feast repository."""
    return home.settings.home.absolute() / "feast" / project


def feast_objects(folder: str) -> dict[str, Any]:
    """The Feast objects of the project in `folder`, by names a module can have: what `feast apply` registers."""
    from touchline.project import load_project

    return objects_of(load_project(Path(folder), base=Path(folder)).project)


def objects_of(project: Project) -> dict[str, Any]:
    """Entities, views and the task's feature service as Feast knows them; sources are files in its folder."""
    from touchline.features.feast.objects import feast_entities, feast_service

    views = {view.name: view.to_feast() for view in project.feature_views}
    entities = {
        f"entity_{entity.name}": entity
        for view in project.feature_views
        for entity in feast_entities(view.entity, view.key_types)
    }
    found: dict[str, Any] = {**entities, **{f"view_{name}": view for name, view in views.items()}}
    if project.task.features:
        found["service"] = feast_service(project.name, project.task.features, views)
    return found


def _publish_histories(opened: OpenedProject, folder: Path, say: Callable[[str], None]) -> None:
    from touchline.features import compute_view

    for view in opened.project.feature_views:
        say(f"features {view.name}")
        history = compute_view(view, project=opened.project.name, stores=opened.stores, clock=opened.clock)
        partial = folder / f"{view.name}.partial"
        # A copy: Feast appends to it what is written through Feast.
        shutil.copyfile(history.path, partial)
        partial.replace(folder / f"{view.name}.parquet")


def _undeclared(store: FeatureStore, objects: dict[str, Any]) -> list[Any]:
    kept = {(type(one), one.name) for one in objects.values()}
    registered: list[Any] = [*store.list_feature_views(), *store.list_feature_services(), *store.list_entities()]
    return [one for one in registered if (type(one), one.name) not in kept and not one.name.startswith("__")]


def _configuration(home: Home, project: str) -> str:
    """feature_store.yaml. Redis is named by its variable: the address may hold a password."""
    settings = home.settings
    if settings.online_store == "redis":
        variable = "TOUCHLINE_REDIS_URL" if "TOUCHLINE_REDIS_URL" in os.environ else "REDIS_URL"
        online = ["  type: touchline.features.feast_stores.PackedRedisOnlineStore"]
        online.append(f"  connection_string: ${{{variable}}}")
    else:
        online = ["  type: touchline.features.feast_stores.PackedSqliteOnlineStore"]
        online.append(f"  path: {settings.home.absolute() / 'online.db'}")
    lines = [
        "# Written by `touchline features apply`; changes are lost.",
        f"project: {project}",
        "provider: local",
        "registry: registry.db",
        "entity_key_serialization_version: 3",
        "offline_store:",
        "  type: touchline.features.feast_stores.PointInTimeOfflineStore",
        "online_store:",
        *online,
    ]
    return "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text)
    partial.replace(file)
