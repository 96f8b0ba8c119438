"""A version comes in; its gates are checked, and it moves through stages and rollouts."""
