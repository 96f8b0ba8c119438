"""The MLflow description of a model and its data: signature, input example, requirements, dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from touchline.features import ColumnSpec, decode
from touchline.registry.release.families import member_families
from touchline.registry.runs.pyfunc import PREDICTION
from touchline.registry.runs.standalone_code import write_code
from touchline.training import Model

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.models import Model as MlflowModel
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

# What predicting needs beside NumPy; the other families of touchline predict with NumPy alone.
_LIBRARIES: Final = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost",)}
_NUMPY_ALONE: Final = frozenset({"blend", "catboost", "forest", "logistic", "mlp", "ridge"})
_SKOPS: Final = ("skops", "scikit-learn")


def save_pyfunc(folder: Path, record: MlflowModel, model: Model, example: Sequence[Sequence[float]]) -> None:
    """Write the model in MLflow's layout: code that loads it, its files, signature, example and requirements.

    Requirements are stated, since MLflow's own inference of them costs seconds.
    """
    import mlflow.pyfunc
    import pandas  # type: ignore[import-untyped]  # pandas ships no types

    with TemporaryDirectory() as scratch:
        model.export(Path(scratch) / "model")
        loader, code = write_code(Path(scratch) / "model", Path(scratch))
        rows = decode(model.columns, np.asarray(example, dtype=np.float64).reshape(-1, len(model.columns)))
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(loader),
            code_paths=[str(code)],
            artifacts={"model": str(Path(scratch) / "model")},
            mlflow_model=record,
            signature=signature(model),
            input_example=pandas.DataFrame(rows) if rows else None,
            pip_requirements=requirements(member_families(Path(scratch) / "model")),
        )


def requirements(families: Iterable[str]) -> list[str]:
    """The packages that loading the model needs, as they are installed here; touchline is none of them."""
    libraries = {library for family in families for library in _LIBRARIES.get(family, _library_of(family))}
    return [_pinned(name) for name in ("mlflow", "numpy", "pandas", *sorted(libraries))]


def _library_of(family: str) -> tuple[str, ...]:
    return () if family in _NUMPY_ALONE else _SKOPS


@cache
def _pinned(module: str) -> str:
    """The installed distribution of a module, which may have another name (`xgboost-cpu`)."""
    try:
        return f"{module}=={version(module)}"
    except PackageNotFoundError:  # the files of every package are read: a third of a second
        names = packages_distributions().get(module, [module])
        return f"{names[0]}=={version(names[0])}"


def signature(model: Model) -> ModelSignature:
    """Model columns in, a prediction out; the parameter `output` asks for probabilities.

    The inputs are of any type: MLflow refuses int64 for a double, and a column of missing values for a string.
    The model refuses a value that is no number, and names the columns that are missing.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow has left its types out
    output = ColSpec("double" if model.kind == "regression" else anything, PREDICTION)
    inputs = Schema([ColSpec(anything, column.name) for column in model.columns])
    params = ParamSchema([ParamSpec("output", "string", PREDICTION)])
    return ModelSignature(inputs=inputs, outputs=Schema([output]), params=params)


def _columns(columns: Sequence[ColumnSpec]) -> Schema:
    from mlflow.types import ColSpec, Schema

    kinds = {"number": "double", "category": "string"}
    return Schema([ColSpec(kinds[column.kind], column.name, required=False) for column in columns])


def dataset_input(dataset: Mapping[str, str], columns: Sequence[ColumnSpec]) -> DatasetInput:
    """The training set, by its hash and where it lies."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    schema: dict[str, Any] = {"mlflow_colspec": _columns(columns).to_dict()}
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
