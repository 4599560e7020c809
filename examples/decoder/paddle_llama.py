"""Llama in Paddle: rotary positions and norms written out, one list of layers for each block."""

from __future__ import annotations

import paddle
from paddle import nn


class ScaleNorm(nn.Layer):
    """Divides by the root mean square and scales."""

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.scale = self.create_parameter([width], default_initializer=nn.initializer.Constant(1.0))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * paddle.rsqrt((x * x).mean(-1, keepdim=True) + self.epsilon) * self.scale


def rotated(x: paddle.Tensor) -> paddle.Tensor:
    """Returns `x` [n, length, heads, size] turned by its position; the halves of `size` are the two axes."""
    half = x.shape[-1] // 2
    frequencies = 10000.0 ** (-paddle.arange(half, dtype="float32") / half)
    angles = paddle.outer(paddle.arange(x.shape[1], dtype="float32"), frequencies).unsqueeze([0, 2])
    first, second = x[..., :half], x[..., half:]
    cosine, sine = paddle.cos(angles), paddle.sin(angles)
    return paddle.concat([first * cosine - second * sine, second * cosine + first * sine], -1)


class GroupedAttention(nn.Layer):
    """Causal attention; groups of query heads share a key and a value."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.size, self.heads, self.groups = width // heads, heads, groups
        self.values = nn.Linear(width, groups * self.size, bias_attr=False)
        self.keys = nn.Linear(width, groups * self.size, bias_attr=False)
        self.queries = nn.Linear(width, width, bias_attr=False)
        self.merge = nn.Linear(width, width, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        batch, length, width = x.shape
        # Values, keys, queries: the other way round than Hugging Face.
        value = self.values(x).reshape([batch, length, self.groups, self.size])
        key = rotated(self.keys(x).reshape([batch, length, self.groups, self.size]))
        query = rotated(self.queries(x).reshape([batch, length, self.heads, self.size]))
        value, key = (t.repeat_interleave(self.heads // self.groups, axis=2) for t in (value, key))
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.merge(attended.reshape([batch, length, width]))


class GatedFeed(nn.Layer):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.shrink = nn.Linear(inner, width, bias_attr=False)
        self.value = nn.Linear(width, inner, bias_attr=False)
        self.gate = nn.Linear(width, inner, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.shrink(nn.functional.silu(self.gate(x)) * self.value(x))


class Block(nn.Layer):
    def __init__(self, width: int, heads: int, groups: int, inner: int) -> None:
        super().__init__()
        self.feed = GatedFeed(width, inner)
        self.attention = GroupedAttention(width, heads, groups)
        self.norms = nn.LayerList([ScaleNorm(width), ScaleNorm(width)])

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.feed(self.norms[1](x))


class Llama(nn.Layer):
    """Maps tokens [n, length] to hidden states [n, length, width]."""

    def __init__(self, layers: int, width: int = 64, vocabulary: int = 120) -> None:
        super().__init__()
        self.last_norm = ScaleNorm(width)
        self.stack = nn.Sequential(*[Block(width, heads=4, groups=2, inner=160) for _ in range(layers)])
        self.token = nn.Embedding(vocabulary, width)

    def forward(self, tokens: paddle.Tensor) -> paddle.Tensor:
        return self.last_norm(self.stack(self.token(tokens)))


def build(layers: int = 2) -> nn.Layer:
    return Llama(layers)
