"""A training set becomes a model with an honest evaluation.

In: a task, how to learn it, and a training set. Out: a `TrainingResult`: the candidates and how they scored, the
evaluation on a test window that no fit has looked into, the model that ships, and the recipe that makes it again.

Promises: preparation, balancing and corrections are fitted inside each fit only; the evaluation fit knows no label
that was not known before the test window; the same data and declaration give the same model; a model is restored
and predicts with NumPy and its estimator's own library, without pandas, scikit-learn or pickle.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
