"""The records of a project come in; what is wrong with it in words, and the next command, go out."""
