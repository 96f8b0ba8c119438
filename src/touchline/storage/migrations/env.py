"""The script that Alembic runs: the migrations, on the connection from `storage.migrate`."""

from __future__ import annotations

from alembic import context

from touchline.storage.migrate import is_no_partition
from touchline.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=is_no_partition,
    # SQLite takes schema changes inside a transaction: a killed migration leaves the old schema whole.
    transactional_ddl=True,
)
context.run_migrations()
