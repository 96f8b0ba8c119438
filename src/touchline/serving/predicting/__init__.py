"""Checked rows and a release come in, predictions and their log lines go out."""
