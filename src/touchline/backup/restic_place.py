"""Sets in a restic repository: encrypted, deduplicated by blocks, in a folder or a bucket."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from touchline.backup.backup_set import MANIFEST, BackupSet
from touchline.backup.retention import Retention
from touchline.errors import BackupFailed, BackupNotFound, without_passwords

_TAG: Final = "touchline"
_SET_TAG: Final = "set="
_KIND_TAG: Final = "kind="


@dataclass(frozen=True)
class ResticPlace:
    """A restic repository whose snapshots are sets. The password reaches restic by its environment only."""

    address: str
    binary: str
    password: str
    is_new: bool = False

    @property
    def label(self) -> str:
        return f"{without_passwords(self.address)} (restic, encrypted)"

    def push(self, folder: Path, name: str) -> None:
        if self.is_new and not self._is_there():
            self._run("init")
        # Relative to the set, so that it can be restored anywhere; one host, so that any machine finds the set before.
        kind = BackupSet.from_bytes((folder / MANIFEST).read_bytes(), place=name).kind
        tags = ("--tag", _TAG, "--tag", f"{_SET_TAG}{name}", "--tag", f"{_KIND_TAG}{kind}")
        self._run("unlock", "--quiet")  # a killed restic leaves a lock, which keeps `forget` out; live ones stay
        self._run("backup", "--quiet", "--host", _TAG, "--ignore-inode", *tags, ".", folder=folder)

    def fetch(self, name: str, target: Path) -> None:
        snapshots = self._snapshots()
        if name not in snapshots:
            raise BackupNotFound(self.address, name, snapshots)
        self._run("restore", snapshots[name], "--target", str(target))

    def names(self) -> Mapping[str, datetime]:
        return {name: datetime.strptime(name, "%Y%m%dT%H%M%S%z") for name in sorted(self._snapshots())}

    def kind(self) -> str | None:
        newest = max(self._stored(), key=lambda one: str(one["time"]), default=None)
        tags = newest.get("tags", ()) if newest else ()
        return next((tag.removeprefix(_KIND_TAG) for tag in tags if tag.startswith(_KIND_TAG)), None)

    def forget(self, retention: Retention) -> list[str]:
        before = self._snapshots()
        limits = {"daily": retention.daily, "weekly": retention.weekly, "monthly": retention.monthly}
        rules = [word for period, count in limits.items() if count for word in (f"--keep-{period}", str(count))]
        self._run("forget", "--tag", _TAG, "--group-by", "host", "--keep-last", "1", *rules, "--prune", "--quiet")
        after = self._snapshots()
        return [name for name in sorted(before) if name not in after]

    def _stored(self) -> list[dict[str, Any]]:
        if self.is_new and not self._is_there():
            return []
        return list(json.loads(self._run("snapshots", "--json", "--tag", _TAG) or "[]"))

    def _snapshots(self) -> dict[str, str]:
        names = [(one, tag) for one in self._stored() for tag in one.get("tags", ()) if tag.startswith(_SET_TAG)]
        return {tag.removeprefix(_SET_TAG): str(one["id"]) for one, tag in names}

    def _is_there(self) -> bool:
        return self._process("cat", "config", "--quiet").returncode == 0

    def _run(self, *words: str, folder: Path | None = None) -> str:
        done = self._process(*words, folder=folder)
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip() or f"code {done.returncode}").splitlines()
            raise BackupFailed(self.label, f"restic {words[0]} failed: {' '.join(lines[-3:])}")
        return done.stdout

    def _process(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_")}
        environment |= {"RESTIC_PASSWORD": self.password, "RESTIC_REPOSITORY": _repository(self.address)}
        return subprocess.run(
            [self.binary, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def _repository(address: str) -> str:
    """The address as restic writes it: a folder, or a bucket of any S3 server."""
    if address.startswith("s3://"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com").rstrip("/")
        return f"s3:{endpoint}/{address.removeprefix('s3://')}"
    return str(Path(address.removeprefix("file://")).absolute())
