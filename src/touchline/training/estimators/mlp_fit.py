"""Fitting of the family `mlp` with PyTorch (extra `mlp`), which is imported only when a network is fitted."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from touchline.training.estimators.base import FitRequest, FitRows
from touchline.training.estimators.mlp_network import Mlp

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Array = NDArray[np.float64]

# Torch has one chance and one number of threads for the whole process.
_ONE_AT_A_TIME = Lock()
_PATIENCE = 8
_LONGEST_STEP = 1.0


@dataclass(frozen=True)
class TensorRows:
    """Rows as tensors on the device that learns."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor


def fit_mlp(request: FitRequest) -> Mlp:
    """The network with the lowest validation loss, or, without validation rows, after the epochs of the request."""
    with _ONE_AT_A_TIME:
        return _fitted(request)


def _fitted(request: FitRequest) -> Mlp:
    import torch
    from torch import nn

    torch.manual_seed(request.seed)
    torch.set_num_threads(request.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shift, scale = _scaling(request)
    learner = _Learner(request, device)
    fit = _examples(request.fit, request, device, shift, scale)
    held = _examples(request.validation, request, device, shift, scale) if request.validation else None
    epochs = learner.fit(fit, held)
    layers = [layer for layer in learner.network if isinstance(layer, nn.Linear)]
    return Mlp(
        tuple((_array(layer.weight), _array(layer.bias)) for layer in layers),
        request.kind,
        shift,
        scale,
        {"epochs": epochs},
    )


class _Learner:
    def __init__(self, request: FitRequest, device: torch.device) -> None:
        self.request, self.device = request, device
        self.network = _network(request).to(device)
        self.mixed = device.type == "cuda"

    def fit(self, fit: TensorRows, held: TensorRows | None) -> int:
        import torch

        params = self.request.params
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=float(params["learning_rate"]), weight_decay=float(params["decay"])
        )
        batch, epochs = int(params["batch"]), int(params["epochs"])
        steps = epochs * max(1, -(-len(fit.inputs) // batch))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.mixed)
        random = torch.Generator().manual_seed(self.request.seed)
        best: tuple[float, int, dict[str, Any]] = (float("inf"), epochs, {})
        for epoch in range(1, epochs + 1):
            self.request.deadline.validate("mlp")
            self._epoch(fit, torch.randperm(len(fit.inputs), generator=random), batch, optimizer, schedule, scaler)
            if held is None:
                continue
            loss = self._loss_of(held)
            if loss < best[0]:
                best = (loss, epoch, copy.deepcopy(self.network.state_dict()))
            if epoch - best[1] >= _PATIENCE:
                break
        if best[2]:
            self.network.load_state_dict(best[2])
        return best[1]

    def _epoch(self, fit: TensorRows, order: Tensor, batch: int, optimizer: Any, schedule: Any, scaler: Any) -> None:
        import torch
        from torch import nn

        self.network.train()
        for chosen in order.to(self.device).split(batch):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, enabled=self.mixed):
                network_outputs = self.network(fit.inputs[chosen])
            losses = _losses(network_outputs.float(), fit.targets[chosen], self.request)
            scaler.scale((losses * fit.weights[chosen]).mean()).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_STEP)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()

    def _loss_of(self, held: TensorRows) -> float:
        import torch

        self.network.eval()
        with torch.no_grad():
            return float(_losses(self.network(held.inputs), held.targets, self.request).mean())


def _rate(step: int, steps: int) -> float:
    """Share of the full learning rate: up over the first tenth, then down along a cosine."""
    return min(1.0, (step + 1) / max(1.0, steps / 10)) * (1 + cos(pi * step / steps)) / 2


def _network(request: FitRequest) -> nn.Sequential:
    from torch import nn

    params = request.params
    sizes = [request.fit.matrix.shape[1]] + [int(params["width"])] * int(params["depth"])
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(float(params["dropout"]))]
    outputs = request.classes if request.kind == "multiclass" else 1
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def _losses(network_outputs: Tensor, targets: Tensor, request: FitRequest) -> Tensor:
    from torch import nn

    if request.kind == "multiclass":
        return nn.functional.cross_entropy(network_outputs, targets, reduction="none")
    if request.kind == "binary":
        return nn.functional.binary_cross_entropy_with_logits(network_outputs[:, 0], targets, reduction="none")
    return nn.functional.mse_loss(network_outputs[:, 0], targets, reduction="none")


def _scaling(request: FitRequest) -> tuple[float, float]:
    if request.kind != "regression":
        return 0.0, 1.0
    return float(request.fit.labels.mean()), float(request.fit.labels.std()) or 1.0


def _examples(rows: FitRows, request: FitRequest, device: torch.device, shift: float, scale: float) -> TensorRows:
    import torch

    labels = (rows.labels - shift) / scale if request.kind == "regression" else rows.labels
    kind = torch.int64 if request.kind == "multiclass" else torch.float32
    weights = np.ones(len(labels)) if rows.weights is None else rows.weights
    return TensorRows(
        torch.as_tensor(rows.matrix, dtype=torch.float32, device=device),
        torch.as_tensor(np.asarray(labels), dtype=kind, device=device),
        torch.as_tensor(weights, dtype=torch.float32, device=device),
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)
