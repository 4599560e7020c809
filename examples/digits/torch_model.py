"""The reference: a small classifier of handwritten digits in Torch, its loss and its optimizer."""

from __future__ import annotations

from torch import Tensor, nn, optim


class DigitsNet(nn.Module):
    """Maps images [n, 1, 8, 8] to scores [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        # No bias in front of a norm: its true gradient is zero, so Adam would turn rounding into steps.
        self.conv_a = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm_a = nn.BatchNorm2d(16)
        self.conv_b = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.norm_b = nn.BatchNorm2d(32)
        self.activation = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.scores = nn.Linear(32 * 4 * 4, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.activation(self.norm_a(self.conv_a(images)))
        x = self.pool(self.activation(self.norm_b(self.conv_b(x))))
        return self.scores(x.flatten(1))


def build() -> nn.Module:
    return DigitsNet()


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(scores, labels)


def adam(model: nn.Module) -> optim.Optimizer:
    return optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
