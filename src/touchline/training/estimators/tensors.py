"""The safetensors format, written and read with NumPy alone: a JSON header, then the bytes of every array."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.errors import ModelDamaged

_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}


def to_safetensors(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The arrays by name, sorted; equal arrays give equal bytes."""
    header: dict[str, object] = {}
    body = b""
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        kind = next(kind for kind, dtype in _TYPES.items() if dtype == array.dtype)
        content = array.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    described = json.dumps(header, separators=(",", ":")).encode()
    # Readers that map the file want the arrays to begin at a multiple of eight.
    described += b" " * (-len(described) % 8)
    return len(described).to_bytes(8, "little") + described + body


def from_safetensors(content: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays; `ModelDamaged` when the bytes do not hold what the header says."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        body = content[8 + length :]
        return {
            name: np.frombuffer(body[slice(*entry["data_offsets"])], dtype=_TYPES[entry["dtype"]]).reshape(
                entry["shape"]
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError) as wrong:
        raise ModelDamaged("A safetensors file", str(wrong)) from wrong
