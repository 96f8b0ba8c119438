"""Families of estimators: how each is fitted, what it writes, and how it predicts once restored.

Each is an entry point of the group `touchline.estimators`; a project brings its own in the same shape. Fitting may
import the library; restoring and predicting import NumPy and what the family's file says, never pandas.
"""

from __future__ import annotations
