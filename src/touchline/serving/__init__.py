"""From a release and a request to a prediction, and from a prediction to what became of it.

In: releases that the journal puts into Production, requests by entity keys or by values, outcomes. Out: answers over
HTTP, a log row for each, outcomes joined to what was said.

Promises: what was answered is logged, at most a moment behind, and survives a kill, a database that is away and a
restart; the log says enough to compute every answer again; a broken release never takes over; promotion and rollback
swap a pointer between two requests; the process imports neither pandas nor MLflow nor Feast.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
