"""The proof that a set can be restored: a scratch home elsewhere computes logged predictions again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from touchline.backup.backup_set import BackupSet
from touchline.backup.places import BackupPlace
from touchline.backup.restore import Restored, restore_set
from touchline.errors import BackupDamaged
from touchline.predictions import Replayed, Sample, replay_sample
from touchline.registry import Families, Releases
from touchline.storage import Database, ObjectStore, count_rows, open_objects, sqlite_damage

_SEED: Final = 7
FamiliesOf = Callable[[Restored], Families]
"""The estimators that the restored code of the projects brings."""


@dataclass(frozen=True)
class RestoreDrill:
    """How a restore is proven: by `sample` predictions of each project, in `scratch` or a temporary folder."""

    families_of: FamiliesOf
    sample: int = 1_000
    scratch: Path | None = None


@dataclass(frozen=True)
class ProjectProof:
    """Logged predictions of one project, computed again in the restored home."""

    project: str
    replayed: int
    mismatches: tuple[Replayed, ...]


@dataclass(frozen=True)
class VerifiedBackup:
    """What a restore of the set gives. A prediction that was answered after `created_at` is not in the set."""

    name: str
    place: str
    created_at: datetime
    files: int
    size: int
    rows: int
    proofs: tuple[ProjectProof, ...]
    recovery_seconds: float
    age: timedelta
    newest_prediction_at: datetime | None
    left_out: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        return not any(proof.mismatches for proof in self.proofs)


@dataclass(frozen=True)
class _RestoredStores:
    database: Database
    objects: ObjectStore


def verify_backup(
    place: BackupPlace,
    name: str | None,
    drill: RestoreDrill,
    *,
    now: datetime,
    on_progress: Callable[[str], None] = lambda _: None,
) -> VerifiedBackup:
    """Restore a set into a scratch folder, compare its rows, and compute logged predictions again.

    `recovery_seconds` is the time from the start to a home whose database answers. Raises `BackupDamaged`.
    """
    with TemporaryDirectory(dir=drill.scratch, prefix="touchline-verify-") as folder:
        began = time.monotonic()
        on_progress(f"restore from {place.label}")
        restored = restore_set(place, name, home=Path(folder) / "home", projects=Path(folder) / "projects")
        backup = restored.backup
        _require_sound_mlflow(backup, restored.home)
        with _opened(restored) as stores:
            ready = time.monotonic() - began
            proofs = () if stores is None else tuple(_prove_all(restored, stores, drill, on_progress))
    return VerifiedBackup(
        name=backup.id,
        place=place.label,
        created_at=backup.created_at,
        files=len(backup.files),
        size=backup.size,
        rows=sum(backup.rows.values()),
        proofs=proofs,
        recovery_seconds=ready,
        age=now - backup.created_at,
        newest_prediction_at=backup.newest_prediction_at,
        left_out=backup.left_out,
    )


@contextmanager
def _opened(restored: Restored) -> Iterator[_RestoredStores | None]:
    """The stores of the restored home, with the rows that the set names; None for a bare MLflow."""
    file = restored.home / "touchline.db"
    if not file.exists():
        yield None
        return
    database = Database.open(f"sqlite:///{file}")
    try:
        _require_rows(restored.backup, database)
        yield _RestoredStores(database, open_objects(restored.home / "objects"))
    finally:
        database.close()


def _prove_all(
    restored: Restored, stores: _RestoredStores, drill: RestoreDrill, on_progress: Callable[[str], None]
) -> Iterator[ProjectProof]:
    releases = Releases(stores, drill.families_of(restored))
    for project in restored.backup.projects:
        on_progress(f"compute predictions of {project} again")
        sample = Sample(rows=drill.sample, seed=_SEED)
        report = replay_sample(stores, project, sample, open_release=releases.open)
        yield ProjectProof(project, report.replayed, report.mismatches)


def _require_rows(backup: BackupSet, database: Database) -> None:
    """Raise `BackupDamaged` where the restored database is not sound or has other rows than the set names."""
    if damage := database.find_damage():
        raise BackupDamaged(backup.id, "home/touchline.db", damage)
    database.migrate()  # a set of an older version
    actual = count_rows(database)
    for table, expected in backup.rows.items():
        if actual.get(table, 0) != expected:
            raise BackupDamaged(
                backup.id, "home/touchline.db", f"table {table} has {actual.get(table, 0)} rows, not {expected}"
            )


def _require_sound_mlflow(backup: BackupSet, home: Path) -> None:
    if (file := home / "mlflow.db").exists() and (damage := sqlite_damage(file)):
        raise BackupDamaged(backup.id, "home/mlflow.db", damage)
