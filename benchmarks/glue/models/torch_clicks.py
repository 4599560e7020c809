"""Torch half of a recommender. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Clicks(nn.Module):
    """Fields, crosses by squares and by outer products, a history looked at by its item, two towers."""

    def __init__(self, d: int = 8, fields: int = 4, rows: int = 10) -> None:
        super().__init__()
        self.fields, self.rows = fields, rows
        self.table, self.first = nn.Embedding(fields * rows, d), nn.Embedding(fields * rows, 1)
        self.items = nn.Parameter(torch.randn(20, d))
        self.dense = nn.Linear(3, d)
        wide = (fields + 3) * d
        self.cross1, self.cross2 = (nn.Parameter(0.1 * torch.randn(wide)) for _ in range(2))
        self.look1, self.look2 = nn.Linear(4 * d, 8), nn.Linear(8, 1)
        self.deep1, self.deep2 = nn.Linear(wide, 16), nn.Linear(16, 1)
        self.last = nn.Linear(wide, 1)

    def looked(self, history, item):
        h, i = history, item.unsqueeze(1).expand_as(history)
        pair = torch.cat([h, i, h - i, h * i], -1)  #! pair_sign pair_order
        return self.look2(F.leaky_relu(self.look1(pair), 0.25)).squeeze(-1)  #! look_slope

    def forward(self, ids, numbers, history, item):
        numbers = torch.log1p(numbers.clamp(min=0))  #! numbers_bare numbers_absolute
        y = F.relu(self.dense(numbers))
        ids = ids + torch.arange(self.fields) * self.rows  #! offsets
        v = self.table(ids)
        once = self.first(ids).sum(1).squeeze(1)
        s = v.sum(1)
        twice = 0.5 * (s.pow(2) - v.pow(2).sum(1)).sum(1)  #! twice_whole twice_own
        bag = F.embedding_bag(history, self.items, mode="mean", padding_idx=0)  #! bag_total bag_padding
        wanted = F.embedding(item, self.items)
        told = F.embedding(history, self.items)
        scores = self.looked(told, wanted)
        scores = scores.masked_fill(history == 0, -1e9)  #! told_padding
        weights = F.softmax(scores, -1)  #! told_sigmoid
        told = torch.bmm(weights.unsqueeze(1), told).squeeze(1)
        near = F.cosine_similarity(told, wanted) / 0.2  #! near_dot near_cold
        x0 = torch.cat([v.flatten(1), y, bag, told], 1)  #! join_order
        x1 = x0 * (x0 @ self.cross1)[:, None] + x0  #! cross_residual
        x2 = x0 * (x1 @ self.cross2)[:, None] + x1  #! cross_own
        deep = self.deep2(F.relu(self.deep1(x0)))
        score = self.last(x2).squeeze(1) + deep.squeeze(1) + once + twice + near  #! once_missing
        return torch.sigmoid(score / 10)  #! hard
