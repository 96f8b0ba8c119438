"""Make a backup: stage a set, write it to every place, delete the sets that are too old."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from touchline.backup.capture import BACKUP_LEASE, HomeState, MlflowFiles, staged_home, staged_mlflow
from touchline.backup.record import write_record
from touchline.errors import BackupIncomplete, BackupRefused, TouchlineError
from touchline.storage import hold_lease

if TYPE_CHECKING:
    from touchline.backup.places import BackupPlace
    from touchline.backup.retention import Retention
    from touchline.clock import Clock

_LEASE_TTL: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class CreatedBackup:
    """A set that all places have; `removed` names the sets that were too old, by place."""

    name: str
    removed: Mapping[str, Sequence[str]]


def back_up_home(
    state: HomeState,
    places: Sequence[BackupPlace],
    retention: Retention,
    *,
    clock: Clock,
    on_progress: Callable[[str], None] = lambda _: None,
) -> CreatedBackup:
    """Back up a home while it runs. Raises `LeaseHeld` while another backup or `data prune` runs."""
    _require_kind("home", places)
    now = clock.wall()
    holder = f"touchline backup@{socket.gethostname()}:{os.getpid()}"
    lease = hold_lease(state.database, BACKUP_LEASE, holder=holder, ttl=_LEASE_TTL, clock=clock)
    with lease, staged_home(state, now=now, on_progress=on_progress) as folder:
        created = _push(folder, places, retention, now, on_progress)
    write_record(state.objects, created.name, now, [place.label for place in places])
    return created


def back_up_mlflow(
    mlflow: MlflowFiles, places: Sequence[BackupPlace], retention: Retention, *, scratch: Path, now: datetime
) -> CreatedBackup:
    """Back up an MLflow that touchline does not manage; the set is staged in the folder `scratch`."""
    _require_kind("mlflow", places)
    with staged_mlflow(mlflow, scratch=scratch, now=now) as folder:
        return _push(folder, places, retention, now, lambda _: None)


def _require_kind(kind: str, places: Sequence[BackupPlace]) -> None:
    """Refuse a place with sets of another kind, before anything is copied."""
    for place in places:
        stored = place.kind()
        if stored not in (None, kind):
            raise BackupRefused(
                f"{place.label} has backups of kind {stored!r}, and this one is of kind {kind!r}: old sets make "
                "room for new ones, whatever they hold. Name another place."
            )


def _push(
    folder: Path,
    places: Sequence[BackupPlace],
    retention: Retention,
    now: datetime,
    on_progress: Callable[[str], None],
) -> CreatedBackup:
    """Write a set to each place and delete the old ones there; one that is away keeps no other from its set."""
    name, removed = f"{now:%Y%m%dT%H%M%SZ}", dict[str, Sequence[str]]()
    failures: list[TouchlineError] = []
    for place in places:
        on_progress(f"write to {place.label}")
        try:
            place.push(folder, name)
            removed[place.label] = place.forget(retention)
        except TouchlineError as failure:
            failures.append(failure)
    if failures and removed:
        raise BackupIncomplete(name, list(removed), failures)
    if failures:
        raise failures[0]
    return CreatedBackup(name, removed)
