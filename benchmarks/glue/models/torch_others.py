"""Torch halves of glue between layers: attention, spectra, experts. `#!` names what a line stands for."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Rotary positions, fewer heads of keys than of queries, a bias by distance, capped scores, a window."""

    def __init__(self, d: int = 16, heads: int = 4, keys: int = 2) -> None:
        super().__init__()
        self.heads, self.keys, self.w = heads, keys, d // heads
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, keys * self.w)
        self.v, self.o = nn.Linear(d, keys * self.w), nn.Linear(d, d)

    def turned(self, x, t):
        rate = 100.0 ** (-torch.arange(0, self.w, 2) / self.w)  #! rate
        angles = torch.outer(torch.arange(t, dtype=torch.float32), rate)
        cos, sin = torch.cos(angles), torch.sin(angles)
        a, b = x[..., 0::2], x[..., 1::2]  #! halves
        one = a * cos - b * sin  #! turn_sign
        two = a * sin + b * cos
        return torch.stack([one, two], -1).flatten(-2)

    def forward(self, x):
        b, t, d = x.shape
        q = self.q(x).view(b, t, self.heads, self.w).transpose(1, 2)
        k = self.k(x).view(b, t, self.keys, self.w).transpose(1, 2)
        v = self.v(x).view(b, t, self.keys, self.w).transpose(1, 2)
        q, k = self.turned(q, t), self.turned(k, t)  #! key_unturned
        k = k.repeat_interleave(self.heads // self.keys, 1)  #! key_tiled
        v = v.repeat_interleave(self.heads // self.keys, 1)  #! value_tiled
        scores = q @ k.transpose(2, 3) * self.w**-0.5  #! scale back_keys
        slopes = 2.0 ** -torch.arange(1, self.heads + 1)  #! slopes
        place = torch.arange(t)
        away = (place[:, None] - place[None, :]).abs()
        scores = scores - slopes[:, None, None] * away  #! bias_sign
        scores = 5.0 * torch.tanh(scores / 5.0)  #! cap cap_missing back_cap
        window = (away > 3) | (place[None, :] > place[:, None])  #! window window_and
        scores = scores.masked_fill(window, -torch.inf)  #! back_where
        a = F.softmax(scores, -1) @ v
        a = a.transpose(1, 2).reshape(b, t, d)  #! merged
        return self.o(a) + x  #! plus_input


class Spectrum(nn.Module):
    """Frames, a window, a spectrum, bands, decibels, and layers on what comes of it."""

    def __init__(self, n: int = 16, hop: int = 4, bands: int = 6) -> None:
        super().__init__()
        self.n, self.hop = n, hop
        self.pre, self.conv, self.fc = nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(bands, 8, 3), nn.Linear(8, 4)
        self.bank = nn.Parameter(torch.rand(n // 2 + 1, bands))

    def forward(self, x):
        x = self.pre(x[:, None])[:, 0]
        x = torch.cat([x[:, :1], x[:, 1:] - 0.9 * x[:, :-1]], 1)  #! emphasis emphasis_ahead
        x = F.pad(x[:, None], (self.n // 2, self.n // 2), mode="reflect")[:, 0]  #! pad
        frames = x.unfold(1, self.n, self.hop)  #! hop
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(self.n) / self.n)  #! hamming symmetric
        spectrum = torch.fft.rfft(frames * window)  #! unwindowed
        power = spectrum.real**2 + spectrum.imag**2  #! magnitude real_alone back_power
        bands = power @ self.bank  #! back_bank
        level = 10 * torch.log10(bands + 1e-3)  #! floor
        level = torch.maximum(level, level.amax((1, 2), keepdim=True) - 30)  #! range
        level = level.transpose(1, 2)  #! turned
        mean, spread = level.mean(2, keepdim=True), level.std(2, keepdim=True)  #! statistics biased
        level = (level - mean) / (spread + 1e-5)
        h = F.elu(self.conv(level))  #! elu
        return self.fc(h.mean(2))  #! last_frame


class Experts(nn.Module):
    """Two of four experts for each token, by a gate; a second result says how even the gate is."""

    def __init__(self, d: int = 12, experts: int = 4) -> None:
        super().__init__()
        self.norm, self.gate, self.out = nn.LayerNorm(d), nn.Linear(d, experts), nn.Linear(d, d)
        self.up, self.down = (
            nn.Parameter(0.3 * torch.randn(experts, d, 20)),
            nn.Parameter(0.3 * torch.randn(experts, 20, d)),
        )

    def forward(self, x):
        b, t, d = x.shape
        tokens = self.norm(x).reshape(-1, d)
        logits = self.gate(tokens)
        chances = logits.softmax(-1)  #! over_tokens
        best, which = chances.topk(2, dim=-1)  #! smallest
        best = best / best.sum(-1, keepdim=True)  #! uneven back_chances
        made = torch.einsum("nd,edf->nef", tokens, self.up)  #! unnormed
        made = F.gelu(made, approximate="tanh")  #! act
        made = torch.einsum("nef,efd->ned", made, self.down)
        picked = torch.gather(made, 1, which[..., None].expand(-1, -1, d))  #! picked_next
        mixed = (picked * best[..., None]).sum(1)  #! chances_swapped first_alone
        share = F.one_hot(which, 4).float().sum(1).mean(0)  #! share_first
        even = (share * chances.mean(0)).sum() * 4  #! even_scale
        mixed = mixed.view(b, t, d)  #! back_mixed
        y = self.out(mixed)  #! shifted
        return x + y * torch.sigmoid(even), even  #! even_missing
