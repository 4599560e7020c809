"""Torch's optimizers over a small smooth model, each with the settings of its twin in `paddle_optimizers`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import lr_scheduler


class Net(nn.Module):
    """Two linear layers around a tanh, so that no gradient has kinks."""

    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.first.requires_grad_(not frozen)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x)))


def net(**kwargs: Any) -> nn.Module:
    return Net(**kwargs)


def distance(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def sgd(model: nn.Module) -> Any:
    return optim.SGD(model.parameters(), lr=0.1, weight_decay=0.05)


def momentum(model: nn.Module) -> Any:
    return optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.05)


def nesterov(model: nn.Module) -> Any:
    return optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)


def adam(model: nn.Module) -> Any:
    return optim.Adam(model.parameters(), lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.05)


def amsgrad(model: nn.Module) -> Any:
    return optim.Adam(model.parameters(), lr=0.02, betas=(0.8, 0.95), eps=1e-3, amsgrad=True)


def adamw(model: nn.Module) -> Any:
    return optim.AdamW(model.parameters(), lr=0.02, betas=(0.8, 0.95), weight_decay=0.1)


def rmsprop(model: nn.Module) -> Any:
    return optim.RMSprop(model.parameters(), lr=0.01, alpha=0.9, eps=1e-3)


def rmsprop_with_momentum(model: nn.Module) -> Any:
    made = optim.RMSprop(
        model.parameters(), lr=0.01, alpha=0.9, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.05
    )
    return lr_scheduler.StepLR(made, step_size=2, gamma=0.5)


def adagrad(model: nn.Module) -> Any:
    return optim.Adagrad(
        model.parameters(), lr=0.05, eps=1e-3, initial_accumulator_value=0.1, weight_decay=0.05
    )


def adadelta(model: nn.Module) -> Any:
    return optim.Adadelta(model.parameters(), lr=0.5, rho=0.9, eps=1e-3, weight_decay=0.05)


def adamax(model: nn.Module) -> Any:
    return optim.Adamax(model.parameters(), lr=0.02, betas=(0.8, 0.95), eps=1e-2)


def nadam(model: nn.Module) -> Any:
    return optim.NAdam(model.parameters(), lr=0.02, betas=(0.8, 0.95))


def radam(model: nn.Module) -> Any:
    return optim.RAdam(model.parameters(), lr=0.02, betas=(0.8, 0.95))


def rprop(model: nn.Module) -> Any:
    return optim.Rprop(model.parameters(), lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-5, 50))


def asgd(model: nn.Module) -> Any:
    return optim.ASGD(model.parameters(), lr=0.02, lambd=0.1)


class Lamb(optim.Optimizer):
    """As users write it, since Torch has none."""

    def __init__(
        self, parameters: Any, lr: float, betas: tuple[float, float], eps: float, decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                self._step(parameter, group)

    def _step(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros(2, *parameter.shape)
        state["step"] += 1
        for key, beta, new in zip(
            ("exp_avg", "exp_avg_sq"), group["betas"], (parameter.grad, parameter.grad**2)
        ):
            state[key].mul_(beta).add_(new, alpha=1 - beta)
        first, second = (
            state[key] / (1 - beta ** state["step"])
            for key, beta in zip(("exp_avg", "exp_avg_sq"), group["betas"])
        )
        ratio = first / (second.sqrt() + group["eps"]) + group["weight_decay"] * parameter
        parameter.sub_(group["lr"] * parameter.norm() / ratio.norm() * ratio)


def lamb(model: nn.Module) -> Any:
    return Lamb(model.parameters(), 0.02, (0.8, 0.95), 1e-6, 0.05)


def groups(model: Net) -> Any:
    """Weights of `first` decay, and learn twice as fast."""
    given = [
        {"params": [model.first.weight], "lr": 0.04, "weight_decay": 0.1},
        {"params": [model.first.bias, model.last.weight, model.last.bias], "lr": 0.02, "weight_decay": 0.0},
    ]
    return optim.AdamW(given, betas=(0.8, 0.95))


def steps(model: nn.Module) -> Any:
    return lr_scheduler.StepLR(momentum(model), step_size=2, gamma=0.5)


def cosine(model: nn.Module) -> Any:
    return lr_scheduler.CosineAnnealingLR(adamw(model), T_max=20, eta_min=1e-3)
