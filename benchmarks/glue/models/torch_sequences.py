"""Torch halves of glue between layers: sequences. `#!` names the faults a line stands for."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    """Positions by sines, a padding mask, residuals before a norm, a mean without the padding."""

    def __init__(self, d: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(30, d, padding_idx=0)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.up, self.down, self.head = nn.Linear(d, 2 * d), nn.Linear(2 * d, d), nn.Linear(d, 5)

    def forward(self, ids):
        b, t = ids.shape
        x = self.embed(ids)
        d = x.shape[-1]
        x = x * math.sqrt(d)  #! embed_scale back_embed
        place = torch.arange(t, dtype=torch.float32)[:, None]  #! place_from_one
        rate = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))  #! base
        angles = place * rate
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  #! waves_apart waves_swapped
        x = x + waves  #! waves_missing
        keep = ids != 0  #! keep_shifted
        q, k, v = (
            f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
        )  #! heads back_values
        scores = q @ k.transpose(-1, -2) / math.sqrt(d // self.heads)  #! scale
        scores = scores.masked_fill(~keep[:, None, None, :], float("-inf"))  #! mask_queries
        a = scores.softmax(-1) @ v  #! axis back_weights
        h = self.o(a.transpose(1, 2).reshape(b, t, d))
        x = self.n1(x + h)  #! residual_missing residual_twice back_residual
        h = self.down(F.gelu(self.up(x)))  #! gelu
        x = self.n2(x + h)
        weight = keep[..., None].float()
        mean = (x * weight).sum(1) / weight.sum(1)  #! mean_of_all
        return self.head(torch.tanh(mean))  #! tanh_missing


class Decoder(nn.Module):
    """A prompt, then one token on a cache; norms by root mean square and a gated feed-forward written out."""

    def __init__(self, d: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed, self.places = nn.Embedding(30, d), nn.Embedding(16, d)
        self.qkv, self.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.gate, self.up, self.down = (nn.Linear(d, d) for _ in range(3))
        self.head = nn.Linear(d, 30, bias=False)

    def rms(self, x):
        return x * torch.rsqrt(
            x.pow(2).mean(-1, keepdim=True) + 1e-5
        )  #! rms_sum rms_epsilon norm_missing back_rms

    def run(self, ids, old):
        b, t = ids.shape
        seen = 0 if old is None else old[0].shape[2]
        x = self.embed(ids) + self.places(torch.arange(seen, seen + t))  #! places_restart
        y = self.rms(x)  #! norm_missing
        q, k, v = self.qkv(y).chunk(3, dim=-1)  #! key_for_value
        q, k, v = (one.view(b, t, self.heads, -1).transpose(1, 2) for one in (q, k, v))
        if old is not None:
            k = torch.cat([old[0], k], dim=2)  #! cache_order
            v = torch.cat([old[1], v], dim=2)  #! cache_of_keys
        scores = q @ k.mT / math.sqrt(q.shape[-1])  #! scale
        later = torch.ones(t, k.shape[2], dtype=torch.bool).triu(1 + seen)  #! diagonal
        a = scores.masked_fill(later, -1e9).softmax(-1) @ v
        x = x + self.o(a.transpose(1, 2).flatten(2))  #! residual_of_norm
        y = self.rms(x)
        g = F.silu(self.gate(y))  #! gate_sigmoid back_gated
        x = x + self.down(g * self.up(y))  #! gate_added
        return x, (k, v)  #! back_cache

    def forward(self, ids):
        x, cache = self.run(ids[:, :-1], None)
        y, _ = self.run(ids[:, -1:], cache)
        both = torch.cat([x, y], dim=1)  #! last_first
        return self.head(self.rms(both)) / 2.0  #! logits


class Gru(nn.Module):
    """A recurrent cell by hand, both ways over time."""

    def __init__(self, d: int = 6, h: int = 8) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(d, 3 * h), nn.Linear(h, 3 * h)
        self.start, self.head = nn.Parameter(0.3 * torch.randn(h)), nn.Linear(2 * h, 3)

    def walk(self, x):
        h = self.start.expand(x.shape[0], -1)  #! start_zero
        made = []
        for step in x.unbind(1):
            r, z, n = self.inner(step).chunk(3, -1)  #! gates_order
            hr, hz, hn = self.outer(h).chunk(3, -1)
            r = torch.sigmoid(r + hr)  #! reset_tanh
            z = torch.sigmoid(z + hz)  #! update_own
            n = torch.tanh(n + r * hn)  #! reset_missing new_relu back_reset
            h = (1 - z) * n + z * h  #! update_swapped back_through_time
            made.append(h)
        return torch.stack(made, 1)  #! made_twice

    def forward(self, x):
        there = self.walk(x)
        back = self.walk(x.flip(1)).flip(1)  #! flip_features
        both = torch.cat([there, back], -1)  #! both_order
        pooled = both.amax(1)  #! pool_last
        return self.head(pooled * 0.5)  #! half
