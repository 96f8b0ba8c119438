"""Snapshots become features that are right in time, offline and online.

In: feature views declared over sources, and the sources' snapshots. Out: a feature history per view (Parquet, sorted,
bitemporal), training sets by a point-in-time join, and packed rows in an online store that serving reads without Feast.

Promises: as many rows out of a join as went in, in the same order; no value counts before it was known; a value older
than its TTL counts neither offline nor online; what is served can be computed again offline.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
