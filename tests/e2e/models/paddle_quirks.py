"""Models that their frameworks treat in ways of their own; `torch_quirks.py` holds the same."""

import tempfile

import paddle
from paddle import nn


class Recurrent(nn.Layer):
    """The frameworks' own recurrent layer between an embedding and a head."""

    def __init__(self, kind="LSTM", factor=1.0, gradient=1.0, **settings):
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        kind = {"RNN": "SimpleRNN"}.get(kind, kind)
        self.rnn = getattr(nn, kind)(6, 8, **settings)
        self.head = nn.Linear(8, 3)
        self.factor, self.gradient = factor, gradient

    def forward(self, ids):
        out = self.rnn(self.embed(ids))[0] * self.factor
        return self.head(out * self.gradient - out.detach() * (self.gradient - 1))


class GroupNormed(nn.Sequential):
    def __init__(self, affine):
        given = {} if affine else {"weight_attr": False, "bias_attr": False}
        super().__init__(nn.Conv2D(3, 4, 1), nn.GroupNorm(2, 4, **given), nn.Conv2D(4, 2, 1))


class Net(nn.Layer):
    """fc, norm and head; also `within` two other layers."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 4)
        self.factor = factor

    def forward(self, x):
        return self.head(paddle.tanh(self.norm(self.fc(x))) * self.factor)


class Within(nn.Layer):
    def __init__(self, inner):
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.inner = inner
        self.after = nn.Linear(4, 3)

    def forward(self, x):
        return self.after(self.inner(self.before(x)))


def reloaded(net):
    with tempfile.TemporaryDirectory() as folder:
        paddle.jit.save(net, f"{folder}/net", input_spec=[paddle.static.InputSpec([2, 4], "float32")])
        return paddle.jit.load(f"{folder}/net")


WAYS = {
    "to_static": paddle.jit.to_static,
    "full_graph": lambda net: paddle.jit.to_static(net, full_graph=True),
    "load": reloaded,
}


def net(way="", within=False, factor=1.0):
    made = Net(factor)
    made = WAYS[way](made) if way else made
    return Within(made) if within else made


def sgd(model):
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())
