"""Torch half of a block for speech. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Speech(nn.Module):
    """A wave in frames, half a feed-forward, attention by relative place, a gated convolution, a mean."""

    def __init__(self, d: int = 12, heads: int = 2, kernel: int = 3) -> None:
        super().__init__()
        self.heads, self.kernel = heads, kernel
        self.frames = nn.Conv1d(1, d, 8, stride=4)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(d) for _ in range(3))
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.place = nn.Linear(d, d, bias=False)
        self.u, self.w = (nn.Parameter(0.5 * torch.randn(heads, d // heads)) for _ in range(2))
        self.point1, self.point2 = nn.Conv1d(d, 2 * d, 1), nn.Conv1d(d, d, 1)
        self.deep = nn.Conv1d(d, d, kernel, groups=d)
        self.head = nn.Linear(d, 7)

    def shifted(self, x):
        """x: [b, h, t, 2t - 1], by distance from t - 1 down to -(t - 1)."""
        b, h, t, n = x.shape
        x = F.pad(x, (1, 0))
        x = x.view(b, h, n + 1, t)[:, :, 1:]
        return x.view(b, h, t, n)[..., :t]  #! shift_missing shift_next

    def attend(self, x, lengths):
        b, t, d = x.shape
        q = self.q(x).view(b, t, self.heads, -1)
        k = self.k(x).view(b, t, self.heads, -1).transpose(1, 2)
        v = self.v(x).view(b, t, self.heads, -1).transpose(1, 2)
        away = torch.arange(t - 1, -t, -1.0)  #! away_sign
        rate = 10000.0 ** (-torch.arange(0, d, 2) / d)
        angles = away[:, None] * rate
        waves = torch.zeros(2 * t - 1, d)
        waves[:, 0::2] = torch.sin(angles)  #! waves_apart
        waves[:, 1::2] = torch.cos(angles)  #! waves_apart
        p = self.place(waves).view(2 * t - 1, self.heads, -1).permute(1, 2, 0)
        content = (q + self.u).transpose(1, 2) @ k.transpose(-2, -1)
        place = (q + self.w).transpose(1, 2) @ p  #! biases_alike
        scores = (content + self.shifted(place)) / (d // self.heads) ** 0.5  #! scale_content
        gone = torch.arange(t) >= lengths[:, None]  #! mask_late
        scores = scores.masked_fill(gone[:, None, None], -1e4)
        a = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self.o(a)

    def forward(self, wave, lengths):
        wave = wave - wave.mean(1, keepdim=True)  #! wave_centre
        wave = wave / torch.sqrt(wave.var(1, keepdim=True, unbiased=False) + 1e-7)  #! wave_unbiased
        x = F.gelu(self.frames(wave.unsqueeze(1)))  #! frames_act
        x = x.transpose(1, 2)
        x = x + 0.5 * self.down(F.silu(self.up(self.norm1(x))))  #! half_missing
        x = x + self.attend(self.norm2(x), lengths)
        y = self.norm3(x).transpose(1, 2)
        y = F.glu(self.point1(y), dim=1)  #! gate_swapped gate_tanh
        y = F.pad(y, (self.kernel - 1, 0))  #! pad_centred
        y = F.silu(self.deep(y))  #! swish_missing
        x = x + self.point2(y).transpose(1, 2)
        here = (torch.arange(x.shape[1]) < lengths[:, None]).unsqueeze(-1)
        x = torch.where(here, x, torch.zeros_like(x))  #! pool_padding
        mean = x.sum(1) / lengths[:, None]  #! pool_length
        return F.log_softmax(self.head(mean), dim=-1)  #! soft_plain
