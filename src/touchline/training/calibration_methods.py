"""The names of the calibration methods; apart, since loading a model must not load the declaration."""

from __future__ import annotations

from typing import Final, Literal, get_args

CalibrationMethod = Literal["none", "temperature", "platt", "isotonic"]
CALIBRATION_METHODS: Final[tuple[CalibrationMethod, ...]] = get_args(CalibrationMethod)
