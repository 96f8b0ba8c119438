"""Logged vectors come in, the proof that offline and online agree goes out; statistics of views."""
