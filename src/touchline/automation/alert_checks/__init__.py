"""Verdicts about the model, its data and its runs come in, observations for alerts go out."""
