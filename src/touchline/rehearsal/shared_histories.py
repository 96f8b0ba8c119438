"""The feature histories of a rehearsal, each computed once: a view of the same rows at the same instant is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.errors import ObjectNotFound
from touchline.features import FeatureHistories, FeatureHistory, compute_view, read_history
from touchline.storage.file_objects import FileObjects
from touchline.storage.parts import Part, parts_of

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.features import FeatureView
    from touchline.ingest import Snapshot
    from touchline.storage import DataStores, ObjectStore


class SharedHistories:
    """Computes views as `touchline.features.compute_view` does, and stores each history for the other processes."""

    def __init__(self, folder: Path) -> None:
        self._objects: ObjectStore = FileObjects(str(folder), is_flushed=False)

    def compute_view(
        self, view: FeatureView, *, project: str, stores: DataStores, clock: Clock, snapshots: Mapping[str, Snapshot]
    ) -> FeatureHistory:
        """The history of the view, taken over where another process has computed it."""
        name = _name(view, snapshots)
        shared = self._read(name)
        if shared is not None and read_history(view, project=project, stores=stores, hash=shared.hash) is None:
            self._take_over(shared, stores, at=clock.wall())
        history = compute_view(view, project=project, stores=stores, clock=clock, snapshots=snapshots)
        if shared is None and not history.quarantined:  # the file of its quarantined rows is this process's alone
            self._publish(name, history)
        return history

    def _read(self, name: str) -> FeatureHistory | None:
        try:
            document: dict[str, Any] = json.loads(self._objects.read(name))
        except ObjectNotFound:
            return None
        document |= {
            "computed_until": datetime.fromisoformat(document["computed_until"]),
            "parts": parts_of(document["parts"]),
            "pending": None if document["pending"] is None else Part(**document["pending"]),
            "pushed": tuple(document["pushed"]),
            "keys": tuple(document["keys"]),
        }
        return FeatureHistory(**document, objects=self._objects)

    def _take_over(self, history: FeatureHistory, stores: DataStores, *, at: datetime) -> None:
        for part in history.stored:
            stores.objects.write_file(part.key, self._objects.local_path(part.key))
        FeatureHistories(stores).record(replace(history, objects=stores.objects), at=at)

    def _publish(self, name: str, history: FeatureHistory) -> None:
        """Store the history, its files first: whoever finds the record finds all of it."""
        for part in history.stored:
            self._objects.write_file(part.key, history.objects.local_path(part.key))
        document = {key: value for key, value in vars(history).items() if key != "objects"}
        document |= {
            "computed_until": history.computed_until.isoformat(),
            "snapshots": dict(history.snapshots),
            "parts": [part.to_json() for part in history.parts],
            "pending": None if history.pending is None else history.pending.to_json(),
        }
        self._objects.write(name, json.dumps(document).encode())


def _name(view: FeatureView, snapshots: Mapping[str, Snapshot]) -> str:
    hashes = sorted((source, snapshot.hash) for source, snapshot in snapshots.items())
    return f"{sha256(json.dumps([view.name, view.feature_version, hashes]).encode()).hexdigest()[:32]}.json"
