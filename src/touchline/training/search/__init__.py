"""Candidates and a budget come in, the best recipe goes out."""
