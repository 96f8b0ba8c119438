"""From a trained candidate to the release that is served, with every decision on record.

In: a `TrainingResult`, the declared gates, a person's wish to promote. Out: a run and a model version in
MLflow, entries of the journal, immutable release bundles.

Promises: the journal is append-only and decides what is live, MLflow's aliases and tags only mirror it;
of two who change a stage at once one wins and the other is told by whom; no version passes a gate that
said no; a release never changes and is verified before it predicts; a kill at any step leaves a state
from which the same command carries on.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
