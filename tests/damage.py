"""Damage to stored files, as disks and people do it."""

from __future__ import annotations

from pathlib import Path


def damage_file(path: Path, damage: str) -> None:
    """`flip` a byte in the middle, `cut` the second half off, or `delete` the file."""
    data = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
