"""Counts and durations come in; metrics, spans and log lines go out."""
