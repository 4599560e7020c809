"""Torch half of a denoising network. `#!` names the faults a line stands for."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class DenoiserBlock(nn.Module):
    """Two convolutions behind norms by group, the second scaled and shifted by the time."""

    def __init__(self, c: int, out: int, wide: int, groups: int = 4) -> None:
        super().__init__()
        self.groups = groups
        self.gain1, self.shift1 = nn.Parameter(1 + 0.2 * torch.randn(c)), nn.Parameter(0.2 * torch.randn(c))
        self.gain2, self.shift2 = (
            nn.Parameter(1 + 0.2 * torch.randn(out)),
            nn.Parameter(0.2 * torch.randn(out)),
        )
        self.conv1, self.conv2 = nn.Conv2d(c, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.emb = nn.Linear(wide, 2 * out)
        self.short = nn.Conv2d(c, out, 1)

    def forward(self, x, emb):
        h = F.group_norm(x, self.groups, self.gain1, self.shift1)  #! norm_groups norm_unbiased norm_bare
        h = self.conv1(F.silu(h))  #! act
        emb = self.emb(F.silu(emb))[:, :, None, None]
        scale, shift = emb.chunk(2, dim=1)  #! scale_swapped
        h = F.group_norm(h, self.groups, self.gain2, self.shift2)
        h = h * (1 + scale) + shift  #! scale_bare shift_missing scale_swapped
        h = self.conv2(F.silu(h))
        return self.short(x) + h  #! residual_halved


class Denoiser(nn.Module):
    """The time in waves, a block, a smaller picture with attention, a skip, a guess of the clean picture."""

    def __init__(self, c: int = 8, waves: int = 8, wide: int = 16) -> None:
        super().__init__()
        self.waves = waves
        self.time1, self.time2 = nn.Linear(2 * waves, wide), nn.Linear(wide, wide)
        self.inlet = nn.Conv2d(3, c, 3, padding=1)
        self.block1, self.block2, self.block3 = (
            DenoiserBlock(c, c, wide),
            DenoiserBlock(c, c, wide),
            DenoiserBlock(2 * c, c, wide),
        )
        self.qkv, self.proj = nn.Conv1d(c, 3 * c, 1), nn.Conv1d(c, c, 1)
        self.outlet = nn.Conv2d(c, 6, 3, padding=1)

    def attend(self, x):
        b, c, h, w = x.shape
        y = x.reshape(b, c, -1)
        q, k, v = self.qkv(y).chunk(3, 1)
        scale = c**-0.25
        weight = torch.einsum("bct,bcs->bts", q * scale, k * scale)  #! attend_scale
        weight = torch.softmax(weight, dim=-1)  #! attend_axis
        a = torch.einsum("bts,bcs->bct", weight, v)
        return (y + self.proj(a)).reshape(b, c, h, w)  #! attend_alone

    def forward(self, x, time):
        rate = torch.exp(-math.log(10000) * torch.arange(self.waves) / self.waves)  #! rate_last
        angles = time[:, None].float() * rate[None]  #! time_later
        emb = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)  #! waves_swapped
        emb = self.time2(F.silu(self.time1(emb)))  #! time_act
        h = self.inlet(x)
        skip = h = self.block1(h, emb)
        h = F.avg_pool2d(h, 2)  #! down_maximum
        h = self.attend(self.block2(h, emb))
        h = F.interpolate(h, scale_factor=2, mode="nearest")  #! up_smooth
        h = torch.cat([h, skip], dim=1)  #! skip_order
        h = self.block3(h, emb)
        noise, spread = self.outlet(F.silu(h)).chunk(2, dim=1)
        kept = torch.cos((time / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2  #! kept_offset
        kept = kept[:, None, None, None]
        clean = (x - (1 - kept).sqrt() * noise) / kept.sqrt()  #! clean_unrooted
        clean = clean.clamp_(-1, 1)  #! clamp
        return clean, torch.exp(0.5 * spread)  #! spread_whole
