"""Sources become checked, versioned tables.

In: a `Source` (contract, key, time columns) with a provider of files, SQL, HTTP or frames. Out: immutable Parquet
snapshots of every row version, named by the SHA-256 of their content, a manifest for each ingest, and a quarantine
with the rule and the value of every rejected row. Promises: the same bytes twice make one snapshot; a kill at any
point leaves the last good one; a batch that breaks too many rules changes nothing; no row is dropped uncounted;
every version says when its fact was knowable (`event_timestamp`) and when we could know it (`created_timestamp`).
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
