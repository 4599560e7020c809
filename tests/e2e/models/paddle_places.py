"""Paddle halves of models whose sides hold the same values in other places; `fault` plants one."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class Unrolled(nn.Layer):
    def __init__(self, kind, fault=""):
        super().__init__()
        self.cell, self.has_memory = getattr(nn, kind)(4, 5), kind == "LSTMCell"
        self.fault = fault

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)[1]
            if self.fault == "swapped":
                state = state[1], state[0]
        return state[0] if self.has_memory else state


class TiedHead(nn.Layer):
    """The head is a product with the embedding's table, not a layer."""

    def __init__(self, fault=""):
        super().__init__()
        self.emb, self.fc, self.fault = nn.Embedding(7, 4), nn.Linear(4, 4), fault

    def forward(self, ids):
        hidden = F.gelu(self.fc(self.emb(ids)))
        table = self.emb.weight
        if self.fault == "wrong table":
            table = paddle.flip(table, [0])
        logits = paddle.matmul(hidden, table, transpose_y=True)
        return logits * 0.5 if self.fault == "scaled" else logits


class LooseHead(nn.Layer):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(7, 4)

    def forward(self, ids):
        return paddle.matmul(self.emb(ids), self.emb.weight, transpose_y=True)
