"""Torch halves of models whose sides hold the same values in other places; the reference in each."""

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
