"""What MLflow wants to see of a model and its data: signature, input example, requirements, dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from touchline.features import ColumnSpec, decode
from touchline.registry.runs.pyfunc import MODEL_CODE, output_names
from touchline.training import Model

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.models import Model as MlflowModel
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

_LIBRARIES: Final = {"lightgbm": "lightgbm", "xgboost": "xgboost", "mlp": "torch"}


def save_pyfunc(folder: Path, record: MlflowModel, model: Model, example: Sequence[Sequence[float]]) -> None:
    """Write the model in MLflow's layout: code that loads it, its files, signature, example and requirements.

    Requirements are stated, since MLflow's own inference of them costs seconds.
    """
    import mlflow.pyfunc
    import pandas  # type: ignore[import-untyped]  # pandas ships no types

    with TemporaryDirectory() as scratch:
        model.export(Path(scratch) / "model")
        code = Path(scratch) / "load_model.py"
        code.write_text(MODEL_CODE, encoding="utf-8")
        rows = decode(model.columns, np.asarray(example, dtype=np.float64).reshape(-1, len(model.columns)))
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(code),
            artifacts={"model": str(Path(scratch) / "model")},
            mlflow_model=record,
            signature=signature(model),
            input_example=pandas.DataFrame(rows) if rows else None,
            pip_requirements=requirements(model.family),
        )


def requirements(family: str) -> list[str]:
    """What `mlflow models serve` must have installed."""
    names = ["touchline", "mlflow", "numpy", "pandas", *([_LIBRARIES[family]] if family in _LIBRARIES else [])]
    return [_pinned(name) for name in names]


def _pinned(name: str) -> str:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name


def signature(model: Model) -> ModelSignature:
    """Model columns in, outputs out; every column may be missing."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    outputs = Schema([ColSpec("double", name) for name in output_names(model)])
    return ModelSignature(inputs=_inputs(model.columns), outputs=outputs)


def _inputs(columns: Sequence[ColumnSpec]) -> Schema:
    from mlflow.types import ColSpec, Schema

    kinds = {"number": "double", "category": "string"}
    return Schema([ColSpec(kinds[column.kind], column.name, required=False) for column in columns])


def dataset_input(dataset: Mapping[str, str], columns: Sequence[ColumnSpec]) -> DatasetInput:
    """The training set, by its hash and where it lies."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    schema: dict[str, Any] = {"mlflow_colspec": _inputs(columns).to_dict()}
    return DatasetInput(
        Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:36],
            source_type="local",
            source=json.dumps({"uri": dataset["source"]}),
            schema=json.dumps(schema),
            profile=json.dumps({"num_rows": int(dataset["rows"])}),
        ),
        [InputTag("mlflow.data.context", "training")],
    )
