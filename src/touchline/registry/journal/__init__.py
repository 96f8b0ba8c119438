"""Stage changes and versions come in; the append-only journal and the stages of every version go out."""
