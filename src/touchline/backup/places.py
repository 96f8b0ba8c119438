"""Backup places: where sets are stored, and which kind a place is.

A new place is a restic repository (encrypted, deduplicated) where a password is set, else a plain store of files
(deduplicated, not encrypted). An existing place stays what it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from touchline.backup.plain_place import PlainPlace
from touchline.backup.restic_place import ResticPlace
from touchline.backup.retention import Retention
from touchline.errors import BackendUnavailable, BackupRefused, InvalidSetting, without_passwords
from touchline.storage import ObjectStore, open_objects


class BackupPlace(Protocol):
    """Sets by name, oldest first."""

    @property
    def label(self) -> str:
        """The address and the kind, without a password."""

    def push(self, folder: Path, name: str) -> None:
        """Store the set in a folder, whole or not at all."""

    def fetch(self, name: str, target: Path) -> None:
        """Write the files of a set into an empty folder. Raises `BackupDamaged` or `BackupFailed`."""

    def names(self) -> Mapping[str, datetime]:
        """The sets and their times, oldest first."""

    def kind(self) -> str | None:
        """What its sets are of, by the newest one (`BackupSet.kind`); None where there is none."""

    def forget(self, retention: Retention) -> list[str]:
        """Delete the sets that the retention does not keep, and the files that no other set has; their names."""


@dataclass(frozen=True)
class AwayPlace:
    """A place that does not answer now. Another place gets its set all the same, and then `failure` is raised."""

    address: str
    failure: BackendUnavailable

    @property
    def label(self) -> str:
        return f"{without_passwords(self.address)} (away)"

    def push(self, folder: Path, name: str) -> None:  # noqa: ARG002  as the protocol has it
        raise self.failure

    def fetch(self, name: str, target: Path) -> None:  # noqa: ARG002
        raise self.failure

    def names(self) -> Mapping[str, datetime]:
        raise self.failure

    def kind(self) -> str | None:
        return None

    def forget(self, retention: Retention) -> list[str]:  # noqa: ARG002
        raise self.failure


def open_places(addresses: Sequence[str], *, password: str | None) -> list[BackupPlace]:
    """The places that a backup is written to. Raises `BackendUnavailable` where none of them answers."""
    places: list[BackupPlace] = []
    for address in addresses:
        try:
            places.append(open_place(address, password=password))
        except BackendUnavailable as failure:
            places.append(AwayPlace(address, failure))
    away = [place for place in places if isinstance(place, AwayPlace)]
    if len(away) == len(places):
        raise away[0].failure
    return places


def validate_places(addresses: Sequence[str], *, home: Path) -> None:
    """Raise `BackupRefused` for one place that is named twice, and for one inside the home that it is to save."""
    where = [_folder(address) or address.rstrip("/") for address in addresses]
    if len(set(where)) < len(where):
        raise BackupRefused(f"Backup place {addresses[0]} is named twice: a second copy of it protects from nothing.")
    for address, folder in zip(addresses, where, strict=True):
        if isinstance(folder, Path) and folder.is_relative_to(home.resolve()):
            raise BackupRefused(f"Backup place {address} lies inside the home {home}, and would be lost with it.")


def require_folder(address: str) -> None:
    """Raise `BackupRefused` where a place that is to be read is a folder that does not exist."""
    folder = _folder(address)
    if folder is not None and not folder.is_dir():
        raise BackupRefused(f"Backup place {address} does not exist. Make a backup: touchline backup create --to …")


def _folder(address: str) -> Path | None:
    """The folder of an address on this machine, None for a bucket."""
    if "://" in address and not address.startswith("file://"):
        return None
    return Path(unquote(urlsplit(address).path) if address.startswith("file://") else address).resolve()


def open_place(address: str, *, password: str | None) -> BackupPlace:
    """The backup place at a folder or a bucket. Raises `BackupRefused` where it cannot be used as it is."""
    try:
        objects = open_objects(address)
    except InvalidSetting as wrong:  # a store of the settings would be meant
        raise BackupRefused(f"Backup place {wrong.actual} cannot be: {wrong.reason.rstrip('.')}.") from wrong
    is_plain = bool(objects.list("sets/"))
    is_restic = objects.exists("config")
    if is_plain and password is not None:
        raise BackupRefused(
            f"Backup place {address} holds unencrypted sets, and TOUCHLINE_BACKUP_PASSWORD is set: sets would be "
            "written that are not encrypted. Name another place, or unset the password."
        )
    if is_restic or (password is not None and not is_plain):
        return _restic(address, password, is_new=not is_restic)
    _require_own(objects, address)
    return PlainPlace(address, objects)


def _restic(address: str, password: str | None, *, is_new: bool) -> ResticPlace:
    if password is None:
        raise BackupRefused(f"Backup place {address} is encrypted: set TOUCHLINE_BACKUP_PASSWORD, or ..._FILE.")
    binary = shutil.which("restic")
    if binary is None:
        raise BackupRefused(
            f"Backup place {address} needs restic, which is not on the PATH: install it (apt install restic). Without "
            "TOUCHLINE_BACKUP_PASSWORD a new place is a plain folder, which is not encrypted."
        )
    return ResticPlace(address, binary=binary, password=password, is_new=is_new)


def _require_own(objects: ObjectStore, address: str) -> None:
    """A folder with other files is no place: retention deletes what no set refers to."""
    strangers = [key for key in objects.list() if not key.startswith(("sets/", "files/"))]
    if strangers:
        raise BackupRefused(
            f"Backup place {address} has other files ({strangers[0]} …). Name an empty folder or an earlier place."
        )
