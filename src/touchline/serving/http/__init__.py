"""Requests come in, responses go out: the application, its fast path and its routes."""
