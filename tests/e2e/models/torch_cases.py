"""The acceptance cases' references in Torch; `paddle_cases` has a candidate of each name."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim
from torch.utils.checkpoint import checkpoint


class Chain(nn.Module):
    """Two linear layers around an activation; the base of most cases."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.second = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.act(self.first(x)))


def chain() -> nn.Module:
    return Chain()


def dropped() -> nn.Module:
    """The seed of the worker is the same for both; what the two frameworks make of it is not."""
    return nn.Sequential(
        OrderedDict(
            first=nn.Linear(8, 64),
            act=nn.ReLU(),
            drop=nn.Dropout(0.5),
            norm=nn.LayerNorm(64),
            last=nn.Linear(64, 8),
        )
    )


class NotANumber(nn.Module):
    """The logarithm of a negative number: NaN everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.log(-x.abs() - 1)


def nan_inside() -> nn.Module:
    model = Chain()
    model.act = NotANumber()
    return model


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def up_and_down() -> nn.Module:
    """Two factors of one, where the candidate has two and one half."""
    return nn.Sequential(OrderedDict(fc=nn.Linear(8, 8), up=Times(1.0), down=Times(1.0)))


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, momentum=0.1)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


def normed() -> nn.Module:
    return Normed()


class NoParameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) * 2


def no_parameters() -> nn.Module:
    return NoParameters()


@dataclass
class DataOutput:
    hidden: Tensor
    scores: Tensor


class MappingOutput(OrderedDict):
    """Fields by attribute and by key, as model libraries return them."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Structured(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.body = nn.Linear(8, 16)
        self.head = nn.Linear(16, 8)

    def forward(self, x: Tensor):  # a different type for each kind
        hidden = self.body(x)
        scores = self.head(hidden)
        if self.kind == "dataclass":
            return DataOutput(hidden=hidden, scores=scores)
        if self.kind == "mapping":
            return MappingOutput(hidden=hidden, scores=scores)
        return {"hidden": hidden, "scores": scores}


def structured(kind: str) -> nn.Module:
    return Structured(kind)


def zero_bias() -> nn.Module:
    """A chain whose last bias adds nothing, so that only its absence can be noticed."""
    model = Chain()
    nn.init.zeros_(model.second.bias)
    return model


class OwnLinear(nn.Linear):
    """A subclass; square, so that no shape gives the layout away."""


def own_linear() -> nn.Module:
    return nn.Sequential(OrderedDict(a=OwnLinear(8, 8), b=OwnLinear(8, 8)))


class SharedPart(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x).tanh()


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        part = nn.Linear(8, 8)
        self.left = SharedPart(part)
        self.right = SharedPart(part)

    def forward(self, x: Tensor) -> Tensor:
        return self.right(self.left(x))


def shared() -> nn.Module:
    return Shared()


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.block = Chain()
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.block, self.stem(x), use_reentrant=False))


def checkpointed() -> nn.Module:
    return Checkpointed()


class Scaled(nn.Module):
    """Only what Paddle's CPU build has in bfloat16: a look-up and products."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.scale = nn.Parameter(torch.rand(8))

    def forward(self, index: Tensor, x: Tensor) -> Tensor:
        return self.table(index) * self.scale * x


def scaled() -> nn.Module:
    return Scaled()


def square_loss(output: Tensor) -> Tensor:
    return (output * output).mean()


def distance(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def sgd(model: nn.Module) -> optim.Optimizer:
    return optim.SGD(model.parameters(), lr=0.001)


def adamw(model: nn.Module) -> optim.Optimizer:
    return optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
