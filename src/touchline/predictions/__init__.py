"""What was predicted and what happened.

In: rows of answered requests, outcomes as clients or ingest bring them. Out: the prediction log in the metadata
database, outcomes with their revisions, the trace of a prediction to its source files, replays.

Promises: a logged prediction is not lost once it is on disk; outcomes are append-only; this room knows no HTTP.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
