"""Candidates that look at sequences. Code between layers is a method of its own, which faults can replace."""

from __future__ import annotations

import math
from typing import Optional

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

Cache = Optional[tuple[Tensor, Tensor]]


class Glue(nn.Layer):
    """The code between layers that attentions and residual blocks have in common."""

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def split(self, x: Tensor, heads: int) -> Tensor:
        """Returns [n, heads, length, width] of [n, length, heads * width]."""
        batch, length, _ = x.shape
        return x.reshape([batch, length, heads, -1]).transpose([0, 2, 1, 3])

    def merge(self, x: Tensor) -> Tensor:
        batch, heads, length, width = x.shape
        return x.transpose([0, 2, 1, 3]).reshape([batch, length, heads * width])

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        return paddle.matmul(query, key, transpose_y=True) / math.sqrt(query.shape[-1])

    def weights(self, scores: Tensor) -> Tensor:
        return F.softmax(scores, -1)


class Attention(Glue):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def masked(self, scores: Tensor, mask: Tensor) -> Tensor:
        return scores + (1.0 - mask.unsqueeze([1, 2]).astype(scores.dtype)) * -1e4

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (self.split(layer(x), self.heads) for layer in (self.query, self.key, self.value))
        weights = self.weights(self.masked(self.scores(query, key), mask))
        return self.out(self.merge(paddle.matmul(weights, value)))


class Block(Glue):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(width, heads), nn.LayerNorm(width)
        self.up, self.act, self.down = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        self.norm2, self.drop = nn.LayerNorm(width), nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(self.add(x, self.drop(self.attention(x, mask))))
        return self.norm2(self.add(x, self.drop(self.down(self.act(self.up(x))))))


class Encoder(Glue):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(60, width, padding_idx=0), nn.Embedding(16, width)
        self.norm = nn.LayerNorm(width, epsilon=1e-12)
        self.blocks = nn.LayerList(Block(width, 4) for _ in range(3))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 6)

    def places(self, length: int) -> Tensor:
        return paddle.arange(length)

    def pooled(self, x: Tensor) -> Tensor:
        return x[:, 0]

    def activate(self, x: Tensor) -> Tensor:
        return paddle.tanh(x)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(self.add(self.token(tokens), self.position(self.places(tokens.shape[1]))))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.activate(self.pooler(self.pooled(x))))


class RMSNorm(nn.Layer):
    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = self.create_parameter([width])
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


