"""LightGBM's C library without its Python package: `import lightgbm` brings pandas and seconds.

The same library predicts here and there, so the numbers are the same to the last bit.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import MissingDependency, ModelDamaged

Array = NDArray[np.float64]

_NORMAL: Final = 0
_CONTRIBUTIONS: Final = 3
_FLOAT64: Final = 1
_ROW_MAJOR: Final = 1
_ALL_ROUNDS: Final = -1
# Up to here, row after row on the prepared fast path beats setting up a batch.
_FEW_ROWS: Final = 16


def _library_path() -> Path:
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise MissingDependency("A model of the family 'lightgbm'", "lightgbm", [])
    endings = {"win32": "*.dll", "darwin": "*.dylib"}
    found = sorted(Path(spec.origin).parent.glob(f"lib/{endings.get(sys.platform, '*.so')}"))
    if not found:
        raise MissingDependency("A model of the family 'lightgbm'", "lightgbm", [])
    return found[0]


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_library_path()))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


@cache
def _row_function() -> Any:
    function = ctypes.PyDLL(str(_library_path())).LGBM_BoosterPredictForMatSingleRowFast
    function.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
    return function


def _call(name: str, *arguments: object) -> None:
    if getattr(_library(), name)(*arguments) != 0:
        raise ModelDamaged("LightGBM", _library().LGBM_GetLastError().decode())


class LightgbmModel:
    """A LightGBM model read from its text."""

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        rounds = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle))
        self.columns = self._count("LGBM_BoosterGetNumFeature")
        self.outputs = self._count("LGBM_BoosterGetNumClasses")
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._handle,
            ctypes.c_int(_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_ROUNDS),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(self.columns),
            b"num_threads=1",
            ctypes.byref(self._fast),
        )
        self._predict_one: Any = _row_function()
        self._length = ctypes.byref(ctypes.c_int64())
        self._outputs_type: Any = ctypes.c_double * self.outputs

    def _count(self, name: str) -> int:
        found = ctypes.c_int()
        _call(name, self._handle, ctypes.byref(found))
        return found.value

    def predict(self, matrix: Array) -> Array:
        """The model's output, [rows, outputs]: probabilities, or values."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if rows.shape[1] != self.columns:
            raise ModelDamaged("LightGBM", f"it has {self.columns} columns, the matrix {rows.shape[1]}")
        if len(rows) > _FEW_ROWS:
            return self._predict(rows, _NORMAL, self.outputs)
        found = np.empty((len(rows), self.outputs))
        length = ctypes.c_int64()
        for place, row in enumerate(rows):
            _call(
                "LGBM_BoosterPredictForMatSingleRowFast",
                self._fast,
                ctypes.c_void_p(row.ctypes.data),
                ctypes.byref(length),
                ctypes.c_void_p(found[place].ctypes.data),
            )
        return found

    def predict_row(self, row: bytes) -> list[float]:
        """The outputs of one row, given as the float64 values of its columns: a third of the time of `predict`.

        The interpreter is held meanwhile: letting it go for 20 µs invites another thread to keep it for milliseconds.
        """
        found = self._outputs_type()
        if self._predict_one(self._fast, row, self._length, found):
            raise ModelDamaged("LightGBM", _library().LGBM_GetLastError().decode())
        outputs: list[float] = found[:]
        return outputs

    def contributions(self, matrix: Array) -> Array:
        """SHAP values of the raw score, [rows, outputs, columns + 1]; the last column is the base value."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        wide = self._predict(rows, _CONTRIBUTIONS, self.outputs * (self.columns + 1))
        return wide.reshape(len(rows), self.outputs, self.columns + 1)

    def _predict(self, rows: Array, what: int, width: int) -> Array:
        found = np.empty((len(rows), width))
        length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(rows.shape[0]),
            ctypes.c_int32(rows.shape[1]),
            ctypes.c_int(_ROW_MAJOR),
            ctypes.c_int(what),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_ROUNDS),
            b"",
            ctypes.byref(length),
            ctypes.c_void_p(found.ctypes.data),
        )
        return found

    def __del__(self) -> None:
        # Interpreter shutdown may have taken the library's name away already.
        if getattr(self, "_fast", None):
            _library().LGBM_FastConfigFree(self._fast)
        if getattr(self, "_handle", None):
            _library().LGBM_BoosterFree(self._handle)
