"""Drift of a model's inputs and outputs: a current window of the prediction log against a reference.

In: a release's `Profile`, the prediction log, a declared `Drift` rule, the verdict before.
Out: a `DriftVerdict` with the numbers of every column and the next step, stored in `drift_reports`.
Promises: one pass over the new rows; with too few rows the verdict says how many more it needs; one window that differs
is a warning, the declared number of windows in a row is drift.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
