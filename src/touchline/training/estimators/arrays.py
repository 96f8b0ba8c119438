"""Arrays on disk and the two links between scores and probabilities; NumPy only."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ModelDamaged

Array = NDArray[np.float64]
# What NumPy and `zipfile` raise for damaged archives.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile, struct.error)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """One `.npz`, the same bytes for the same arrays, and without pickled objects."""
    for name, array in arrays.items():
        if array.dtype == object:
            raise TypeError(f"array {name!r} holds Python objects; only plain arrays are written")
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.ascontiguousarray(array) for name, array in arrays.items()})


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a file of `write_arrays`; `ModelDamaged` where the file's checksums do not fit, or it is cut."""
    try:
        content = path.read_bytes()
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except _UNREADABLE as wrong:
        raise ModelDamaged(path.name, str(wrong)) from wrong
    # The archive ends with a record that counts its files; the library does not compare it with those it found.
    counted = int.from_bytes(content[-12:-10], "little")
    if len(arrays) != counted:
        raise ModelDamaged(path.name, f"it has {len(arrays)} arrays, written were {counted}")
    return arrays


def write_checked(path: Path, content: bytes) -> None:
    """A file with its SHA-256 beside it."""
    path.write_bytes(content)
    path.with_name(path.name + ".sha256").write_text(sha256(content).hexdigest() + "\n", encoding="ascii")


def read_checked(path: Path, what: str) -> bytes:
    """The file's content, proven: some libraries end the whole process when they read a damaged model."""
    content = path.read_bytes()
    expected = path.with_name(path.name + ".sha256").read_text(encoding="ascii").strip()
    found = sha256(content).hexdigest()
    if found != expected:
        raise ModelDamaged(what, f"{path.name} has SHA-256 {found[:12]}…, written was {expected[:12]}…")
    return content


def sigmoid(scores: Array) -> Array:
    """1 / (1 + e^-x) without overflow."""
    small = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def softmax(scores: Array) -> Array:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def two_columns(positive: Array) -> Array:
    """Probabilities of both classes from that of the second."""
    return np.stack([1.0 - positive, positive], axis=1)