class CachedAttention(Glue):
    base = 10000.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias_attr=False)
        self.out = nn.Linear(width, width, bias_attr=False)
        self.key, self.value = (nn.Linear(width, width // 2, bias_attr=False) for _ in range(2))

    def rotated(self, x: Tensor, start: int) -> Tensor:
        length, half = x.shape[2], x.shape[3] // 2
        rates = self.base ** (-paddle.arange(half, dtype="float64") / half)
        angles = (paddle.arange(start, start + length, dtype="float64").unsqueeze(1) * rates).astype(x.dtype)
        first, second = x[..., :half], x[..., half:]
        cosine, sine = angles.cos(), angles.sin()
        return paddle.concat([first * cosine - second * sine, second * cosine + first * sine], -1)

    def extend(self, kept: Tensor, new: Tensor) -> Tensor:
        return paddle.concat([kept, new], 2)

    def repeat(self, x: Tensor) -> Tensor:
        """Returns x with each of its heads twice, one behind the other."""
        return x.repeat_interleave(2, 1)

    def seen(self, start: int, length: int) -> Tensor:
        return paddle.arange(start + length) <= paddle.arange(start, start + length).unsqueeze(1)

    def masked(self, scores: Tensor, seen: Tensor) -> Tensor:
        return paddle.where(seen, scores, paddle.full([], -1e9, scores.dtype))

    def forward(self, x: Tensor, cache: Cache = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        start = 0 if cache is None else cache[0].shape[2]
        query = self.rotated(self.split(self.query(x), 4), start)
        key = self.rotated(self.split(self.key(x), 2), start)
        value = self.split(self.value(x), 2)
        if cache is not None:
            key, value = self.extend(cache[0], key), self.extend(cache[1], value)
        scores = self.masked(self.scores(query, self.repeat(key)), self.seen(start, x.shape[1]))
        made = paddle.matmul(self.weights(scores), self.repeat(value))
        return self.out(self.merge(made)), (key, value)


class DecoderBlock(Glue):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = RMSNorm(width), CachedAttention(width), RMSNorm(width)
        self.gate, self.up = (nn.Linear(width, 2 * width, bias_attr=False) for _ in range(2))
        self.act, self.down = nn.Silu(), nn.Linear(2 * width, width, bias_attr=False)

    def gated(self, gate: Tensor, x: Tensor) -> Tensor:
        return gate * x

    def forward(self, x: Tensor, cache: Cache = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        made, cache = self.attention(self.norm1(x), cache)
        x = self.add(x, made)
        y = self.norm2(x)
        return self.add(x, self.down(self.gated(self.act(self.gate(y)), self.up(y)))), cache


class Decoder(Glue):
    FIRST = 5

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.token, self.norm = nn.Embedding(60, width), RMSNorm(width)
        self.blocks = nn.LayerList(DecoderBlock(width) for _ in range(2))
        self.head = nn.Linear(width, 60, bias_attr=False)

    def forward(self, tokens: Tensor) -> Tensor:
        caches: list[Cache] = [None] * len(self.blocks)
        made = []
        cuts = [0, *range(self.FIRST, tokens.shape[1] + 1)]
        for start, end in zip(cuts, cuts[1:]):
            x = self.token(tokens[:, start:end])
            for number, block in enumerate(self.blocks):
                x, caches[number] = block(x, caches[number])
            made.append(self.head(self.norm(x)))
        return paddle.concat(made, 1)


class PatchAttention(Glue):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.packed, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def unpacked(self, packed: Tensor) -> list[Tensor]:
        """Returns queries, keys and values [n, heads, length, width]."""
        batch, length, _ = packed.shape
        return packed.reshape([batch, length, 3, self.heads, -1]).transpose([2, 0, 3, 1, 4]).unbind(0)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.unpacked(self.packed(x))
        return self.out(self.merge(paddle.matmul(self.weights(self.scores(query, key)), value)))


class VitBlock(Glue):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, 1e-6), PatchAttention(width, 4)
        self.norm2, self.act = nn.LayerNorm(width, 1e-6), nn.GELU()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.scale1, self.scale2 = self.create_parameter([width]), self.create_parameter([width])

    def forward(self, x: Tensor) -> Tensor:
        x = self.add(x, self.scale1 * self.attention(self.norm1(x)))
        return self.add(x, self.scale2 * self.down(self.act(self.up(self.norm2(x)))))


class Vit(Glue):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2D(3, width, 4, 4)
        self.first = self.create_parameter([1, 1, width])
        self.position = self.create_parameter([1, 17, width])
        self.blocks = nn.LayerList(VitBlock(width) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, 10)

    def sequence(self, x: Tensor) -> Tensor:
        """Returns [n, places, width] of an image of patches [n, width, h, w]."""
        return x.flatten(2).transpose([0, 2, 1])

    def joined(self, first: Tensor, others: Tensor) -> Tensor:
        return paddle.concat([first, others], 1)

    def pooled(self, x: Tensor) -> Tensor:
        return x[:, 0]

    def forward(self, images: Tensor) -> Tensor:
        patches = self.sequence(self.patch(images))
        first = self.first.expand([patches.shape[0], -1, -1])
        x = self.add(self.joined(first, patches), self.position)
        for block in self.blocks:
            x = block(x)
        return self.head(self.pooled(self.norm(x)))


class Lstm(Glue):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.token = nn.Embedding(60, width)
        self.lstm = nn.LSTM(width, width, 2, direction="bidirect")
        self.cell, self.weigh = nn.LSTMCell(2 * width, 2 * width), nn.Linear(2 * width, 1)
        self.head = nn.Linear(2 * width, 5)

    def weights(self, scores: Tensor) -> Tensor:
        return F.softmax(scores, 1)

    def pooled(self, weights: Tensor, x: Tensor) -> Tensor:
        return (weights * x).sum(1)

    def forward(self, tokens: Tensor) -> Tensor:
        made, _ = self.lstm(self.token(tokens))
        pooled = self.pooled(self.weights(self.weigh(made)), made)
        hidden = memory = paddle.zeros_like(pooled)
        for _ in range(3):
            hidden, (_, memory) = self.cell(pooled, (hidden, memory))
        return self.head(hidden)
