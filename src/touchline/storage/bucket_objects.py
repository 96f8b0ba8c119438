"""Objects in a bucket: S3 and every service that speaks its protocol, Google Cloud Storage, Azure Blob Storage.

By obstore, the Python binding of the Rust crate `object_store`: one small wheel for the three clouds. Credentials,
region and endpoint come from the environment under the names that each cloud's own tools read (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ...), never from the URL.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from hashlib import md5, sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from touchline.errors import BackendUnavailable, InvalidSetting, ObjectNotFound
from touchline.storage.file_objects import FileObjects
from touchline.storage.objects import checked_key

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_FILES: Final = "files"
_TAGS: Final = "tags"
_CONTENT_NAMED: Final = re.compile(r"[0-9a-f]{64}(\.[a-z]+)?$")
_CACHE_BYTES: Final = 20_000_000_000
# Younger files may be about to be opened by the reader that asked for them.
_YOUNG: Final = timedelta(hours=1).total_seconds()
_NEXT_STEP: Final = (
    "Check the bucket's name, its credentials and endpoint in the environment; `touchline doctor` tests it."
)
_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "abfss": "AZURE_STORAGE_ACCOUNT_KEY",
}
# Without these variables the library asks the machine for its own identity, as a virtual machine of the cloud has one.
_ASKS_MACHINE: Final = re.compile("token request|/latest/api/token|/latest/meta-data")


class BucketObjects:
    """Objects below a URL such as `s3://bucket/folder`, with copies in a local folder for what is scanned.

    A put is whole or absent, as the services promise. An object named by its SHA-256 is fetched once; of any other the
    service is asked each time whether it changed (its entity tag). Copies that nobody opened for the longest time are
    removed above 20 GB.
    """

    def __init__(self, place: str, *, cache: Path | None = None) -> None:
        self._store: Any = _open(place)
        self.place = place.rstrip("/")
        name = sha256(self.place.encode()).hexdigest()[:16]
        self._folder = (cache or Path(mkdtemp(prefix="touchline-"))) / name
        self._cache = FileObjects(str(self._folder))
        self._fetched = 0

    def read(self, key: str) -> bytes:
        with self._failures_named(checked_key(key)):
            return bytes(obstore.get(self._store, key).bytes())

    def write(self, key: str, data: bytes) -> None:
        with self._failures_named(checked_key(key), writing=True):
            if not self._holds(key, data):
                tag = obstore.put(self._store, key, data).get("e_tag")
                self._keep(key, data, tag)

    def write_file(self, key: str, path: Path) -> None:
        self.write(key, path.read_bytes())

    def exists(self, key: str) -> bool:
        with self._failures_named(checked_key(key)):
            return self._head(key) is not None

    def list(self, prefix: str = "") -> list[str]:
        folder = prefix.rpartition("/")[0]
        with self._failures_named(checked_key(folder) if folder else self.place):
            batches = obstore.list(self._store, folder or None, chunk_size=1000)
            return sorted(found["path"] for batch in batches for found in batch if found["path"].startswith(prefix))

    def delete(self, key: str) -> None:
        with self._failures_named(checked_key(key)):
            if self._head(key) is not None:
                obstore.delete(self._store, key)
        self._cache.delete(f"{_FILES}/{key}")

    def local_path(self, key: str) -> Path:
        with self._failures_named(checked_key(key)):
            if self._is_current(key) or self._fetch(key):
                path = self._folder / _FILES / key
                os.utime(path, (time.time(), path.stat().st_mtime))
                return path
        return self._folder_of(key)

    def _folder_of(self, key: str) -> Path:
        """The copies of all objects below a key, and of no others."""
        keys = self.list(f"{key}/")
        if not keys:
            raise ObjectNotFound(key, self.place)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.local_path, keys))
        for copy in set(self._cache.list(f"{_FILES}/{key}/")) - {f"{_FILES}/{one}" for one in keys}:
            self._cache.delete(copy)
        return self._folder / _FILES / key

    def _is_current(self, key: str) -> bool:
        """Whether the copy is the object as it is now."""
        if not self._cache.exists(f"{_FILES}/{key}"):
            return False
        if _CONTENT_NAMED.search(key):
            return True
        found = self._head(key)
        return found is not None and self._tag_of(key) == found["e_tag"] is not None

    def _fetch(self, key: str) -> bool:
        """Copy the object; False where there is none."""
        try:
            response = obstore.get(self._store, key)
        except FileNotFoundError:
            return False
        self._keep(key, bytes(response.bytes()), response.meta["e_tag"])
        self._fetched += 1
        if self._fetched % 256 == 1:
            _remove_oldest(self._folder / _FILES, _CACHE_BYTES)
        return True

    def _keep(self, key: str, data: bytes, tag: str | None) -> None:
        self._cache.write(f"{_FILES}/{key}", data)
        if not _CONTENT_NAMED.search(key):
            self._cache.write(f"{_TAGS}/{sha256(key.encode()).hexdigest()}", (tag or "").encode())

    def _tag_of(self, key: str) -> str | None:
        try:
            return self._cache.read(f"{_TAGS}/{sha256(key.encode()).hexdigest()}").decode() or None
        except ObjectNotFound:
            return None

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether the object has these bytes: by its name, or by the MD5 that S3 gives a simple put as its tag."""
        found = self._head(key)
        if found is None or found["size"] != len(data):
            return False
        digest = md5(data, usedforsecurity=False).hexdigest()
        return bool(_CONTENT_NAMED.search(key)) or str(found["e_tag"]).strip('"') == digest

    def _head(self, key: str) -> Mapping[str, Any] | None:
        try:
            return obstore.head(self._store, key)
        except FileNotFoundError:
            return None

    @contextmanager
    def _failures_named(self, key: str, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as missing:
            if writing:
                raise BackendUnavailable(f"Object store {self.place}", "it has no such bucket", _NEXT_STEP) from missing
            raise ObjectNotFound(key, self.place) from missing
        except BaseError as failure:
            reason, next_step = f"{key}: {_reason(failure)}", _NEXT_STEP
            if _ASKS_MACHINE.search(str(failure)):
                reason = "the environment has no credentials for it, and this machine has no identity of its own"
                next_step = f"Set {_CREDENTIALS[urlsplit(self.place).scheme]}; `touchline doctor` tests it."
            raise BackendUnavailable(f"Object store {self.place}", reason, next_step) from failure


def _open(place: str) -> Any:
    """The store at a URL. Raises `InvalidSetting` for one that holds a secret or names no bucket."""
    parts = urlsplit(place)
    if "@" in parts.netloc and not place.startswith(("abfs", "az")):
        raise InvalidSetting(
            "TOUCHLINE_OBJECTS_URL", f"{parts.scheme}://…@{parts.hostname}", "keys belong in the environment"
        )
    if not parts.netloc:
        raise InvalidSetting(
            "TOUCHLINE_OBJECTS_URL", place, "write scheme://bucket/folder, such as s3://models/touchline"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", ""))
    options: ClientConfig = {"connect_timeout": "5s", "timeout": "300s"}
    if endpoint.startswith("http://"):  # somebody wrote it so: a service of the own network
        options["allow_http"] = True
    retries: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
    try:
        return from_url(place.rstrip("/"), client_options=options, retry_config=retries)
    except (BaseError, ValueError) as failure:
        reason = f"{_reason(failure)}; its credentials are {_CREDENTIALS[parts.scheme]}"
        raise InvalidSetting("TOUCHLINE_OBJECTS_URL", place, reason) from failure


def _reason(failure: Exception) -> str:
    """The failure in one line: the service's own code and message where it sent them."""
    if isinstance(failure, (PermissionDeniedError, UnauthenticatedError)) and "<Code>" not in str(failure):
        return "the service refused these credentials"  # the response to a HEAD request has no body that says more
    text = str(failure).split("\n\nDebug source")[0]
    found = [re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Code", "Message")]
    if all(found):
        return ": ".join(match.group(1).strip() for match in found if match)
    return re.sub("^Generic [A-Za-z0-9]+ error: ", "", " ".join(text.split()))[:300].removesuffix(".")


def _remove_oldest(folder: Path, allowed_bytes: int) -> None:
    """Remove the copies that nobody opened for the longest time, until the rest fits."""
    found = []
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            found.append((status.st_atime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for opened_at, size, path in sorted(found, key=lambda one: one[0]):
        if total <= allowed_bytes or opened_at > time.time() - _YOUNG:
            return
        path.unlink(missing_ok=True)
        total -= size
