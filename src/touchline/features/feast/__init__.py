"""Feast objects and plugin stores over the engines of this room. The only wing that imports Feast."""
