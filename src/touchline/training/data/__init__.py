"""A training set comes in; checked rows, splits and balanced samples go out."""
