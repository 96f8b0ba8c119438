"""A project's Feast repository: a folder in the home where Feast's own commands work on touchline's stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from feast import FeatureStore

from touchline.features.feast.objects import feast_entities, feast_service
from touchline.features.offline.compute_view import compute_view

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features.declaration.view import FeatureView, ViewJoin
    from touchline.features.offline.histories import FeatureHistory
    from touchline.storage import DataStores

# Feast's CLI imports the files of its folder and collects the Feast objects among their names.
_DEFINITIONS = """\
from pathlib import Path

from touchline.features.feast.repository import feast_objects
from touchline.project import load_project

folder = Path({folder!r})
globals().update(feast_objects(load_project(folder, base=folder).project))
"""


class DeclaredFeatures(Protocol):
    """The part of a project that Feast knows: its views, and the features of its task."""

    @property
    def name(self) -> str: ...
    @property
    def feature_views(self) -> tuple[FeatureView, ...]: ...
    @property
    def task(self) -> _Task: ...


class _Task(Protocol):
    @property
    def features(self) -> Sequence[ViewJoin]: ...


@dataclass(frozen=True)
class FeastRepository:
    """The folder of a project's repository, and its online store: a SQLite file, or None for Redis."""

    folder: Path
    project_folder: Path
    online_file: Path | None


@dataclass(frozen=True)
class AppliedToFeast:
    """The registered objects, and the folder for `feast -c`."""

    folder: Path
    views: tuple[str, ...]
    entities: tuple[str, ...]
    service: str | None
    removed: tuple[str, ...]


def apply_to_feast(
    project: DeclaredFeatures,
    repository: FeastRepository,
    *,
    stores: DataStores,
    clock: Clock,
    on_progress: Callable[[str], None],
) -> AppliedToFeast:
    """Bring Feast's registry up to the declaration, with the current histories as its sources.

    The repository's files are written anew each time, so `feature_store.yaml` follows the settings.
    """
    folder = repository.folder
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "feature_store.yaml", _configuration(project.name, repository.online_file))
    _write(folder / "feast_repo.py", _DEFINITIONS.format(folder=str(repository.project_folder)))
    for view in project.feature_views:
        on_progress(f"features {view.name}")
        history = compute_view(view, project=project.name, stores=stores, clock=clock)
        _copy(history, folder / f"{view.name}.parquet")
    on_progress("register in Feast")
    store = FeatureStore(repo_path=str(folder))
    objects = feast_objects(project)
    undeclared = _undeclared(store, objects)
    store.apply(list(objects.values()), objects_to_delete=undeclared, partial=False)
    return AppliedToFeast(
        folder=folder,
        views=tuple(view.name for view in project.feature_views),
        entities=tuple(name.removeprefix("entity_") for name in objects if name.startswith("entity_")),
        service=project.name if "service" in objects else None,
        removed=tuple(sorted(one.name for one in undeclared)),
    )


def feast_objects(project: DeclaredFeatures) -> dict[str, Any]:
    """Entities, views and the task's feature service as Feast objects, by names that a module can have."""
    views = {view.name: view.to_feast() for view in project.feature_views}
    entities = {
        f"entity_{entity.name}": entity
        for view in project.feature_views
        for entity in feast_entities(view.entity, view.key_types)
    }
    objects: dict[str, Any] = {**entities, **{f"view_{name}": view for name, view in views.items()}}
    if project.task.features:
        objects["service"] = feast_service(project.name, project.task.features, views)
    return objects


def _undeclared(store: FeatureStore, objects: Mapping[str, Any]) -> list[Any]:
    """The registered objects that the declaration no longer has; Feast's own begin with two underscores."""
    declared = {(type(one), one.name) for one in objects.values()}
    registered: list[Any] = [*store.list_feature_views(), *store.list_feature_services(), *store.list_entities()]
    return [one for one in registered if (type(one), one.name) not in declared and not one.name.startswith("__")]


def _configuration(project: str, online_file: Path | None) -> str:
    """The text of feature_store.yaml. Redis is named by its variable, since the address may hold a password."""
    if online_file is None:
        variable = "TOUCHLINE_REDIS_URL" if "TOUCHLINE_REDIS_URL" in os.environ else "REDIS_URL"
        online = ["  type: touchline.features.feast_stores.PackedRedisOnlineStore"]
        online.append(f"  connection_string: ${{{variable}}}")
    else:
        online = ["  type: touchline.features.feast_stores.PackedSqliteOnlineStore", f"  path: {online_file}"]
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


def _copy(history: FeatureHistory, target: Path) -> None:
    """A copy, since Feast appends to it what is written through Feast."""
    partial = target.with_suffix(".partial")
    history.scan().sink_parquet(partial)
    partial.replace(target)


def _write(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text)
    partial.replace(file)
