"""Loss and drift of a released model: logged predictions and outcomes against the release's test window and profile.

In: a release's `Profile` and test window, the prediction log with outcomes, the declared `Drift` and `Performance`.
Out: a `PerformanceVerdict` or a `DriftVerdict` with all numbers and the next step, stored in `performance_reports` and
`drift_reports`.
Promises: an incident is a risen loss, with at most one false one a year; drift alone is reported and explains. One pass
over the new rows; with too few rows the verdict says how many more it needs; one window that differs is a warning, the
declared number of windows in a row is drift.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
