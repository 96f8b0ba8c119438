"""Rollouts: how a version in Staging takes over from Production, and how a refresh is watched once it has.

In: the declared `Rollout`, the versions in Staging and Production, logged predictions of both, outcomes.
Out: which variant answers a unit; a verdict with its evidence in one sentence; stage changes of the journal.

Promises: the rule is frozen and hashed at the start; units keep their variant without a store, and a larger share only
adds units; a verdict needs both witnesses and is looked at after every outcome; what happened is only added to.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
