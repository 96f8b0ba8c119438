"""Save the benchmark's model for `mlflow models serve`: python serving_mlflow.py MODEL_TEXT FOLDER COLUMNS [signed].

With a signature, as MLflow recommends, the server checks names and types of the columns, as touchline does.
"""

from __future__ import annotations

import sys

import lightgbm
import mlflow.lightgbm
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

model, folder, columns = sys.argv[1], sys.argv[2], int(sys.argv[3])
booster = lightgbm.Booster(model_file=model)
rows = pd.DataFrame(np.zeros((2, columns)), columns=[f"x{index}" for index in range(columns)])
signature = infer_signature(rows, booster.predict(rows)) if "signed" in sys.argv else None
mlflow.lightgbm.save_model(booster, folder, pip_requirements=["lightgbm"], signature=signature)
