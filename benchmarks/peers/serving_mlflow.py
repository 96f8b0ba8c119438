"""Save the benchmark's model for `mlflow models serve`: python serving_mlflow.py MODEL_TEXT FOLDER."""

from __future__ import annotations

import sys

import lightgbm
import mlflow.lightgbm

mlflow.lightgbm.save_model(lightgbm.Booster(model_file=sys.argv[1]), sys.argv[2], pip_requirements=["lightgbm"])
