"""Torch half of attention in shifted windows. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class WindowsBlock(nn.Module):
    """Attention in windows of `n` by `n` places, with a bias by relative place; rolled by `shift`."""

    def __init__(self, d: int, heads: int, n: int, shift: int) -> None:
        super().__init__()
        self.heads, self.n, self.shift, self.scale = heads, n, shift, (d // heads) ** -0.5
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.table = nn.Parameter(torch.randn((2 * n - 1) ** 2, heads))
        self.fc1, self.fc2 = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def cut(self, x):
        b, h, w, d = x.shape
        n = self.n
        x = x.view(b, h // n, n, w // n, n, d).permute(0, 1, 3, 2, 4, 5)  #! cut_columns
        return x.reshape(-1, n * n, d)

    def mask(self, h, w):
        zones, zone = torch.zeros(1, h, w, 1), 0
        edges = (slice(0, -self.n), slice(-self.n, -self.shift), slice(-self.shift, None))
        for rows in edges:
            for columns in edges:
                zones[:, rows, columns, :] = zone  #! zones_rows
                zone += 1
        zones = self.cut(zones).squeeze(-1)
        apart = zones.unsqueeze(1) - zones.unsqueeze(2)
        return apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)  #! mask_weak

    def forward(self, x):
        b, h, w, d = x.shape
        n = self.n
        y = self.norm1(x)
        if self.shift:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))  #! roll_forward roll_rows
        y = self.cut(y)
        qkv = self.qkv(y).reshape(-1, n * n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  #! query_is_key
        q = q * self.scale  #! scale query_is_key
        scores = q @ k.transpose(-2, -1)  #! query_is_key
        places = torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")).flatten(1)
        away = places[:, :, None] - places[:, None, :] + n - 1
        index = away[0] * (2 * n - 1) + away[1]  #! table_turned
        bias = self.table[index.view(-1)].view(n * n, n * n, -1).permute(2, 0, 1)
        scores = scores + bias.contiguous().unsqueeze(0)  #! bias_missing
        if self.shift:
            mask = self.mask(h, w)
            scores = (
                scores.view(b, len(mask), self.heads, n * n, n * n) + mask[None, :, None]
            )  #! mask_missing
            scores = scores.view(-1, self.heads, n * n, n * n)
        y = scores.softmax(-1) @ v  #! softmax_axis
        y = y.transpose(1, 2).reshape(-1, n * n, d)
        y = self.proj(y)
        y = y.view(b, h // n, w // n, n, n, d).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, d)  #! join_columns
        if self.shift:
            y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))  #! unroll_missing
        x = x + y  #! residual_twice
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))  #! gelu_rough


class Windows(nn.Module):
    """Patches, two blocks, a merging of patches by four, a head."""

    def __init__(self, d: int = 16, heads: int = 2, n: int = 4) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, d, 2, 2)
        self.blocks = nn.ModuleList([WindowsBlock(d, heads, n, shift) for shift in (0, n // 2)])
        self.norm, self.merge = nn.LayerNorm(4 * d), nn.Linear(4 * d, 2 * d, bias=False)
        self.head = nn.Linear(2 * d, 5)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        x0, x1 = x[:, 0::2, 0::2], x[:, 1::2, 0::2]
        x2, x3 = x[:, 0::2, 1::2], x[:, 1::2, 1::2]
        x = torch.cat([x0, x1, x2, x3], -1)  #! merge_order
        x = self.merge(self.norm(x))
        return self.head(x.mean(dim=(1, 2)))  #! pool_maximum
