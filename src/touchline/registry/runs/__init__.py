"""A training result comes in; an MLflow run, a model version and their files go out. Only this wing imports MLflow."""
