"""Sets as plain files in a folder or a bucket: `files/` has each content once, `sets/` names them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from touchline.backup.backup_set import MANIFEST, BackupSet, hash_file
from touchline.backup.retention import Retention, expired_sets
from touchline.errors import BackupDamaged, BackupNotFound, ObjectNotFound, without_passwords
from touchline.storage import ObjectStore

_SETS: Final = "sets/"
_FILES: Final = "files/"
_HASH_LETTERS: Final = 16


@dataclass(frozen=True)
class PlainPlace:
    """Sets in an object store. A set is there once its manifest is, which is written last.

    The name of the manifest has its own hash, so that a changed manifest is found too.
    """

    address: str
    objects: ObjectStore

    @property
    def label(self) -> str:
        return f"{without_passwords(self.address)} (plain files, not encrypted)"

    def push(self, folder: Path, name: str) -> None:
        manifest = (folder / MANIFEST).read_bytes()
        for path, file in BackupSet.from_bytes(manifest, place=self.label).files.items():
            key = _key(file.sha256)
            if not self.objects.exists(key):
                self.objects.write_file(key, folder / path)
        self.objects.write(f"{_SETS}{name}-{_hash(manifest)}.json", manifest)

    def fetch(self, name: str, target: Path) -> None:
        manifest = self._manifest(name)
        for path, expected in BackupSet.from_bytes(manifest, place=name).files.items():
            file = target / path
            if not file.resolve().is_relative_to(target.resolve()):
                raise BackupDamaged(name, path, "it would be written outside the folder")
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                file.write_bytes(self.objects.read(_key(expected.sha256)))
            except ObjectNotFound as missing:
                raise BackupDamaged(name, path, f"{_key(expected.sha256)} is missing in {self.address}") from missing
            if hash_file(file) != expected:
                raise BackupDamaged(name, path, f"{_key(expected.sha256)} in {self.address} was changed")
        (target / MANIFEST).write_bytes(manifest)

    def names(self) -> Mapping[str, datetime]:
        return {name: _instant(name) for name in sorted(self._keys())}

    def kind(self) -> str | None:
        names = list(self.names())
        return BackupSet.from_bytes(self._manifest(names[-1]), place=names[-1]).kind if names else None

    def forget(self, retention: Retention) -> list[str]:
        keys = self._keys()
        expired = expired_sets(list(self.names().items()), retention)
        retained = {
            file.sha256
            for name in keys
            if name not in expired
            for file in BackupSet.from_bytes(self._manifest(name), place=name).files.values()
        }
        for name in expired:
            self.objects.delete(keys[name])
        for key in self.objects.list(_FILES) if expired else ():
            if key.rpartition("/")[2] not in retained:
                self.objects.delete(key)
        return expired

    def _keys(self) -> dict[str, str]:
        keys = self.objects.list(_SETS)
        return {key.removeprefix(_SETS).rpartition("-")[0]: key for key in keys if key.endswith(".json")}

    def _manifest(self, name: str) -> bytes:
        keys = self._keys()
        if name not in keys:
            raise BackupNotFound(self.address, name, keys)
        data = self.objects.read(keys[name])
        if not keys[name].endswith(f"-{_hash(data)}.json"):
            raise BackupDamaged(name, keys[name], "it was changed")
        return data


def _key(sha256: str) -> str:
    return f"{_FILES}{sha256[:2]}/{sha256}"


def _hash(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:_HASH_LETTERS]


def _instant(name: str) -> datetime:
    return datetime.strptime(name, "%Y%m%dT%H%M%S%z")
