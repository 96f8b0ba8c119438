"""The earlier layouts of a Feast view, so that rows written before a feature was added or removed are still read.

Rows of each layout have keys of their own. Where the present layout has no row of an entity, the newest earlier one
answers: features that it lacks are null, as in Feast's own online stores. A materialization writes the new rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from touchline.features.feast.values import FeastLayout, feast_layout, layout_of
from touchline.features.online.base import OnlineStore
from touchline.features.vectors.served_view import METADATA_PREFIX

_MOST_EARLIER: Final = 4


class PreviousLayouts:
    """Reads the earlier layouts of each view once, and rows in them."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[FeastLayout]] = {}

    def fill(
        self, store: OnlineStore, project: str, view: Any, keys: Sequence[bytes], rows: Sequence[bytes | None]
    ) -> list[bytes | None]:
        """The packed rows of the keys, with those of earlier layouts, packed anew, in place of missing ones."""
        filled = list(rows)
        missing = [place for place, row in enumerate(filled) if row is None]
        present = feast_layout(project, view)
        for earlier in self._of(store, project, view) if missing else ():
            places = [place for place in missing if filled[place] is None]
            old_keys = [earlier.keys.rows + keys[place].removeprefix(present.keys.rows) for place in places]
            for place, key, row in zip(places, old_keys, store.read(old_keys), strict=True):
                filled[place] = None if row is None else _repacked(earlier, present, key, row)
        return filled

    def _of(self, store: OnlineStore, project: str, view: Any) -> list[FeastLayout]:
        """Newest first."""
        present = feast_layout(project, view)
        if present.keys.rows not in self._known:
            layouts = _read(store, project, view)
            self._known[present.keys.rows] = [layout for layout in layouts if layout.layout.id != present.layout.id]
        return self._known[present.keys.rows]

    def remember(self, store: OnlineStore, project: str, view: Any) -> None:
        """Record the view's present layout as its newest, where it is not; rows of the oldest ones are deleted."""
        present = feast_layout(project, view)
        recorded = _read(store, project, view)
        if recorded and recorded[0].layout.id == present.layout.id:
            return
        others = [layout for layout in recorded if layout.layout.id != present.layout.id]
        kept = [present, *others[:_MOST_EARLIER]]
        for layout in others[_MOST_EARLIER:]:
            _delete_rows(store, layout)
        store.write([], {_record_key(project, view): json.dumps([layout.fields for layout in kept]).encode()})
        self._known.clear()

    def forget(self, store: OnlineStore, project: str, view: Any) -> None:
        """Delete the rows of every layout of the view, and the record."""
        for layout in [feast_layout(project, view), *_read(store, project, view)]:
            _delete_rows(store, layout)
        store.delete_keys([_record_key(project, view)])
        self._known.clear()


def _delete_rows(store: OnlineStore, layout: FeastLayout) -> None:
    store.delete(layout.keys.rows)
    store.delete_keys([layout.keys.metadata])


def _record_key(project: str, view: Any) -> bytes:
    return METADATA_PREFIX + f"{project}:{view.name}:layouts".encode()


def _read(store: OnlineStore, project: str, view: Any) -> list[FeastLayout]:
    record = store.read([_record_key(project, view)])[0]
    return [layout_of(project, view, fields) for fields in json.loads(record)] if record else []


def _repacked(earlier: FeastLayout, present: FeastLayout, key: bytes, data: bytes) -> bytes:
    row = earlier.layout.unpack(data, key)
    values = dict(zip(earlier.fields, row.values, strict=True))  # by name and type: a value of another type is null
    return present.layout.pack(row.event, row.created, [values.get(field) for field in present.fields])
