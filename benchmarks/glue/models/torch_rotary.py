"""Torch half of a decoder with turned keys. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class RotaryBlock(nn.Module):
    """Attention and a gated feed-forward side by side, on one norm; fewer heads of keys than of queries."""

    def __init__(self, d: int, heads: int, keys: int, reach: int) -> None:
        super().__init__()
        self.heads, self.keys, self.w, self.reach = heads, keys, d // heads, reach
        self.gain = nn.Parameter(0.3 * torch.randn(d))
        self.q, self.k = nn.Linear(d, d, bias=False), nn.Linear(d, keys * self.w, bias=False)
        self.v, self.o = nn.Linear(d, keys * self.w, bias=False), nn.Linear(d, d, bias=False)
        self.both, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(2 * d, d, bias=False)

    def forward(self, x, angles):
        b, t, d = x.shape
        turns = torch.polar(torch.ones_like(angles), angles)[:, None]
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3)  #! rms_outside rms_axis
        y = y * (1 + self.gain)  #! gain_bare
        q = self.q(y).view(b, t, self.heads, self.w)
        k = self.k(y).view(b, t, self.keys, self.w)
        v = self.v(y).view(b, t, self.keys, self.w)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)  #! key_long
        q, k = (
            torch.view_as_real(torch.view_as_complex(one.reshape(*one.shape[:-1], -1, 2)) * turns).flatten(3)
            for one in (q, k)
        )  #! query_unturned turn_back
        q = q * 4.0  #! scale
        k = (
            k[:, :, :, None].expand(-1, -1, -1, self.heads // self.keys, -1).reshape(b, t, -1, self.w)
        )  #! groups_dealt
        v = v[:, :, :, None].expand(-1, -1, -1, self.heads // self.keys, -1).reshape(b, t, -1, self.w)
        scores = q.transpose(1, 2) @ k.permute(0, 2, 3, 1)
        place = torch.arange(t)
        away = place[:, None] - place
        seen = (away >= 0) & (away < self.reach)  #! reach_far
        scores = torch.where(seen, scores, torch.finfo(scores.dtype).min)
        a = F.softmax(scores, dim=-1) @ v.transpose(1, 2)
        a = self.o(a.transpose(1, 2).reshape(b, t, d))
        gate, up = self.both(y).chunk(2, -1)  #! gate_second serial
        h = self.down(F.silu(gate) * up)  #! gate_gelu gate_second
        return x + a + h  #! serial


class Rotary(nn.Module):
    """Logits of each next id, from the table that reads the ids, and what the true ones cost."""

    def __init__(self, d: int = 16, heads: int = 4, keys: int = 2) -> None:
        super().__init__()
        self.w = d // heads
        self.embed = nn.Embedding(30, d)
        self.blocks = nn.ModuleList([RotaryBlock(d, heads, keys, reach) for reach in (3, 7)])

    def forward(self, ids):
        x = self.embed(ids)
        x = x * x.shape[-1] ** 0.5  #! embed_bare
        rate = 1.0 / (500.0 ** (torch.arange(0, self.w, 2).float() / self.w))  #! rate
        angles = torch.outer(torch.arange(ids.shape[1]).float(), rate)
        for block in self.blocks:
            x = block(x, angles)
        x = F.rms_norm(x, x.shape[-1:], eps=1e-3)  #! last_unnormed
        logits = x @ self.embed.weight.t()
        logits = 8 * torch.tanh(logits / 8)  #! cap_missing cap_narrow
        chances = logits[:, :-1].log_softmax(-1)  #! cost_same
        cost = -chances.gather(-1, ids[:, 1:, None]).squeeze(-1)
        return logits, cost.mean()  #! cost_total
