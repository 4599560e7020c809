"""GPT-2 in Paddle: plain Linear layers where Hugging Face has its own Conv1D."""

from __future__ import annotations

import paddle
from paddle import nn


class CausalAttention(nn.Layer):
    """Attention to the left; the packed projection of width [3 * width] is a plain Linear."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.merge = nn.Linear(width, width)
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        batch, length, width = x.shape
        packed = self.qkv(x).reshape([batch, length, 3, self.heads, width // self.heads])
        query, key, value = packed.transpose([2, 0, 3, 1, 4]).unbind(0)
        future = paddle.triu(paddle.full([length, length], -1e9), 1)
        scores = paddle.matmul(query, key, transpose_y=True) * (width // self.heads) ** -0.5
        weights = nn.functional.softmax(scores + future)
        return self.merge(
            paddle.matmul(weights, value).transpose([0, 2, 1, 3]).reshape([batch, length, width])
        )


class Block(nn.Layer):
    """Norms first; the feed-forward part is a Sequential, defined before the attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate=True), nn.Linear(4 * width, width)
        )
        self.feed_norm = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed(self.feed_norm(x))


class Gpt2(nn.Layer):
    """Maps tokens [n, length] to hidden states [n, length, width]."""

    def __init__(self, layers: int, width: int = 64, vocabulary: int = 120, positions: int = 40) -> None:
        super().__init__()
        self.last_norm = nn.LayerNorm(width)
        self.blocks = nn.LayerList([Block(width, 4) for _ in range(layers)])
        self.position = nn.Embedding(positions, width)
        self.token = nn.Embedding(vocabulary, width)

    def forward(self, tokens: paddle.Tensor) -> paddle.Tensor:
        # Positions first; Hugging Face looks up the tokens first.
        x = self.position(paddle.arange(tokens.shape[1]).unsqueeze(0))
        x = x + self.token(tokens)
        for block in self.blocks:
            x = block(x)
        return self.last_norm(x)


def build(layers: int = 2) -> nn.Layer:
    return Gpt2(layers)
