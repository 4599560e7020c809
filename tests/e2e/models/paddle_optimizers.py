"""Paddle's optimizers over a small smooth model, each with the settings of its twin in `torch_optimizers`."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor, nn, optimizer
from paddle.optimizer import lr


class Net(nn.Layer):
    """Two linear layers around a tanh, so that no gradient has kinks."""

    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        for parameter in self.first.parameters():
            parameter.stop_gradient = frozen

    def forward(self, x: Tensor) -> Tensor:
        return self.last(paddle.tanh(self.first(x)))


def net(**kwargs: Any) -> nn.Layer:
    return Net(**kwargs)


def distance(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def sgd(model: nn.Layer) -> Any:
    return optimizer.SGD(0.1, model.parameters(), weight_decay=0.05)


def momentum(model: nn.Layer, rate: Any = 0.05) -> Any:
    return optimizer.Momentum(rate, 0.9, model.parameters(), weight_decay=0.05)


def nesterov(model: nn.Layer) -> Any:
    return optimizer.Momentum(0.05, 0.9, model.parameters(), use_nesterov=True)


def adam(model: nn.Layer) -> Any:
    return optimizer.Adam(0.02, 0.8, 0.95, 1e-3, parameters=model.parameters(), weight_decay=0.05)


def amsgrad(model: nn.Layer) -> Any:
    return optimizer.Adam(0.02, 0.8, 0.95, 1e-3, parameters=model.parameters(), amsgrad=True)


def adamw(model: nn.Layer, rate: Any = 0.02) -> Any:
    return optimizer.AdamW(rate, 0.8, 0.95, parameters=model.parameters(), weight_decay=0.1)


def rmsprop(model: nn.Layer, epsilon: float = 1e-3) -> Any:
    return optimizer.RMSProp(0.01, 0.9, epsilon, parameters=model.parameters())


def rmsprop_of_another_epsilon(model: nn.Layer) -> Any:
    return rmsprop(model, 1.1e-3)


def rmsprop_with_momentum(model: nn.Layer, momentum: float = 0.5) -> Any:
    rate = lr.StepDecay(0.01, step_size=2, gamma=0.5)
    return optimizer.RMSProp(
        rate, 0.9, 1e-3, momentum=momentum, centered=True, parameters=model.parameters(), weight_decay=0.05
    )


def rmsprop_with_another_momentum(model: nn.Layer) -> Any:
    return rmsprop_with_momentum(model, 0.501)


def adagrad(model: nn.Layer) -> Any:
    return optimizer.Adagrad(
        0.05, 1e-3, parameters=model.parameters(), initial_accumulator_value=0.1, weight_decay=0.05
    )


def adadelta(model: nn.Layer) -> Any:
    return optimizer.Adadelta(0.5, 1e-3, 0.9, parameters=model.parameters(), weight_decay=0.05)


def adamax(model: nn.Layer, epsilon: float = 1e-2) -> Any:
    return optimizer.Adamax(0.02, 0.8, 0.95, epsilon, parameters=model.parameters())


def adamax_of_another_epsilon(model: nn.Layer) -> Any:
    return adamax(model, 1.1e-2)


def rprop(model: nn.Layer) -> Any:
    return optimizer.Rprop(0.01, (1e-5, 50), model.parameters(), (0.5, 1.2))


def asgd(model: nn.Layer) -> Any:
    return optimizer.ASGD(0.02, 1, model.parameters())


def nadam(model: nn.Layer) -> Any:
    return optimizer.NAdam(0.02, 0.8, 0.95, parameters=model.parameters())


def radam(model: nn.Layer) -> Any:
    return optimizer.RAdam(0.02, 0.8, 0.95, parameters=model.parameters())


def lamb(model: nn.Layer) -> Any:
    return optimizer.Lamb(0.02, 0.05, 0.8, 0.95, 1e-6, parameters=model.parameters())


def groups(model: Net, decayed: str = "first.weight") -> Any:
    """A group's learning rate is a factor in Paddle."""
    names = dict(model.named_parameters())
    others = [one for name, one in names.items() if name not in ("first.weight", decayed)]
    given = [
        {"params": [names["first.weight"]], "learning_rate": 2.0, "weight_decay": 0.1},
        {"params": others, "learning_rate": 1.0, "weight_decay": 0.0},
    ]
    if decayed != "first.weight":
        given.append({"params": [names[decayed]], "learning_rate": 1.0, "weight_decay": 0.1})
    return optimizer.AdamW(0.02, 0.8, 0.95, parameters=given)


def groups_that_decay_a_bias(model: Net) -> Any:
    return groups(model, decayed="last.bias")


def decay_by_name(model: Net) -> Any:
    """As `groups`, but for a function that Paddle asks for each parameter."""
    decayed = model.first.weight
    given = [
        {"params": [decayed], "learning_rate": 2.0},
        {"params": [one for one in model.parameters() if one is not decayed]},
    ]
    return optimizer.AdamW(
        0.02,
        0.8,
        0.95,
        parameters=given,
        weight_decay=0.1,
        apply_decay_param_fun=lambda name: name == decayed.name,
    )


def steps(model: nn.Layer) -> Any:
    return momentum(model, lr.StepDecay(0.05, step_size=2, gamma=0.5))


def cosine(model: nn.Layer) -> Any:
    return adamw(model, lr.CosineAnnealingDecay(0.02, T_max=20, eta_min=1e-3))


def clipping(model: nn.Layer) -> Any:
    clip = nn.ClipGradByGlobalNorm(0.01)
    return optimizer.SGD(0.1, model.parameters(), weight_decay=0.05, grad_clip=clip)


def smaller_epsilon(model: nn.Layer) -> Any:
    return optimizer.Adam(0.02, 0.8, 0.95, 1e-8, parameters=model.parameters(), weight_decay=0.05)
