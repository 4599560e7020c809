"""Paddle halves of models that nobody would write, and somebody has; `factor` other than 1 is a fault."""

import functools

import paddle
from paddle import nn


class Net(nn.Layer):
    """`inner` gets what `fc` makes; `head` what `inner` makes of it, times `factor`."""

    def __init__(self, inner, factor):
        super().__init__()
        self.fc, self.inner, self.head = nn.Linear(4, 4), inner, nn.Linear(4, 3)
        self.factor = factor

    def forward(self, x):
        return self.head(self.mid(self.fc(x)) * self.factor)

    def mid(self, x):
        return self.inner(x)


class Knots(Net):
    """Returns what lies in itself."""

    def forward(self, x):
        made = {"y": super().forward(x)}
        made["left"], made["right"] = made, [made]
        return made, 3, None, "text"


class Steps(nn.Layer):
    """Yields; its caller takes what it makes one by one, after its call has ended."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        for n in range(3):
            yield self.lin(x) + n


class Generator(Net):
    def mid(self, x):
        return sum(self.inner(x))


class Plain:
    """An object that no framework knows, which holds tensors."""

    def __init__(self, held):
        self.held = held


class Boxed(nn.Layer):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, box, *, flag, name="é"):
        return Plain({1: self.lin(box.held), 2: None})


class Objects(Net):
    def mid(self, x):
        return self.inner(Plain(x), flag=True).held[1]


class Unwilling(Net):
    """Cannot be compared, counted, tested or shown."""

    def __len__(self):
        return 0

    def __bool__(self):
        raise RuntimeError("neither true nor false")

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    __hash__ = nn.Layer.__hash__

    def __repr__(self):
        raise RuntimeError("not shown")


class Recursive(Net):
    def forward(self, x, depth=2):
        return self(self.fc(x) * self.factor, depth - 1) if depth else self.head(self.inner(x))


class Often(Net):
    """One layer a thousand times."""

    def mid(self, x):
        for _ in range(1000):
            x = paddle.tanh(self.inner(x))
        return x


class Partial(Net):
    """Its forward is no method."""

    def __init__(self, inner, factor):
        super().__init__(inner, factor)
        self.forward = functools.partial(type(self).scaled, self, by=2.0)

    def scaled(self, x, by):
        return self.head(self.mid(self.fc(x)) * self.factor * by)


class Tripled(nn.Linear):
    def __call__(self, x):
        return super().__call__(x) * 3


class Late(Net):
    """Makes a layer in its first forward, which nobody knew of before."""

    def mid(self, x):
        if not hasattr(self, "late"):
            self.late = nn.Linear(4, 4)
            for parameter in self.late.parameters():
                nn.initializer.Constant(0.1)(parameter)
        return self.late(self.inner(x))


class Empty(Net):
    """Weights and values without elements."""

    def __init__(self, inner, factor):
        super().__init__(inner, factor)
        self.none = self.create_parameter([0, 4])
        self.register_buffer("nothing", paddle.zeros((0,)))

    def forward(self, x):
        made = super().forward(x)
        return made, made[:0]


class Wider(Net):
    """Computes in float32 what the second half of it takes, and returns, as float64."""

    def __init__(self, inner, factor):
        super().__init__(inner, factor)
        self.head.to(dtype="float64")

    def forward(self, x):
        made = paddle.tanh(3 * self.inner(self.fc(x))) * self.factor
        return self.head(made.astype("float64")), made


INNER = {"Generator": Steps, "Objects": Boxed, "Partial": lambda: Tripled(4, 4)}


def build(name, factor=1.0):
    inner = INNER.get(name, lambda: nn.Linear(4, 4))()
    return globals()[name](inner, factor)
