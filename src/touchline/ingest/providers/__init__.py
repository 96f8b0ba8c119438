"""Where rows come from: one file per kind, all by the protocol in `base.py`."""
