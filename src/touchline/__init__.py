"""touchline: the whole life of a predictive model from one declaration.

The names a `project.py` needs are here; each is imported from its room when first used.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
