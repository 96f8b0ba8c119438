"""XGBoost's C library without its Python package, whose import brings pandas and seconds."""

from __future__ import annotations

import ctypes
import json
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import MissingDependency
from touchline.training.estimators.c_library import CLibrary

Array = NDArray[np.float64]

_CONFIG = json.dumps(
    {
        "type": 0,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "missing": float("nan"),
        "strict_shape": True,
        "cache_id": 0,
    }
).encode()


def _library_path() -> Path:
    spec = find_spec("xgboost")
    endings = {"win32": "xgboost.dll", "darwin": "libxgboost.dylib"}
    name = endings.get(sys.platform, "libxgboost.so")
    path = Path(spec.origin).parent / "lib" / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise MissingDependency("A model of the family 'xgboost'", "xgboost", ["xgboost"])
    return path


# The signatures of XGBoost's c_api.h, version 3.
_HANDLE: Final = ctypes.c_void_p
_UNSIGNED_OUT: Final = ctypes.POINTER(ctypes.c_uint64)
_SIGNATURES: Final = {
    "XGBoosterCreate": (ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_void_p)),
    "XGBoosterLoadModelFromBuffer": (_HANDLE, ctypes.c_char_p, ctypes.c_uint64),
    "XGBoosterSetParam": (_HANDLE, ctypes.c_char_p, ctypes.c_char_p),
    "XGBoosterPredictFromDense": (
        *(_HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p),
        *(ctypes.POINTER(_UNSIGNED_OUT), _UNSIGNED_OUT, ctypes.POINTER(ctypes.POINTER(ctypes.c_float))),
    ),
    "XGBoosterFree": (_HANDLE,),
}


@cache
def _library() -> CLibrary:
    return CLibrary("XGBoost", _library_path(), _SIGNATURES, last_error="XGBGetLastError")


class XgboostModel:
    """An XGBoost model read from its UBJ bytes."""

    def __init__(self, content: bytes) -> None:
        self._handle = ctypes.c_void_p()
        _library().call("XGBoosterCreate", None, 0, ctypes.byref(self._handle))
        _library().call("XGBoosterLoadModelFromBuffer", self._handle, content, len(content))
        _library().call("XGBoosterSetParam", self._handle, b"nthread", b"1")

    def predict(self, matrix: Array) -> Array:
        """The model's output, [rows, outputs], in single precision as XGBoost computes it."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        described = json.dumps(
            {"data": [rows.ctypes.data, True], "shape": list(rows.shape), "typestr": "<f8", "version": 3}
        )
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        found = ctypes.POINTER(ctypes.c_float)()
        _library().call(
            "XGBoosterPredictFromDense",
            self._handle,
            described.encode(),
            _CONFIG,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(found),
        )
        sides = [shape[side] for side in range(dimensions.value)]
        # The library owns the memory and reuses it for this thread's next call.
        return np.ctypeslib.as_array(found, shape=tuple(sides)).astype(np.float64)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library().call("XGBoosterFree", self._handle)
