"""Reference and current window in, verdicts out: has what the model sees, or what it says, drifted?

What comes in: a release's `Profile`, the prediction log, a declared `Drift` rule, the verdict before.
What goes out: a `DriftVerdict` with every column's numbers and what to do, recorded in `drift_reports`.
What it promises: one pass over the new rows; too few rows are no verdict but say how many more; a single odd
window is a warning, the declared number of windows in a row is drift; secrets of alert addresses are never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.monitoring.current import read_current as read_current
    from touchline.monitoring.drift import ColumnVerdict as ColumnVerdict
    from touchline.monitoring.drift import DriftVerdict as DriftVerdict
    from touchline.monitoring.drift import check_drift as check_drift
    from touchline.monitoring.drift_reports import check_release_drift as check_release_drift
    from touchline.monitoring.drift_reports import read_reports as read_reports
    from touchline.monitoring.spec import Alerts as Alerts
    from touchline.monitoring.spec import Drift as Drift
    from touchline.monitoring.spec import Monitoring as Monitoring
    from touchline.monitoring.window import CurrentRows as CurrentRows
    from touchline.monitoring.window import Window as Window

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.monitoring.current": ["read_current"],
        "touchline.monitoring.drift": ["ColumnVerdict", "DriftVerdict", "check_drift"],
        "touchline.monitoring.drift_reports": ["check_release_drift", "read_reports"],
        "touchline.monitoring.spec": ["Alerts", "Drift", "Monitoring"],
        "touchline.monitoring.window": ["CurrentRows", "Window"],
    },
)
