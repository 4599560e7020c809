"""Candidates whose values cancel, or that decide between equal ones."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F


class Reduction(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.again = nn.BatchNorm1D(1), nn.BatchNorm1D(1)
        self.pool, self.head = nn.AdaptiveAvgPool1D(1), nn.Linear(1, 4, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = self.again(self.norm(x))
        return self.head(self.pool(centred).flatten(1)) + centred.std()


class Ties(nn.Layer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.pool = kind, nn.Conv2D(4, 8, 3, padding=1), nn.MaxPool2D(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        near = paddle.log(paddle.exp(y))
        if self.kind == "pool":
            y = self.pool(paddle.concat([y, near], 3))
        elif self.kind == "quantised":
            y = y + paddle.round(paddle.log(paddle.exp(x)) * 8).tile([1, 2, 1, 1]) / 8
        elif self.kind == "routed":
            flat = paddle.concat([y[:, :4], near[:, :4]], 1).flatten(2).transpose([0, 2, 1])
            values, chosen = paddle.topk(flat, 3, -1)
            gates = paddle.put_along_axis(paddle.zeros_like(flat), chosen, F.softmax(values, -1), -1)
            y = (flat * gates).transpose([0, 2, 1])
        elif self.kind == "argmax":
            flat = paddle.concat([y, near], 3).flatten(2)
            places = paddle.arange(flat.shape[2], dtype=y.dtype) / flat.shape[2]
            best = F.one_hot(flat.argmax(-1), flat.shape[2]).astype(y.dtype)
            y = flat + (best * places).sum(-1, keepdim=True)
        return self.head(y.flatten(2).mean(2))


class Decisions(nn.Layer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.stem, self.gate, self.head = nn.Linear(8, 8), Gate(), nn.Linear(8, 5)
        self.decide = DECISIONS[kind]()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x)
        values, _ = self.decide(tokens, self.gate(tokens))
        return self.head(values.flatten(1, -2).mean(1))


class Gate(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.linear(x).squeeze(-1) + 0.5)


class Decision(nn.Layer):
    """Takes of equals the last, where the reference takes the first.

    What may be wrong: `shift` of what was chosen, `turned` scores, a `factor` of all values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shift, self.turned, self.factor = 0, False, 1.0

    def forward(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        values, chosen = self.decided(x, -scores if self.turned else scores)
        return values * self.factor, chosen

    def told(self, chosen: Tensor, count: int) -> Tensor:
        return (chosen + self.shift) % count if self.shift else chosen


class Best(Decision):
    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        gates = F.softmax(scores, -1)
        chosen = self.told(paddle.argsort(gates, 1, stable=True).flip(1)[:, :6], x.shape[1])
        values = paddle.take_along_axis(gates, chosen, 1)
        return paddle.take_along_axis(x, chosen.unsqueeze(-1), 1) * values.unsqueeze(-1), chosen


class Largest(Decision):
    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        count = x.shape[1]
        chosen = self.told(count - 1 - F.log_softmax(scores, -1).flip(1).argmax(1), count)
        return x + F.one_hot(chosen, count).astype(x.dtype).unsqueeze(-1), chosen


class Pooled(Decision):
    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        near, count = paddle.tanh(-x if self.turned else x).transpose([0, 2, 1]).flip(2), x.shape[1]
        values, chosen = F.max_pool1d(near, 2, return_mask=True)
        chosen = self.told(count - 1 - chosen.astype("int64").flip(2), count)
        return values.flip(2).transpose([0, 2, 1]) * scores.mean(), chosen


class Quantised(Decision):
    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        step = 2 * scores.detach().roll(1, 1) + 0.25
        steps = paddle.ceil((scores + 0.125) / step + 0.5) + self.shift
        return x * (steps * step).unsqueeze(-1) + scores.unsqueeze(-1), steps.astype("int32")


class Routed(Decision):
    def __init__(self) -> None:
        super().__init__()
        self.experts = self.create_parameter([4, 8, 8])

    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        rows = paddle.stack([scores, scores.roll(1, 1), 0.2 - scores, scores.roll(2, 1) - 0.3], -1)
        gates = F.softmax(rows, -1)
        chosen = self.told(3 - gates.flip(-1).argmax(-1), 4)
        given = paddle.einsum("ntf,efg->ntge", x, self.experts)
        places = chosen.reshape([*chosen.shape, 1, 1]).expand([-1, -1, 8, -1])
        taken = paddle.take_along_axis(given, places, 3).squeeze(3)
        return taken * paddle.take_along_axis(gates, chosen.unsqueeze(-1), -1), chosen


class Suppressed(Decision):
    def decided(self, x: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        order = self.told(paddle.argsort(F.softmax(scores, -1), 1, stable=True).flip(1), x.shape[1])
        near = (x.unsqueeze(1) - x.unsqueeze(2)).abs().max(-1) < 1.5
        kept = paddle.zeros_like(order).astype("bool")
        for place in range(x.shape[1]):
            token = F.one_hot(order[:, place], x.shape[1])
            beside = (near.astype("float32") * token.unsqueeze(-1)).sum(1) > 0
            free = ~(beside & kept).any(1)
            kept = kept | ((token > 0) & free.unsqueeze(-1))
        return x * kept.unsqueeze(-1).astype(x.dtype), kept


DECISIONS = {
    "top-k": Best,
    "argmax of tokens": Largest,
    "max-pool": Pooled,
    "rounding": Quantised,
    "experts": Routed,
    "suppression": Suppressed,
}
