"""Snapshots come in; feature histories, point-in-time joins and training sets go out."""
