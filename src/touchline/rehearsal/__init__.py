"""A policy and a project's history come in; what the policy would have done and scored goes out.

The loop is that of production: ingest, predict, settle, monitor, retrain, gates, rollout, rollback, with a clock that
the rehearsal moves, in a scratch home. Nothing that became known after an instant takes part in what happens before it.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
