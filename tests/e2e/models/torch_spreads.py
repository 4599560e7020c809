"""Torch halves of models whose sides hold a tensor once and repeated; `fault` plants one."""

import torch
from torch import nn


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


class Positions(nn.Module):
    """Positions of one row, or of each row of the batch (`repeated`), or without a batch axis (`flat`)."""

    def __init__(self, form="once", fault=""):
        super().__init__()
        self.words, self.table = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)
        self.form, self.fault = form, fault

    def forward(self, ids):
        batch, length = ids.shape
        places = torch.arange(length)
        if self.form != "flat":
            places = places.expand(batch if self.form == "repeated" else 1, length)
        found = self.table(places)
        if self.fault == "gradient":
            found = found.detach() + (found - found.detach()) / batch
        return self.head(self.norm(self.words(ids) + found))


class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(4, 4)

    def forward(self, x, mask):
        scores = self.q(x) @ x.transpose(1, 2)
        return torch.softmax(scores[:, None] + mask, dim=-1)[:, 0] @ x


class Masked(nn.Module):
    """A bias for each key, or for each query and key (`repeated`), which is learned."""

    def __init__(self, form="once", fault=""):
        super().__init__()
        self.fc, self.bias, self.attend = nn.Linear(4, 4), nn.Linear(4, 1, bias=False), Scores()
        self.form, self.fault = form, fault

    def forward(self, x):
        mask = self.bias(x)[:, None].transpose(2, 3)
        if self.form == "repeated":
            mask = mask.expand(-1, -1, x.shape[1], -1)
        return self.attend(self.fc(x), mask)
