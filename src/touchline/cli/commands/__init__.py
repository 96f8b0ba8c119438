"""One file for each group of commands: the typed arguments come in, a call into a room goes out."""
