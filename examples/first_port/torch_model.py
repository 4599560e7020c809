"""The reference: a small image classifier in Torch."""

from __future__ import annotations

from torch import Tensor, nn


class Stem(nn.Module):
    """Halves an image's sides twice: by a convolution, then by an average."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(kernel_size=3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.pool(self.relu(self.norm(self.conv(image))))


class Classifier(nn.Module):
    """Maps images [n, 3, 32, 32] to scores [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.hidden = nn.Linear(16 * 8 * 8, 64)
        self.relu = nn.ReLU()
        self.head = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image).flatten(1)
        return self.head(self.relu(self.hidden(x)))


def build() -> nn.Module:
    return Classifier()
