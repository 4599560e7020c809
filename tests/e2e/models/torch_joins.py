"""Models in Torch whose code makes one value anew for each layer that takes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """Four features, of all that were made before, concatenated or added up."""

    def __init__(self, features: int, joins: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.fc = nn.Linear(features, 4)
        self.joins = joins

    def forward(self, x: list[Tensor]) -> Tensor:
        joined = torch.cat(x, -1) if self.joins else sum(x[1:], x[0])
        return torch.tanh(self.fc(self.norm(joined)))


class Dense(nn.Module):
    """Dense layers; the join is made anew for each, by the layer or by the model (`outside`)."""

    def __init__(self, joins: bool = True, outside: bool = False) -> None:
        super().__init__()
        widths = [4 * (number + 1) if joins else 4 for number in range(5)]
        self.stem = nn.Linear(8, 4)
        self.layers = nn.ModuleList(Layer(width, joins) for width in widths[:4])
        self.head = nn.Linear(widths[4], 3)
        self.joins = joins
        self.outside = outside

    def forward(self, x: Tensor) -> Tensor:
        made = [self.stem(x)]
        for layer in self.layers:
            made.append(layer([self.joined(made)] if self.outside else made))
        return self.head(self.joined(made))

    def joined(self, made: list[Tensor]) -> Tensor:
        return torch.cat(made, -1) if self.joins else sum(made[1:], made[0])


class Twice(nn.Module):
    """Two layers take one value, each made anew; and code takes it between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.left = nn.Linear(6, 6)
        self.right = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.left(h.sin() + h) * self.right(h.sin() + h) + h


class Dropped(nn.Module):
    """A dropout in code, in eval mode the identity, of a tensor that the code goes on with."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.norm = nn.LayerNorm(6)
        self.last = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x) * 2
        dropped = nn.functional.dropout(h, 0.5, self.training)
        return self.last(self.norm(dropped)) + h.cos() + dropped
