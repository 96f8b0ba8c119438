"""Which online rows a person means to take away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from touchline.cli.opening import Door

if TYPE_CHECKING:
    from touchline.features import FeatureView, ServedView


def invalidate_online(door: Door, view: FeatureView | None, keys: Mapping[str, str], *, model: str | None) -> int:
    """Take away an entity's rows, a view's, or those a model's release reads; how many rows that were."""
    from touchline.cli.pipeline_stores import open_online
    from touchline.errors import NothingNamed
    from touchline.features import invalidate_entity, invalidate_model, invalidate_view

    store, project = open_online(door.house), door.project.name
    if (view is None) == (model is None):
        raise NothingNamed("features invalidate", "a feature view, or --model VERSION, one of them")
    if model is not None:
        return invalidate_model(_views_of(door, model), store=store)
    assert view is not None
    if not keys:
        return invalidate_view(project, view.name, view.feature_version, store=store)
    from touchline.api import entity_keys

    return invalidate_entity(view, entity_keys(view, keys), project=project, store=store)


def _views_of(door: Door, version: str) -> tuple[ServedView, ...]:
    from touchline.cli.verification import release_of

    return release_of(door, version).manifest.views
