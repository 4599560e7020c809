"""Torch halves of models whose sides hold the same values in other places; the reference in each."""

import torch
import torch.nn.functional as F
from torch import nn


class Unrolled(nn.Module):
    """A recurrent cell, called for each point in time."""

    def __init__(self, kind):
        super().__init__()
        self.cell, self.has_memory = getattr(nn, kind)(4, 5), kind == "LSTMCell"

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state[0] if self.has_memory else state


class TiedHead(nn.Module):
    def __init__(self, head_first=False):
        super().__init__()
        if head_first:
            self.lm_head = nn.Linear(4, 7, bias=False)
        self.emb, self.fc = nn.Embedding(7, 4), nn.Linear(4, 4)
        if not head_first:
            self.lm_head = nn.Linear(4, 7, bias=False)
        self.lm_head.weight = self.emb.weight

    def forward(self, ids):
        return self.lm_head(F.gelu(self.fc(self.emb(ids))))


class LooseHead(nn.Module):
    """The head has a weight of its own."""

    def __init__(self):
        super().__init__()
        self.emb, self.lm_head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)

    def forward(self, ids):
        return self.lm_head(self.emb(ids))


class Normed(nn.Module):
    """The activation is a function, or a layer that works in place."""

    def __init__(self, act="relu", layers=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)
        self.fc, self.out = nn.Linear(5, 6), nn.Linear(6, 2)
        if layers:
            self.act1, self.act2, self.act3 = (nn.ReLU(inplace=True) for _ in range(3))
        else:
            self.act1 = self.act2 = self.act3 = getattr(F, act)

    def forward(self, x):
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))
        return self.out(self.act3(self.fc(x.permute(0, 2, 3, 1))))


class Mixed(nn.Module):
    """Time is mixed between two layers; batch first."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.b(self.a(x).cumsum(1).tanh())


class Encoder(nn.Module):
    """Blocks that mix time, batch first."""

    def __init__(self, layers=3):
        super().__init__()
        self.blocks = nn.ModuleList([Mixed4() for _ in range(layers)])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Mixed4(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return x + self.b(self.a(x).cumsum(1).tanh())


class Channels(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5 * 2 * 3, 2)

    def forward(self, x):
        x = self.conv2(F.relu(self.conv1(x)))
        return self.fc(x.flatten(1))


class Heads(nn.Module):
    """Attention with a softmax that is a layer, over [batch, head, time, time]."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.softmax = nn.Softmax(-1)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = self.softmax(q @ k.transpose(-1, -2) / 2)
        return self.o((weights @ v).transpose(1, 2).reshape(b, t, d))


class Branches(nn.Module):
    """An inner layer returns several tensors of one shape."""

    def __init__(self):
        super().__init__()
        self.fork, self.out = Fork(), nn.Linear(4, 2)

    def forward(self, x):
        first, second = self.fork(x)
        return self.out(first - second.tanh())


class Fork(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(4) + 1)
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x), x * self.scale


class Pooled(nn.Module):
    """The activation goes straight into a function, so that no layer shows what it makes."""

    def __init__(self, act="relu"):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.act = act

    def forward(self, x):
        x = self.bn(self.conv(x))
        x = F.relu(x, inplace=True) if self.act == "relu" else getattr(torch, self.act)(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Gated(nn.Module):
    """The sign of the first number tells which layer takes what the activation makes."""

    def __init__(self):
        super().__init__()
        self.fc, self.bn = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.upper, self.lower = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        made = F.relu(self.bn(self.fc(x)))
        return self.upper(made) if x[0, 0] > 0 else self.lower(made)


class ThreeInputs(nn.Module):
    """Takes ids, a mask and types, in this order."""

    def __init__(self):
        super().__init__()
        self.words, self.types, self.out = nn.Embedding(11, 8), nn.Embedding(11, 8), nn.Linear(8, 3)

    def forward(self, ids, mask, types):
        return self.out((self.words(ids) + self.types(types)) * mask[:, :, None].float())
