"""One file per group of commands: what a person types comes in, a call into a room goes out."""
