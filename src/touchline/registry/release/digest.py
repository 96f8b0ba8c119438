"""One number for a folder: the SHA-256 over the sorted paths and hashes of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Written last, so that a folder without it is a build that was cut off. It is no part of what it names.
DIGEST_FILE: Final = "DIGEST"
# Signs all other files, `DIGEST` too; it is no part of what the digest names.
SIGNATURE_FILE: Final = "model.sig"


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but `DIGEST` and the signature, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    found = {path.relative_to(folder).as_posix(): sha256_of(path.read_bytes()) for path in files}
    found.pop(DIGEST_FILE, None)
    found.pop(SIGNATURE_FILE, None)
    return found


def digest_of(hashes: Mapping[str, str]) -> str:
    """The digest of files known by their hashes.

    >>> digest_of({"b": "1", "a": "2"}) == digest_of({"a": "2", "b": "1"})
    True
    """
    return sha256_of("".join(f"{path}\0{found}\n" for path, found in sorted(hashes.items())).encode())
