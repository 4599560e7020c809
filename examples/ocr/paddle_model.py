"""The candidate: the same recognizer in Paddle, batch first as Paddle likes it."""

from __future__ import annotations

from paddle import Tensor, nn


class Recognizer(nn.Layer):
    """Maps images [n, 1, 32, w] to scores [w / 4, n, letters]."""

    def __init__(self, letters: int, relu: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2D(1, 16, 3, padding=1),
            nn.ReLU() if relu else nn.LeakyReLU(),
            nn.MaxPool2D(2),
            nn.Conv2D(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2D(2),
        )
        self.lstm = nn.LSTM(32 * 8, 48, num_layers=2, direction="bidirect")
        self.fc = nn.Linear(2 * 48, letters)

    def forward(self, images: Tensor) -> Tensor:
        x = self.backbone(images)
        sequence = x.flatten(1, 2).transpose([0, 2, 1])  # [n, w, features]
        found, _ = self.lstm(sequence)
        return self.fc(found).transpose([1, 0, 2])


def build(relu: bool = True) -> nn.Layer:
    """Returns the model; `relu=False` plants another activation."""
    return Recognizer(37, relu)
