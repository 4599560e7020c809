"""The candidate: the same classifier in Paddle, with one mistake for the report to find."""

from __future__ import annotations

from paddle import Tensor, nn


class Stem(nn.Layer):
    """Halves an image's sides twice: by a convolution, then by an average."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 16, kernel_size=3, stride=2, padding=1)
        self.norm = nn.BatchNorm2D(16)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2D(kernel_size=3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.pool(self.relu(self.norm(self.conv(image))))


class Classifier(nn.Layer):
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


def build() -> nn.Layer:
    return Classifier()
