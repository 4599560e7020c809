"""The reference: a recognizer of text lines in Torch, of convolutions and an LSTM both ways."""

from __future__ import annotations

from torch import Tensor, nn


class Recognizer(nn.Module):
    """Maps images [n, 1, 32, w] to scores [w / 4, n, letters]."""

    def __init__(self, letters: int = 37) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.rnn = nn.LSTM(32 * 8, 48, num_layers=2, bidirectional=True)
        self.scores = nn.Linear(2 * 48, letters)

    def forward(self, images: Tensor) -> Tensor:
        x = self.convs(images)
        sequence = x.flatten(1, 2).permute(2, 0, 1)  # [w, n, features]
        found, _ = self.rnn(sequence)
        return self.scores(found)


def build() -> nn.Module:
    return Recognizer()
