"""The providers of rows: one file per kind, all by the protocol in `base.py`."""
