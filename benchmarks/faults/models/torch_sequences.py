"""References that look at sequences: an encoder, a decoder with a cache, a vision transformer, an LSTM."""

from __future__ import annotations

import math
from typing import Optional

import torch
from torch import Tensor, nn

Cache = Optional[tuple[Tensor, Tensor]]


class Attention(nn.Module):
    """Self-attention [n, length, width] of padded sequences; `mask` [n, length] is 1 where a token is."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            layer(x).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        scores = scores + (1.0 - mask[:, None, None].to(x.dtype)) * -1e4
        made = torch.softmax(scores, -1) @ value
        return self.out(made.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention, then two linear layers, a norm behind each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(width, heads), nn.LayerNorm(width)
        self.up, self.act, self.down = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        self.norm2, self.drop = nn.LayerNorm(width), nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.attention(x, mask)))
        return self.norm2(x + self.drop(self.down(self.act(self.up(x)))))


class Encoder(nn.Module):
    """Maps tokens and their mask [n, length] to scores [n, 6]."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(60, width, padding_idx=0), nn.Embedding(16, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(3))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 6)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(self.token(tokens) + self.position(torch.arange(tokens.shape[1])))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(torch.tanh(self.pooler(x[:, 0])))


class RMSNorm(nn.Module):
    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotated(x: Tensor, start: int) -> Tensor:
    """Returns x [n, heads, length, width] turned by its position, in halves."""
    length, half = x.shape[2], x.shape[3] // 2
    rates = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = (torch.arange(start, start + length, dtype=torch.float64)[:, None] * rates).to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class CachedAttention(nn.Module):
    """Causal attention over what came before, too; four heads share two of keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.key, self.value = (nn.Linear(width, width // 2, bias=False) for _ in range(2))

    def forward(self, x: Tensor, cache: Cache = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        batch, length, width = x.shape
        start = 0 if cache is None else cache[0].shape[2]
        query = rotated(self.query(x).view(batch, length, 4, -1).transpose(1, 2), start)
        key = rotated(self.key(x).view(batch, length, 2, -1).transpose(1, 2), start)
        value = self.value(x).view(batch, length, 2, -1).transpose(1, 2)
        if cache is not None:
            key, value = torch.cat([cache[0], key], 2), torch.cat([cache[1], value], 2)
        scores = query @ key.repeat_interleave(2, 1).transpose(2, 3) / math.sqrt(width // 4)
        seen = torch.arange(start + length) <= torch.arange(start, start + length)[:, None]
        weights = torch.softmax(scores.masked_fill(~seen, -1e9), -1)
        made = weights @ value.repeat_interleave(2, 1)
        return self.out(made.transpose(1, 2).reshape(batch, length, width)), (key, value)


class DecoderBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = RMSNorm(width), CachedAttention(width), RMSNorm(width)
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.act, self.down = nn.SiLU(), nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor, cache: Cache = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        made, cache = self.attention(self.norm1(x), cache)
        x = x + made
        y = self.norm2(x)
        return x + self.down(self.act(self.gate(y)) * self.up(y)), cache


class Decoder(nn.Module):
    """Maps tokens [n, length] to scores [n, length, 60]: five at once, then one by one with a cache."""

    FIRST = 5

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.token, self.norm = nn.Embedding(60, width), RMSNorm(width)
        self.blocks = nn.ModuleList(DecoderBlock(width) for _ in range(2))
        self.head = nn.Linear(width, 60, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        caches: list[Cache] = [None] * len(self.blocks)
        made = []
        cuts = [0, *range(self.FIRST, tokens.shape[1] + 1)]
        for start, end in zip(cuts, cuts[1:]):
            x = self.token(tokens[:, start:end])
            for number, block in enumerate(self.blocks):
                x, caches[number] = block(x, caches[number])
            made.append(self.head(self.norm(x)))
        return torch.cat(made, 1)


class PatchAttention(nn.Module):
    """Self-attention whose queries, keys and values come of one layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.packed, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        packed = self.packed(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = packed.unbind(0)
        weights = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(width // self.heads), -1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


class VitBlock(nn.Module):
    """Norms first; the branches are scaled channel by channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, eps=1e-6), PatchAttention(width, 4)
        self.norm2, self.act = nn.LayerNorm(width, eps=1e-6), nn.GELU()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1 * self.attention(self.norm1(x))
        return x + self.scale2 * self.down(self.act(self.up(self.norm2(x))))


class Vit(nn.Module):
    """Maps images [n, 3, 16, 16] to scores [n, 10]."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 17, width))
        self.blocks = nn.ModuleList(VitBlock(width) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(images), -1, -1), patches], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Lstm(nn.Module):
    """Maps tokens [n, length] to scores [n, 5]: two layers both ways, then a cell step by step."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.token = nn.Embedding(60, width)
        self.lstm = nn.LSTM(width, width, 2, batch_first=True, bidirectional=True)
        self.cell, self.weigh = nn.LSTMCell(2 * width, 2 * width), nn.Linear(2 * width, 1)
        self.head = nn.Linear(2 * width, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        made, _ = self.lstm(self.token(tokens))
        weights = torch.softmax(self.weigh(made), 1)
        pooled = (weights * made).sum(1)
        hidden = memory = torch.zeros_like(pooled)
        for _ in range(3):
            hidden, memory = self.cell(pooled, (hidden, memory))
        return self.head(hidden)
