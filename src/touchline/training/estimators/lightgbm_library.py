"""LightGBM's C library without its Python package: `import lightgbm` brings pandas and seconds.

The same library predicts here and there, so the numbers are the same to the last bit.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from touchline.errors import MissingDependency, ModelDamaged
from touchline.training.estimators.c_library import CLibrary, holding_interpreter

Array = NDArray[np.float64]

_NORMAL: Final = 0
_CONTRIBUTIONS: Final = 3
_FLOAT64: Final = 1
_ROW_MAJOR: Final = 1
_ALL_ROUNDS: Final = -1
# Up to here, row after row on the prepared fast path beats setting up a batch.
_FEW_ROWS: Final = 16
# Above, more threads pay. Below, they take the cores from the requests that are answered meanwhile.
_ROWS_OF_ONE_THREAD: Final = 1000


def _library_path() -> Path:
    spec = find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise MissingDependency("A model of the family 'lightgbm'", "lightgbm", [])
    endings = {"win32": "*.dll", "darwin": "*.dylib"}
    found = sorted(Path(spec.origin).parent.glob(f"lib/{endings.get(sys.platform, '*.so')}"))
    if not found:
        raise MissingDependency("A model of the family 'lightgbm'", "lightgbm", [])
    return found[0]


# The signatures of LightGBM's c_api.h, version 4.
_HANDLE: Final = ctypes.c_void_p
_HANDLE_OUT: Final = ctypes.POINTER(ctypes.c_void_p)
_INT_OUT: Final = ctypes.POINTER(ctypes.c_int)
_LENGTH_OUT: Final = ctypes.POINTER(ctypes.c_int64)
_INT: Final = ctypes.c_int
_FAST_ROW: Final = "LGBM_BoosterPredictForMatSingleRowFast"
_SIGNATURES: Final = {
    "LGBM_BoosterLoadModelFromString": (ctypes.c_char_p, _INT_OUT, _HANDLE_OUT),
    "LGBM_BoosterGetNumFeature": (_HANDLE, _INT_OUT),
    "LGBM_BoosterGetNumClasses": (_HANDLE, _INT_OUT),
    "LGBM_BoosterPredictForMatSingleRowFastInit": (
        *(_HANDLE, _INT, _INT, _INT, _INT, ctypes.c_int32, ctypes.c_char_p, _HANDLE_OUT),
    ),
    _FAST_ROW: (_HANDLE, ctypes.c_void_p, _LENGTH_OUT, ctypes.c_void_p),
    "LGBM_BoosterPredictForMat": (
        *(_HANDLE, ctypes.c_void_p, _INT, ctypes.c_int32, ctypes.c_int32, _INT, _INT, _INT, _INT),
        *(ctypes.c_char_p, _LENGTH_OUT, ctypes.c_void_p),
    ),
    "LGBM_FastConfigFree": (_HANDLE,),
    "LGBM_BoosterFree": (_HANDLE,),
}


@cache
def _library() -> CLibrary:
    return CLibrary("LightGBM", _library_path(), _SIGNATURES, last_error="LGBM_GetLastError")


@cache
def _row_function() -> Any:
    arguments = (_HANDLE, ctypes.c_char_p, _LENGTH_OUT, ctypes.c_void_p)
    return holding_interpreter("LightGBM", _library_path(), _FAST_ROW, arguments)


class LightgbmModel:
    """A LightGBM model read from its text."""

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        rounds = ctypes.c_int()
        _library().call(
            "LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle)
        )
        self.columns = self._count("LGBM_BoosterGetNumFeature")
        self.outputs = self._count("LGBM_BoosterGetNumClasses")
        _library().call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._handle,
            _NORMAL,
            0,
            _ALL_ROUNDS,
            _FLOAT64,
            self.columns,
            b"num_threads=1",
            ctypes.byref(self._fast),
        )

    def _count(self, name: str) -> int:
        found = ctypes.c_int()
        _library().call(name, self._handle, ctypes.byref(found))
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
            _library().call(
                _FAST_ROW,
                self._fast,
                row.ctypes.data,
                ctypes.byref(length),
                found[place].ctypes.data,
            )
        return found

    def row_predictor(self) -> Callable[[bytes], Sequence[float]]:
        """A function from one row, the float64 values of its columns, to its outputs: a third of the time of `predict`.

        The interpreter is held meanwhile: letting it go for 20 µs invites another thread to keep it for milliseconds.
        """
        predict_one, length = _row_function(), ctypes.byref(ctypes.c_int64())
        outputs_type: Any = ctypes.c_double * self.outputs

        def predict_row(row: bytes) -> Sequence[float]:
            outputs: Sequence[float] = outputs_type()
            if predict_one(self._fast, row, length, outputs):
                raise _library().failure()
            return outputs

        return predict_row

    def contributions(self, matrix: Array) -> Array:
        """SHAP values of the raw score, [rows, outputs, columns + 1]; the last column is the base value."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        wide = self._predict(rows, _CONTRIBUTIONS, self.outputs * (self.columns + 1))
        return wide.reshape(len(rows), self.outputs, self.columns + 1)

    def _predict(self, rows: Array, what: int, width: int) -> Array:
        found = np.empty((len(rows), width))
        length = ctypes.c_int64()
        _library().call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            rows.ctypes.data,
            _FLOAT64,
            rows.shape[0],
            rows.shape[1],
            _ROW_MAJOR,
            what,
            0,
            _ALL_ROUNDS,
            b"num_threads=1" if len(rows) <= _ROWS_OF_ONE_THREAD else b"",
            ctypes.byref(length),
            found.ctypes.data,
        )
        return found

    def __del__(self) -> None:
        # Interpreter shutdown may have taken the library's name away already.
        if getattr(self, "_fast", None):
            _library().call("LGBM_FastConfigFree", self._fast)
        if getattr(self, "_handle", None):
            _library().call("LGBM_BoosterFree", self._handle)
