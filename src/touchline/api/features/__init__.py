"""Routes about data: the feature store, values of one entity, pushed values, and the age of sources."""
