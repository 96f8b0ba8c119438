"""Routes about the model: its versions and their stages, its health, its predictions and its rollout."""
