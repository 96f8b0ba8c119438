"""Where everything lies: the metadata database, the objects, and the leases that keep two processes apart.

In come a database URL and an objects URL; out go a `Database` (SQLite embedded, PostgreSQL beyond) whose
tables are in `touchline.storage.tables`, an `ObjectStore` of immutable files, and leases with a fencing
token. Promised: a write is whole or absent, whenever the process is killed; writers take turns; instants
come back aware, in UTC, to the microsecond; a full disk or a locked database says so and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.storage.database import Database as Database
    from touchline.storage.leases import Lease as Lease
    from touchline.storage.leases import hold_lease as hold_lease
    from touchline.storage.objects import ObjectStore as ObjectStore
    from touchline.storage.objects import open_objects as open_objects
    from touchline.storage.stores import ROW_GROUP as ROW_GROUP
    from touchline.storage.stores import Stores as Stores
    from touchline.storage.stores import parquet_bytes as parquet_bytes

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.storage.database": ["Database"],
        "touchline.storage.leases": ["Lease", "hold_lease"],
        "touchline.storage.objects": ["ObjectStore", "open_objects"],
        "touchline.storage.stores": ["ROW_GROUP", "Stores", "parquet_bytes"],
    },
)
