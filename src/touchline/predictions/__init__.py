"""Logged predictions and their outcomes.

In: rows of answered requests; outcomes from clients or from ingest. Out: the prediction log in the metadata database,
outcomes with their revisions, the trace of a prediction to its source files, replays, skew proofs, exports.

Promises: a logged prediction is not lost once it is on disk; outcomes are only added; each table is read in one file,
and a read counts answers alone unless its caller names other roles; this room knows no HTTP.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
