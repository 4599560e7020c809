"""Mixtures of experts, in Torch: in layers of their own, or all in one tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EXPERTS, HIDDEN = 3, 10


class Expert(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, HIDDEN, bias=False)
        self.up = nn.Linear(size, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Series(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.router = nn.Linear(size, EXPERTS)
        self.experts = nn.ModuleList(Expert(size) for _ in range(EXPERTS))

    def forward(self, x: Tensor) -> Tensor:
        shares = torch.softmax(self.router(x), -1)
        return sum(expert(x) * shares[..., n : n + 1] for n, expert in enumerate(self.experts))


class Fused(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.router = nn.Linear(size, EXPERTS)
        self.gate_up_proj = nn.Parameter(torch.randn(EXPERTS, size, 2 * HIDDEN) / 3)
        self.down_proj = nn.Parameter(torch.randn(EXPERTS, HIDDEN, size) / 3)

    def forward(self, x: Tensor) -> Tensor:
        shares = torch.softmax(self.router(x), -1)
        gate, up = torch.einsum("btd,edf->betf", x, self.gate_up_proj).chunk(2, -1)
        made = torch.einsum("betf,efd->betd", functional.silu(gate) * up, self.down_proj)
        return (made * shares.permute(0, 2, 1).unsqueeze(-1)).sum(1)


class Mixture(nn.Module):
    def __init__(self, size: int, fused: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before = nn.Linear(4, size)
        self.mixture = Fused(size) if fused else Series(size)
        self.after = nn.Linear(size, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.mixture(self.before(x)))


def mixture(fused: bool, size: int = 6) -> nn.Module:
    return Mixture(size, fused)


def adam(model: nn.Module) -> object:
    return torch.optim.Adam(model.parameters(), lr=1e-3)
