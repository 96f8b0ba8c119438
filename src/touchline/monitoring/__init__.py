"""Reference and current window in, verdicts out: has what the model sees, or what it says, drifted?

What comes in: a release's `Profile`, the prediction log, a declared `Drift` rule, the verdict before.
What goes out: a `DriftVerdict` with every column's numbers and what to do, recorded in `drift_reports`.
What it promises: one pass over the new rows; too few rows are no verdict but say how many more; a single odd
window is a warning, the declared number of windows in a row is drift; secrets of alert addresses are never shown.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
