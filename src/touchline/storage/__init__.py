"""Storage: the metadata database, the objects, and the leases that keep two processes apart.

In come a database URL and an objects URL; out go a `Database` (SQLite embedded, PostgreSQL beyond) whose
tables are in `touchline.storage.tables`, an `ObjectStore` of immutable files, and leases with a fencing
token. Promised: a write is whole or absent, whenever the process is killed; writers take turns; instants
come back aware, in UTC, to the microsecond; a full disk or a locked database says so and changes nothing.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
