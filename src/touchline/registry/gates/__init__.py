"""A version and its evidence come in, a verdict of every gate and a promotion go out."""
