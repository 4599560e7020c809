"""Models that their frameworks treat in ways of their own; `paddle_quirks.py` holds the same."""

import io

import torch
from torch import nn


class Recurrent(nn.Module):
    """The frameworks' own recurrent layer between an embedding and a head."""

    def __init__(self, kind="LSTM", factor=1.0, **settings):
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        self.rnn = getattr(nn, kind)(6, 8, batch_first=True, **settings)
        self.head = nn.Linear(8, 3)
        self.factor = factor

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0] * self.factor)


class GroupNormed(nn.Sequential):
    def __init__(self, affine):
        super().__init__(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4, affine=affine), nn.Conv2d(4, 2, 1))


class Net(nn.Module):
    """fc, norm and head; also `within` two other layers."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 4)
        self.factor = factor

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.fc(x))) * self.factor)


class Within(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.inner = inner
        self.after = nn.Linear(4, 3)

    def forward(self, x):
        return self.after(self.inner(self.before(x)))


def reloaded(net):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    return torch.jit.load(file)


WAYS = {
    "script": torch.jit.script,
    "trace": lambda net: torch.jit.trace(net, torch.zeros(2, 4)),
    "load": reloaded,
    "export": lambda net: torch.export.export(net, (torch.zeros(2, 4),)).module(),
    "compile": torch.compile,
}


def net(way="", within=False, factor=1.0):
    made = Net(factor)
    made = WAYS[way](made) if way else made
    return Within(made) if within else made


def sgd(model):
    return torch.optim.SGD(model.parameters(), 0.1)
