"""The model as MLflow's own tools load it, where touchline is installed and where it is not.

It needs MLflow, NumPy, pandas and the library of its estimator; `standalone_code` copies the rest beside the model.
`predict` gives the predicted class or value of each row, as `mlflow.models.evaluate` expects of every model, and with
`params={"output": "probabilities"}` the probability of each class.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from touchline.errors import FeatureNotANumber
from touchline.features.vectors.columns import column_vectors
from touchline.training.estimators.sklearn_bridge import SklearnFamily
from touchline.training.fitting.model import Model
from touchline.training.metrics.point_metrics import decide

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # pandas ships no types
    from mlflow.pyfunc.model import PythonModel

    from touchline.training.estimators.base import Family

PREDICTION: Final = "prediction"
PROBABILITIES: Final = "probabilities"
READ_BY_SKOPS: Final = "skops"


def keep_own_package() -> None:
    """Take copies of this package off the module path where all of it is loaded already.

    MLflow puts a model's `code/` first on the path, and processes that this one starts would find the copy alone.
    """
    here = Path(__file__)
    own, inside = here.parents[3], here.relative_to(here.parents[3])
    sys.path[:] = [place for place in sys.path if Path(place) == own or not (Path(place) / inside).is_file()]


def mlflow_model(families: Mapping[str, str]) -> PythonModel:
    """A pyfunc over an exported model, the same files that a release holds.

    `families` are those of the model by name, each as `module:attribute`, or `READ_BY_SKOPS`.
    """
    import pandas
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.model import PythonModel

    def predict(self: Any, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG001
        output = (params or {}).get("output", PREDICTION)
        if output != PREDICTION and (output != PROBABILITIES or not self.model.classes):
            allowed = [PREDICTION, PROBABILITIES] if self.model.classes else [PREDICTION]
            raise MlflowException.invalid_parameter_value(f"The output {output!r} is none of {allowed}.")
        missing = [column.name for column in self.model.columns if column.name not in model_input.columns]
        if missing:
            given = [str(name) for name in model_input.columns]
            raise MlflowException.invalid_parameter_value(f"Model is missing inputs {missing}. It was given {given}.")
        try:
            return predict_frame(self.model, model_input, has_probabilities=output == PROBABILITIES)
        except FeatureNotANumber as wrong:
            raise MlflowException.invalid_parameter_value(str(wrong)) from wrong

    # MLflow reads the type as it stands and warns where it finds none.
    predict.__annotations__ = {"model_input": pandas.DataFrame}

    class TouchlineModel(PythonModel):
        """Predicts with the exported model."""

        def load_context(self, context: Any) -> None:
            found = {name: _family(name, place) for name, place in families.items()}
            self.model = Model.restore(Path(context.artifacts["model"]), found)

    # A class body would lose the annotation; MLflow wraps `predict` when the class is made.
    model: PythonModel = type("TouchlineModel", (TouchlineModel,), {"predict": predict})()
    return model


def _family(name: str, place: str) -> Family:
    if place == READ_BY_SKOPS:
        return SklearnFamily(name, None)
    module, _, attribute = place.partition(":")
    family: Family = getattr(import_module(module), attribute)
    return family


def predict_frame(
    model: Model, frame: pandas.DataFrame, *, has_probabilities: bool
) -> pandas.Series | pandas.DataFrame:
    """A series of predictions, or a frame of probabilities, with the index of a frame that has the model's columns.

    The columns may stand in any order; a value may be missing.
    """
    import pandas

    values = {column.name: _with_none(frame[column.name]) for column in model.columns}
    outputs = model.predict(column_vectors(model.columns, values, len(frame)))
    if has_probabilities:
        return pandas.DataFrame(outputs, columns=[f"p_{name}" for name in model.classes], index=frame.index)
    labels = _labels(model)
    predictions = [labels[place] for place in decide(outputs, model.threshold)] if labels else outputs[:, 0]
    return pandas.Series(predictions, index=frame.index, name=PREDICTION)


def _with_none(column: pandas.Series) -> Any:
    """The values as NumPy has them; each of pandas' missing values is None where the column is no plain array."""
    array = column.to_numpy()
    return array if array.dtype.kind in "fiubM" else column.astype(object).where(column.notna(), None).to_numpy()


def _labels(model: Model) -> list[Any]:
    """The classes; as whole numbers where all of them are, as in most tables."""
    are_whole = all(name.removeprefix("-").isdecimal() and name == str(int(name)) for name in model.classes)
    return [int(name) for name in model.classes] if are_whole else list(model.classes)
