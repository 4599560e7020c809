"""A block as GPT-2 has it, in Torch: one layer makes query, key and value, with one bias."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIZE = 16


class Conv1D(nn.Module):
    """A linear layer that stores its matrix [in, out]."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width_in, width_out) * 0.1)
        self.bias = nn.Parameter(torch.zeros(width_out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(SIZE, 3 * SIZE), Conv1D(SIZE, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = (
            part.reshape(batch, time, 2, SIZE // 2).transpose(1, 2) for part in self.c_attn(x).split(SIZE, -1)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) / (SIZE // 2) ** 0.5, -1)
        return self.c_proj((weights @ v).transpose(1, 2).reshape(batch, time, SIZE))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(SIZE), Attention()
        self.ln_2, self.c_fc, self.c_proj = nn.LayerNorm(SIZE), Conv1D(SIZE, 32), Conv1D(32, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(nn.functional.gelu(self.c_fc(self.ln_2(x))))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = Block(), Block(), nn.Linear(SIZE, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)))


def model() -> nn.Module:
    return Model()


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
