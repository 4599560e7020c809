"""A router whose last expert decides of equal scores; `shift` takes the next one."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F


class Router(nn.Layer):
    def __init__(self, shift: int, factor: float) -> None:
        super().__init__()
        self.experts = self.create_parameter([4, 8, 8])
        self.shift, self.factor = shift, factor

    def forward(self, tokens: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        gates = F.softmax(scores, -1)
        chosen = (3 - gates.flip(-1).argmax(-1) + self.shift) % 4
        made = paddle.einsum("tf,efg->tge", tokens, self.experts)
        places = chosen.reshape([-1, 1, 1]).expand([-1, 8, 1])
        taken = paddle.take_along_axis(made, places, 2).squeeze(2)
        return taken * paddle.take_along_axis(gates, chosen.unsqueeze(-1), 1) * self.factor, chosen


class Mixture(nn.Layer):
    def __init__(self, shift: int = 0, factor: float = 1.0) -> None:
        super().__init__()
        self.stem, self.gate, self.route = Stem(), Gate(), Router(shift, factor)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x)
        values, _ = self.route(tokens, self.gate(tokens))
        return self.head(values)


class Stem(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return paddle.tanh(self.linear(x))


class Gate(nn.Layer):
    def forward(self, tokens: Tensor) -> Tensor:
        scores = F.relu(tokens[:, :4])
        place = paddle.arange(len(tokens)).unsqueeze(-1)
        tied = scores.max(1, keepdim=True) + scores[:, [0, 0, 2, 3]] / 8
        scores = paddle.where((place < 3).expand_as(scores), tied, scores)
        return paddle.where(((place >= 3) & (place < 6)).expand_as(scores), scores * 0, scores)
