"""A training set becomes a model that has been honestly judged.

In: a task, how to learn it, and a training set. Out: a `TrainingResult`: the candidates and how they scored, the
evaluation on a test window that no fit has looked into, the model that ships, and the recipe that makes it again.

Promises: preparation, balancing and corrections are fitted inside each fit only; the evaluation fit knows no label
that was not known before the test window; the same data and declaration give the same model; a model is restored
and predicts with NumPy and its estimator's own library, without pandas, scikit-learn or pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.training.candidates import CandidateReport as CandidateReport
    from touchline.training.card import Card as Card
    from touchline.training.card import CardFacts as CardFacts
    from touchline.training.card import Section as Section
    from touchline.training.card import Table as Table
    from touchline.training.card import build_card as build_card
    from touchline.training.checks import Finding as Finding
    from touchline.training.conformal import PredictionInterval as PredictionInterval
    from touchline.training.diagnostics import Diagnostics as Diagnostics
    from touchline.training.diagnostics import SliceReport as SliceReport
    from touchline.training.estimators.base import Family as Family
    from touchline.training.estimators.base import FitRequest as FitRequest
    from touchline.training.estimators.base import Fitted as Fitted
    from touchline.training.estimators.sklearn_bridge import SklearnFamily as SklearnFamily
    from touchline.training.evaluate import Evaluation as Evaluation
    from touchline.training.evaluate import Metric as Metric
    from touchline.training.evaluate import constant_predictions as constant_predictions
    from touchline.training.explanation import Explanation as Explanation
    from touchline.training.explanation import explain as explain
    from touchline.training.figures import plots as plots
    from touchline.training.losses import loss_rows as loss_rows
    from touchline.training.metrics import LOWER_IS_BETTER as LOWER_IS_BETTER
    from touchline.training.model import Model as Model
    from touchline.training.recipe import Recipe as Recipe
    from touchline.training.refitting import refit as refit
    from touchline.training.refitting import refit_on as refit_on
    from touchline.training.refitting import split_again as split_again
    from touchline.training.result import SelfTest as SelfTest
    from touchline.training.result import TrainingResult as TrainingResult
    from touchline.training.rows import labelled_rows as labelled_rows
    from touchline.training.spec import Candidate as Candidate
    from touchline.training.spec import Task as Task
    from touchline.training.spec import Training as Training
    from touchline.training.spec import Tune as Tune
    from touchline.training.spec import class_name as class_name
    from touchline.training.spec import classification as classification
    from touchline.training.spec import regression as regression
    from touchline.training.splits import SplitReport as SplitReport
    from touchline.training.training_run import train as train
    from touchline.training.tuning import TrialReport as TrialReport
    from touchline.training.tuning import TuningReport as TuningReport
    from touchline.training.workers import Workers as Workers
    from touchline.training.workers import open_workers as open_workers
    from touchline.training.workshop import Progress as Progress
    from touchline.training.workshop import Workshop as Workshop

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.training.candidates": ["CandidateReport"],
        "touchline.training.card": ["Card", "CardFacts", "Section", "Table", "build_card"],
        "touchline.training.checks": ["Finding"],
        "touchline.training.conformal": ["PredictionInterval"],
        "touchline.training.diagnostics": ["Diagnostics", "SliceReport"],
        "touchline.training.estimators.sklearn_bridge": ["SklearnFamily"],
        "touchline.training.explanation": ["Explanation", "explain"],
        "touchline.training.figures": ["plots"],
        "touchline.training.tuning": ["TrialReport", "TuningReport"],
        "touchline.training.workers": ["Workers", "open_workers"],
        "touchline.training.workshop": ["Progress", "Workshop"],
        "touchline.training.estimators.base": ["Family", "FitRequest", "Fitted"],
        "touchline.training.evaluate": ["Evaluation", "Metric", "constant_predictions"],
        "touchline.training.losses": ["loss_rows"],
        "touchline.training.metrics": ["LOWER_IS_BETTER"],
        "touchline.training.model": ["Model"],
        "touchline.training.recipe": ["Recipe"],
        "touchline.training.refitting": ["refit", "refit_on", "split_again"],
        "touchline.training.result": ["SelfTest", "TrainingResult"],
        "touchline.training.rows": ["labelled_rows"],
        "touchline.training.spec": [
            "Candidate",
            "Task",
            "Training",
            "Tune",
            "class_name",
            "classification",
            "regression",
        ],
        "touchline.training.splits": ["SplitReport"],
        "touchline.training.training_run": ["train"],
    },
)
