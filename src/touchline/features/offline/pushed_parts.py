"""Values pushed by a client: kept as parts beside the history until the next compute merges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.features.declaration.spec import FeatureView
    from touchline.storage import ObjectStore


def pushed_parts(project: str, view: FeatureView, objects: ObjectStore) -> list[str]:
    """Object keys of what was pushed to this version of the view, oldest first."""
    return sorted(objects.list(pushed_prefix(project, view)))


def pushed_prefix(project: str, view: FeatureView) -> str:
    return f"{project}/pushed/{view.name}/{view.feature_version}/"
