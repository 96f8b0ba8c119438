"""Objects in a folder of this machine (or of a mounted disk)."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from touchline.errors import BackendUnavailable, DiskFull, ObjectNotFound
from touchline.storage.disk_failures import is_disk_full
from touchline.storage.objects import PARTIAL, checked_key
from touchline.storage.ulids import Ulids


class FileObjects:
    """Objects as files below `root`, each written aside, flushed to the disk, then renamed into place.

    Unless `is_flushed`, nothing waits for the disk: an object survives a kill of its writer, but no power cut.
    """

    def __init__(self, place: str, *, cache: Path | None = None, is_flushed: bool = True) -> None:  # noqa: ARG002
        path = unquote(urlsplit(place).path) if place.startswith("file://") else place
        self.root = Path(path).absolute()
        self._is_flushed = is_flushed
        self._is_swept = False

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with self._failures_named(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as missing:
                raise ObjectNotFound(key, str(self.root)) from missing

    def write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        if _holds(path, data):
            return
        self._put(path, lambda file: file.write(data))

    def write_file(self, key: str, path: Path) -> None:
        target = self._path(key)
        if target.is_file() and filecmp.cmp(target, path, shallow=False):
            return
        with path.open("rb") as source:
            self._put(target, lambda file: shutil.copyfileobj(source, file, 1 << 20))

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> list[str]:
        folder = prefix.rpartition("/")[0]
        start = f"{folder}/" if folder else ""
        found = _files_below(str(self._path(folder)) if folder else str(self.root), start)
        return sorted(key for key in found if key.startswith(prefix) and not key.startswith(f"{PARTIAL}/"))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._failures_named(path):
            path.unlink(missing_ok=True)

    def local_path(self, key: str) -> Path:
        path = self._path(key)
        if not path.exists():
            raise ObjectNotFound(key, str(self.root))
        return path

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _put(self, path: Path, fill: Callable[[BinaryIO], object]) -> None:
        with self._failures_named(path):
            self._sweep()
            self._make_folders(path.parent)
            partial, file = _new_partial(self.root / PARTIAL)
            try:
                with file:
                    fill(file)
                    file.flush()
                    if self._is_flushed:
                        os.fsync(file.fileno())
                    partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            if self._is_flushed:
                _flush_folder(path.parent)

    def _sweep(self) -> None:
        """Remove what killed writers left; a living writer holds a lock on its file."""
        if self._is_swept:
            return
        self._make_folders(self.root / PARTIAL)
        for left in (self.root / PARTIAL).iterdir():
            with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
        self._is_swept = True

    def _make_folders(self, folder: Path) -> None:
        """Make a folder whose name is on the disk before anything is put into it."""
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        if self._is_flushed:
            _flush_folder(folder.parent)

    @contextmanager
    def _failures_named(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            if is_disk_full(failure):
                raise DiskFull(path.name, str(path.parent)) from failure
            raise BackendUnavailable(
                f"Object store {self.root}",
                f"{path.name}: {os.strerror(failure.errno or errno.EIO)}",
                "Let this user read and write the folder, or name another one.",
            ) from failure


def _files_below(folder: str, start: str) -> Iterator[str]:
    """The paths of all files in a folder and its folders, each with `start` before it. Links are no folders."""
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path, f"{start}{entry.name}/")
            elif entry.is_file():
                yield f"{start}{entry.name}"


def _new_partial(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file that this process has locked."""
    while True:
        path = folder / Ulids().next()
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Another process may have swept it between its creation and its lock.
        if path.exists():
            return path, file
        file.close()


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
