"""Models that their frameworks treat in ways of their own; `paddle_quirks.py` holds the same."""

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


def sgd(model):
    return torch.optim.SGD(model.parameters(), 0.1)
