"""Routes about features: the feature store, values of one entity, pushed values, and skew."""
