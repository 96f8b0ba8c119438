"""Numbers in, numbers out: intervals, paired comparisons, drift tests and reference profiles.

What comes in: arrays of losses or values, cluster labels (such as match days) in time order, a seed.
What goes out: frozen results (`ConfidenceInterval`, `Comparison`, `ColumnDrift`, `Profile`).
What it promises: no I/O, no clock, no state; the same numbers and seed give the same result. Sequential tests
(`TwoWitnesses`, `HarmTest`, `RateMonitor`, `CalibrationMonitor`, `SampleRatio`) take a batch of outcomes and return
their next state as a value; `decide_at_end` spends the alpha that is reserved for the declared end. Rows of one
cluster stand or fall together, and clusters in time order may depend on their neighbours. SciPy is
imported only by the functions that need it.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
