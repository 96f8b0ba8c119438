"""Rows and a recipe come in, a fitted and calibrated model goes out."""
