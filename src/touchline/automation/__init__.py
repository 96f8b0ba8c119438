"""A project and its stores come in, a recorded pipeline run goes out: ingest, features, training, promotion.

After a kill at any step the same command continues: each step is named by the content it works on, so finished
work is found and not done twice.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
