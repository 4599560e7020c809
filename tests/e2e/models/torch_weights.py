"""Torch halves of the models whose weights are kept differently; see `paddle_weights.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    """Weights of three axes, two of them with squares in each expert."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 4)
        self.up, self.down = (nn.Parameter(torch.randn(2, 4, 4)) for _ in range(2))
        self.out = nn.Parameter(torch.randn(2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("bi,hoi->bho", self.fc(x), self.up)
        x = torch.einsum("bhi,hoi->bho", torch.tanh(x), self.down)
        return torch.einsum("bhi,hoi->bho", torch.tanh(x), self.out).flatten(1)


class Heads(nn.Module):
    """Attention over plain matrices, as small ports write it."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Parameter(torch.randn(width, width) * 0.3) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = x @ self.q.T, x @ self.k.T, x @ self.v.T
        return torch.softmax(q @ k.transpose(1, 2), -1) @ v @ self.o.T


def experts() -> nn.Module:
    return Experts()


def heads() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), Heads(), nn.LayerNorm(8), Heads())


def flat() -> nn.Module:
    """Weights whose elements are all the same tell nothing of their axes."""
    model = Experts()
    with torch.no_grad():
        model.up.fill_(0.1)
    return model


class Small(nn.Module):
    """A square that changes little of what it is added to, as those that are learnt from nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 5) * 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return x + x @ self.w.T


def small() -> nn.Module:
    return nn.Sequential(Small(), nn.Linear(5, 3))


def _norms(form: str, kind: str) -> object:
    return getattr(nn.utils.parametrizations if form == "new" else nn.utils, f"{kind}_norm")


def weight_normed(form: str) -> nn.Module:
    norm = _norms(form, "weight")
    return nn.Sequential(
        norm(nn.Conv1d(3, 4, 2)),
        norm(nn.Conv1d(4, 4, 2), dim=1),
        nn.Flatten(),
        norm(nn.Linear(12, 5)),
        norm(nn.Linear(5, 5), dim=1),
        norm(nn.Linear(5, 3), dim=None),
    )


def spectrally_normed(form: str) -> nn.Module:
    norm = _norms(form, "spectral")
    return nn.Sequential(norm(nn.Conv1d(3, 4, 2)), nn.Flatten(), norm(nn.Linear(16, 4)), nn.Linear(4, 3))


class Tables(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(5, 4), nn.BatchNorm1d(4)
        self.norm.running_mean.fill_(0.3)
        self.register_buffer("index", torch.arange(4))
        self.register_buffer("window", torch.tensor([0.5, 1.0, 1.0, 0.5]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.norm(self.fc(x)) * self.window)[:, self.index]


def tables() -> nn.Module:
    return Tables()


class Tied(nn.Module):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(5, 5), nn.Linear(5, 5)
        if tied:
            self.outer.weight = self.inner.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(torch.tanh(self.inner(x)))


def tied(here: bool = False) -> nn.Module:
    return Tied(here)


def encoder(norm_first: bool = False) -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)


def plain(form: str) -> nn.Module:
    """Weights that a port for inference holds as they come out."""
    if form == "orthogonal":
        made = nn.utils.parametrizations.orthogonal(nn.Linear(5, 5))
    else:
        made = _norms(form, "weight")(nn.Linear(5, 5))
    return nn.Sequential(made, nn.Tanh(), nn.Linear(5, 3))


def adam(model: nn.Module) -> object:
    return torch.optim.Adam(model.parameters(), lr=1e-3)
