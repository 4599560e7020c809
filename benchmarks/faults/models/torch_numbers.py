"""References whose values cancel, or that decide between equal ones; there is nothing to learn from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Reduction(nn.Module):
    """Means of many terms that cancel, in a norm's statistics and in a pool: [1, 1, terms] -> [1, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.again = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
        self.pool, self.head = nn.AdaptiveAvgPool1d(1), nn.Linear(1, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = self.again(self.norm(x))
        return self.head(self.pool(centred).flatten(1)) + centred.std()


class Ties(nn.Module):
    """Decisions between values that are equal but for rounding: even images [n, 4, 8, 8] -> [n, 5]."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.pool = kind, nn.Conv2d(4, 8, 3, padding=1), nn.MaxPool2d(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        # The same numbers, but for rounding, in which frameworks differ.
        near = torch.log(torch.exp(y))
        if self.kind == "pool":
            y = self.pool(torch.cat([y, near], 3))
        elif self.kind == "quantised":
            # Inputs are odd sixteenths, so that each lies in the middle between two steps.
            y = y + torch.round(torch.log(torch.exp(x)) * 8).repeat(1, 2, 1, 1) / 8
        elif self.kind == "routed":
            flat = torch.cat([y[:, :4], near[:, :4]], 1).flatten(2).transpose(1, 2)
            values, chosen = torch.topk(flat, 3, -1)
            gates = torch.zeros_like(flat).scatter(-1, chosen, torch.softmax(values, -1))
            y = (flat * gates).transpose(1, 2)
        elif self.kind == "argmax":
            flat = torch.cat([y, near], 3).flatten(2)
            places = torch.arange(flat.shape[2], dtype=y.dtype) / flat.shape[2]
            y = flat + (F.one_hot(flat.argmax(-1), flat.shape[2]).to(y.dtype) * places).sum(-1, True)
        return self.head(y.flatten(2).mean(2))


class Decisions(nn.Module):
    """A layer decides by scores, of which few are equal but for rounding: [n, 16, 8] -> [n, 5].

    Each kind returns values that depend on the decision, and the decision.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.stem, self.gate, self.head = nn.Linear(8, 8), Gate(), nn.Linear(8, 5)
        self.decide = DECISIONS[kind]()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x)
        values, _ = self.decide(tokens, self.gate(tokens))
        return self.head(values.flatten(1, -2).mean(1))


class Gate(nn.Module):
    """A score for each token; some are cut off, and equal tokens score the same."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x).squeeze(-1) + 0.5)


class Best(nn.Module):
    """The best tokens, the best first."""

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        values, chosen = torch.topk(torch.softmax(scores, -1), 6)
        return x.gather(1, chosen.unsqueeze(-1).expand(-1, -1, 8)) * values.unsqueeze(-1), chosen


class Largest(nn.Module):
    """All tokens, and one more for the best one's place."""

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        chosen = torch.log_softmax(scores, -1).argmax(1)
        return x + F.one_hot(chosen, x.shape[1]).to(x.dtype).unsqueeze(-1), chosen


class Pooled(nn.Module):
    """The larger of each two tokens, feature by feature."""

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        near = torch.tanh(x).transpose(1, 2)
        values, chosen = F.max_pool1d(near, 2, return_indices=True)
        return values.transpose(1, 2) * scores.mean(), chosen


class Quantised(nn.Module):
    """Scores to steps that are twice the score before, so that equal ones lie in the middle of a step."""

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        step = 2 * scores.detach().roll(1, 1) + 0.25
        steps = torch.round((scores + 0.125) / step + 1)
        return x * (steps * step).unsqueeze(-1) + scores.unsqueeze(-1), steps.to(torch.int32)


class Routed(nn.Module):
    """Each token to the expert of the largest of four rows of scores."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.Parameter(torch.zeros(4, 8, 8))

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.stack([scores, scores.roll(1, 1), 0.2 - scores, scores.roll(2, 1) - 0.3], -1)
        gates, chosen = torch.softmax(rows, -1).max(-1)
        given = torch.einsum("ntf,efg->ntge", x, self.experts)
        taken = given.gather(3, chosen.reshape(*chosen.shape, 1, 1).expand(-1, -1, 8, -1)).squeeze(3)
        return taken * gates.unsqueeze(-1), chosen


class Suppressed(nn.Module):
    """The best tokens, the best first; each keeps those away that are near it."""

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        order = torch.argsort(torch.softmax(scores, -1), 1, descending=True)
        near = (x.unsqueeze(1) - x.unsqueeze(2)).abs().amax(-1) < 1.5
        kept = torch.zeros_like(order, dtype=torch.bool)
        rows = torch.arange(len(x))
        for place in range(x.shape[1]):
            token = order[:, place]
            free = ~(near[rows, token] & kept).any(1)
            kept = kept | (F.one_hot(token, x.shape[1]).bool() & free.unsqueeze(-1))
        return x * kept.unsqueeze(-1).to(x.dtype), kept


DECISIONS = {
    "top-k": Best,
    "argmax of tokens": Largest,
    "max-pool": Pooled,
    "rounding": Quantised,
    "experts": Routed,
    "suppression": Suppressed,
}
