"""Take values out of the online store: an entity's, a view's, or all that a model reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from touchline.errors import InvalidEntityKey
from touchline.features.offline.histories import FeatureHistories
from touchline.features.vectors.served_view import ServedView, ViewKeys, entity_key, view_keys
from touchline.features.vectors.watermark import ViewMetadata

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView
    from touchline.features.online.base import OnlineStore
    from touchline.storage import DataStores


def invalidate_entity(view: FeatureView, entity: Mapping[str, Any], *, project: str, store: OnlineStore) -> int:
    """Take away one entity's values; how many rows that were. Its next materialization sends the whole view again."""
    missing = [key for key in view.join_keys if entity.get(key) is None]
    if missing:
        raise InvalidEntityKey(view.name, missing[0], None, "given")
    keys = view_keys(project, view.name, view.feature_version)
    values = [entity[key] for key in view.join_keys]
    key = keys.rows + entity_key(view.name, view.join_keys, list(view.key_types.values()), values)
    gone = store.delete_keys([key])
    if gone:
        _forget_history(view.name, keys, store)
    return gone


def invalidate_view(project: str, view: str, feature_version: str, *, store: OnlineStore) -> int:
    """Take away all values of one version of a view; how many rows that were. The store still counts as filled."""
    keys = view_keys(project, view, feature_version)
    _forget_history(view, keys, store)
    return store.delete(keys.rows)


def _forget_history(view: str, keys: ViewKeys, store: OnlineStore) -> None:
    """Have the next materialization send all rows, whatever history was materialized last."""
    data = store.read([keys.metadata])[0]
    if data is not None:
        store.write([], {keys.metadata: replace(ViewMetadata.unpack(data, view), history="").pack()})


def empty_view(project: str, view: str, feature_version: str, *, store: OnlineStore) -> int:
    """Delete all that the store holds of one version of a view; how many keys that were.

    Until it is materialized again, the store counts as emptied: requests are refused, not answered from nulls.
    """
    keys = view_keys(project, view, feature_version)
    return store.delete_keys([keys.metadata]) + store.delete(keys.rows)


def invalidate_model(views: Iterable[ServedView], *, store: OnlineStore) -> int:
    """Take away all values that a release reads; how many rows that were."""
    read = {(view.project, view.view, view.feature_version) for view in views}
    return sum(invalidate_view(*named, store=store) for named in sorted(read))


def drop_unused_versions(
    project: str, *, stores: DataStores, online: OnlineStore, keep: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Delete the online values of all versions (view, feature version) but those in `keep`; the versions that had any.

    The histories stay, so that every version can be materialized again.
    """
    unused = sorted(FeatureHistories(stores).versions(project) - set(keep))
    return [version for version in unused if empty_view(project, *version, store=online)]
