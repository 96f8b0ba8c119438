"""Take values out of the online store: an entity's, a view's, or all that a model reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from touchline.errors import InvalidEntityKey
from touchline.features.vectors.served_view import ServedView, entity_key, view_keys
from touchline.storage import tables

if TYPE_CHECKING:
    from touchline.features.declaration.spec import FeatureView
    from touchline.features.online.base import OnlineStore
    from touchline.storage import Database


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
        store.delete_keys([keys.meta])
    return gone


def invalidate_view(project: str, view: str, feature_version: str, *, store: OnlineStore) -> int:
    """Take away all values of one version of a view; how many rows that were."""
    keys = view_keys(project, view, feature_version)
    store.delete_keys([keys.meta])
    return store.delete(keys.rows)


def invalidate_model(views: Iterable[ServedView], *, store: OnlineStore) -> int:
    """Take away all values that a release reads; how many rows that were."""
    read = {(view.project, view.view, view.feature_version) for view in views}
    return sum(invalidate_view(*named, store=store) for named in sorted(read))


def drop_unused_versions(
    project: str, *, database: Database, store: OnlineStore, keep: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Take away the versions (view, feature version) that were computed and are not in `keep`; which had rows."""
    table = tables.feature_histories
    with database.connect() as connection:
        query = select(table.c.view, table.c.feature_version).where(table.c.project == project).distinct()
        computed = [(row.view, row.feature_version) for row in connection.execute(query)]
    unused = sorted(set(computed) - set(keep))
    return [named for named in unused if invalidate_view(project, *named, store=store)]
