"""A backup set becomes a home again, in another folder or on other servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from touchline.backup.backup_set import BackupSet, read_set
from touchline.backup.places import BackupPlace
from touchline.errors import BackupNotFound, BackupRefused
from touchline.registry import rewrite_addresses
from touchline.storage.disk_failures import disk_failures_named


@dataclass(frozen=True)
class Restored:
    """A restored set, the home it became, and the folders of its projects."""

    backup: BackupSet
    home: Path
    projects: tuple[Path, ...]


def restore_set(place: BackupPlace, name: str | None, *, home: Path, projects: Path) -> Restored:
    """Restore a set, the newest one without a name: the state into the folder `home`, code below `projects`.

    Raises `BackupRefused` where one of them has files already, `BackupDamaged` with the first file that is not as it
    was written; then nothing is restored. A kill leaves a folder beside `home`, and no half home.
    """
    _require_empty(home)
    with fetched_set(place, name, beside=home) as (folder, backup):
        targets = {project: projects / project for project in backup.projects}
        for target in targets.values():
            _require_empty(target)
        state = folder / "home"
        if (spool := folder / "spool").is_dir():
            shutil.move(spool, state / "spool")
        if backup.artifacts is not None:
            _adopt(state, home, before=Path(backup.artifacts))
        for project, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rmdir()
            shutil.move(folder / "projects" / project, target)
        if home.exists():
            home.rmdir()
        state.chmod(0o700)
        state.rename(home)
    return Restored(backup, home, tuple(targets.values()))


@contextmanager
def fetched_set(place: BackupPlace, name: str | None, *, beside: Path) -> Iterator[tuple[Path, BackupSet]]:
    """A set in a folder, each of its files compared with its hash, for the block; the newest one without a name."""
    names = place.names()
    if name is None and not names:
        raise BackupNotFound(place.label, "newest", names)
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise BackupRefused(f"{beside.parent} cannot be made: {failure.strerror}. Name another folder.") from failure
    with (
        disk_failures_named("the restored set", beside.parent),
        TemporaryDirectory(dir=beside.parent, prefix=f".{beside.name}-restoring-") as scratch,
    ):
        folder = Path(scratch)
        place.fetch(name or list(names)[-1], folder)
        yield folder, read_set(folder)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupRefused(f"{folder} exists and is not empty: a restore never overwrites. Name another folder.")


def _adopt(state: Path, home: Path, *, before: Path) -> None:
    """Give MLflow's database the addresses that its files will have."""
    artifacts = home.absolute() / "mlartifacts"
    for old, new in ((before.as_uri(), artifacts.as_uri()), (str(before), str(artifacts))):
        rewrite_addresses(state / "mlflow.db", old, new)
    if (note := state / "mlartifacts" / "place.txt").exists():
        note.write_text(artifacts.as_uri() + "\n")
