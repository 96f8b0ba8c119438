"""A version and its evidence come in; comparisons, a verdict of every gate and decisions (promote, reject) go out."""
