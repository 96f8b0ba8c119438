"""Rows and packed values come in, model vectors go out. NumPy only: serving imports this wing."""
