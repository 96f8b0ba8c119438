"""Routes of the ingested data: the age of sources, their contracts, snapshots and rejected rows."""
