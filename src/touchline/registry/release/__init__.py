"""A model version comes in, an immutable bundle that serving loads goes out."""
