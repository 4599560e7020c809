"""The acceptance cases' candidates in Paddle, sound or with the fault that their names tell."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import paddle
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute


class Chain(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.second = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.act(self.first(x)))


def chain() -> nn.Layer:
    return Chain()


class FlippedChain(Chain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flip(axis=[1])


def flipped() -> nn.Layer:
    return FlippedChain()


class TwoOutputsChain(Chain):
    def forward(self, x: Tensor):
        y = super().forward(x)
        return y, y + 1


def one_more_output() -> nn.Layer:
    return TwoOutputsChain()


class FirstRowChain(Chain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:1]


def first_row_only() -> nn.Layer:
    return FirstRowChain()


class DoublePrecisionChain(Chain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).astype("float64")


def double_precision_output() -> nn.Layer:
    return DoublePrecisionChain()


def dropped(epsilon: float = 1e-5) -> nn.Layer:
    return nn.Sequential(
        ("first", nn.Linear(8, 64)),
        ("act", nn.ReLU()),
        ("drop", nn.Dropout(0.5)),
        ("norm", nn.LayerNorm(64, epsilon=epsilon)),
        ("last", nn.Linear(64, 8)),
    )


class NotANumber(nn.Layer):
    def forward(self, x: Tensor) -> Tensor:
        return paddle.log(-x.abs() - 1)


def nan_inside() -> nn.Layer:
    model = Chain()
    model.act = NotANumber()
    return model


class Times(nn.Layer):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def up_and_down() -> nn.Layer:
    return nn.Sequential(("fc", nn.Linear(8, 8)), ("up", Times(2.0)), ("down", Times(0.5)))


class Normed(nn.Layer):
    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2D(3, momentum=momentum)
        self.conv = nn.Conv2D(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


def normed(momentum: float) -> nn.Layer:
    """0.9 is the twin of Torch's 0.1: the share of the old value, not of the new one."""
    return Normed(momentum)


class _TripleGradient(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


class TripledReLU(nn.ReLU):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_TripleGradient.apply(x))


def tripled_gradient() -> nn.Layer:
    model = Chain()
    model.act = TripledReLU()
    return model


def clipped() -> nn.Layer:
    """Differs only on a batch that drives an activation over six."""
    model = Chain()
    model.act = nn.ReLU6()
    return model


class NoParameters(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) * 2


def no_parameters() -> nn.Layer:
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


class Structured(nn.Layer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.body = nn.Linear(8, 16)
        self.head = nn.Linear(16, 8)

    def forward(self, x: Tensor):
        hidden = self.body(x)
        scores = self.head(hidden)
        if self.kind == "dataclass":
            return DataOutput(hidden=hidden, scores=scores)
        # The other order: names pair them.
        if self.kind == "mapping":
            return MappingOutput(scores=scores, hidden=hidden)
        return {"scores": scores, "hidden": hidden}


def structured(kind: str) -> nn.Layer:
    return Structured(kind)


def no_bias() -> nn.Layer:
    model = Chain()
    model.second = nn.Linear(16, 8, bias_attr=False)
    return model


class OwnLinear(nn.Linear):
    """A subclass; square, so that no shape gives the layout away."""


def own_linear() -> nn.Layer:
    return nn.Sequential(("a", OwnLinear(8, 8)), ("b", OwnLinear(8, 8)))


class FunctionalChain(nn.Layer):
    """The activation is a function here and a layer in Torch; `fault` shifts the last layer's output."""

    def __init__(self, fault: bool) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.second = ShiftedLinear(16, 8) if fault else nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(nn.functional.relu(self.first(x)))


class ShiftedLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.5


def functional(fault: bool) -> nn.Layer:
    return FunctionalChain(fault)


def shifted() -> nn.Layer:
    model = Chain()
    model.second = ShiftedLinear(16, 8)
    return model


class RaisingLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("a planted failure")


def raising() -> nn.Layer:
    model = Chain()
    model.second = RaisingLinear(16, 8)
    return model


class SharedPart(nn.Layer):
    def __init__(self, part: nn.Layer, factor: float = 1.0) -> None:
        super().__init__()
        self.part = part
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x * self.factor).tanh()


class Shared(nn.Layer):
    def __init__(self, fault: bool) -> None:
        super().__init__()
        part = nn.Linear(8, 8)
        self.left = SharedPart(part)
        self.right = SharedPart(part, factor=1.5 if fault else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.right(self.left(x))


def shared(fault: bool) -> nn.Layer:
    return Shared(fault)


class Checkpointed(nn.Layer):
    """With a stem, since Paddle recomputes only what an input's gradient asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.block = Chain()
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(recompute(self.block, self.stem(x)))


def checkpointed() -> nn.Layer:
    return Checkpointed()


class Scaled(nn.Layer):
    """Only what Paddle's CPU build has in bfloat16: a look-up and products."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.scale = self.create_parameter([8])

    def forward(self, index: Tensor, x: Tensor) -> Tensor:
        return self.table(index) * self.scale * x


def scaled() -> nn.Layer:
    return Scaled()


def square_loss(output: Tensor) -> Tensor:
    return (output * output).mean()


def loss_plus_100(output: Tensor) -> Tensor:
    return square_loss(output) + 100


def distance(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def sgd(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.SGD(0.001, parameters=model.parameters())


def adamw(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.AdamW(0.01, parameters=model.parameters(), weight_decay=0.01)


def adamw_wrong_decay(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.AdamW(0.01, parameters=model.parameters(), weight_decay=0.02)
