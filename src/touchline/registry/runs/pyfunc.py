"""The model as MLflow's own tools load it: columns by name in, one column per output out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from touchline.features import column_vectors
from touchline.registry.release.families import families_of
from touchline.training import Model

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]  # pandas ships no types
    from mlflow.pyfunc.model import PythonModel

# MLflow keeps this file beside the model and runs it to load the model: no pickle.
MODEL_CODE: Final = '''"""Loads the model in `artifacts/model` with touchline."""

from mlflow.models import set_model

from touchline.registry import mlflow_model

set_model(mlflow_model())
'''


def mlflow_model() -> PythonModel:
    """A pyfunc over an exported model, the same files that a release holds."""
    import pandas
    from mlflow.pyfunc.model import PythonModel

    def predict(self: Any, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG001
        return predict_frame(self.model, model_input)

    # MLflow reads the type as it stands and warns where it finds none.
    predict.__annotations__ = {"model_input": pandas.DataFrame, "return": pandas.DataFrame}

    class TouchlineModel(PythonModel):
        """Predicts with the exported model; `p_<class>` per class, or `value`."""

        def load_context(self, context: Any) -> None:
            folder = Path(context.artifacts["model"])
            self.model = Model.restore(folder, families_of(folder))

    # A class body would lose the annotation; MLflow wraps `predict` when the class is made.
    model: PythonModel = type("TouchlineModel", (TouchlineModel,), {"predict": predict})()
    return model


def predict_frame(model: Model, frame: pandas.DataFrame) -> pandas.DataFrame:
    """What the model says to each row of a frame that has the model's columns, in any order."""
    import pandas

    values = {column.name: frame[column.name].to_numpy() for column in model.columns if column.name in frame.columns}
    said = model.predict(column_vectors(model.columns, values, len(frame)))
    return pandas.DataFrame(said, columns=output_names(model), index=frame.index)


def output_names(model: Model) -> list[str]:
    """`p_<class>` per class, or `value`."""
    return [f"p_{name}" for name in model.classes] or ["value"]
