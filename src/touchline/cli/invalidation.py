"""Which online rows a person means to take away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from touchline.cli.opening import OpenedProject

if TYPE_CHECKING:
    from touchline.features import FeatureView, ServedView


def invalidate_online(
    opened: OpenedProject, view: FeatureView | None, keys: Mapping[str, str], *, model: str | None
) -> int:
    """Take away an entity's rows, a view's, or those a model's release reads; how many rows that were."""
    from touchline.errors import NothingNamed
    from touchline.features import invalidate_entity, invalidate_model, invalidate_view

    store, project = opened.stores.online, opened.project.name
    if (view is None) == (model is None):
        raise NothingNamed("features invalidate", "a feature view, or --model VERSION, one of them")
    if model is not None:
        return invalidate_model(_views_of(opened, model), store=store)
    assert view is not None
    if not keys:
        return invalidate_view(project, view.name, view.feature_version, store=store)
    from touchline.api import entity_keys

    return invalidate_entity(view, entity_keys(view, keys), project=project, store=store)


def _views_of(opened: OpenedProject, version: str) -> tuple[ServedView, ...]:
    from touchline.cli.verification import release_of

    return release_of(opened, version).manifest.views
