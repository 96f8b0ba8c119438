"""The tests; a package, so that builders can be shared by the files of a room."""
