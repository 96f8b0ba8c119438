"""Stage changes come in; the append-only journal, the stages it adds up to and the MLflow aliases go out."""
