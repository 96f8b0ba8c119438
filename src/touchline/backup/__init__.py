"""Backups: the state of a home becomes one consistent set, and a set becomes a home again.

In: the stores of a home, or a bare MLflow. Out: a backup set (files with their SHA-256), pushed to one or more backup
places; a restored home; the proof that a set can be restored and predicts what was logged; a home that moved from the
embedded stores to servers.

Promises: a set is taken while the system runs, and every file that its database names is in it; nothing is restored
from a set in which a single byte differs; what a set leaves out is listed in it.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
