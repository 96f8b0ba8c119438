"""Declarations of features: entities, views, examples, transforms, and the versions of their code."""
