"""The port of torch_bert.py."""

from __future__ import annotations

import math

from paddle import Tensor, nn

WORDS, WIDTH, HEADS, LAYERS = 30_522, 768, 12, 12


class Layer(nn.Layer):
    """Attention and a feed-forward part, each with a norm behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.softmax = nn.Softmax(axis=-1)
        self.output = nn.Linear(WIDTH, WIDTH)
        self.first_norm = nn.LayerNorm(WIDTH, epsilon=1e-12)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        self.second_norm = nn.LayerNorm(WIDTH, epsilon=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        batch, words, _ = x.shape
        shape = [batch, words, HEADS, WIDTH // HEADS]
        q = self.query(x).reshape(shape).transpose([0, 2, 1, 3])
        k = self.key(x).reshape(shape).transpose([0, 2, 3, 1])
        v = self.value(x).reshape(shape).transpose([0, 2, 1, 3])
        weights = self.softmax(q @ k / math.sqrt(WIDTH // HEADS))
        mixed = (weights @ v).transpose([0, 2, 1, 3]).reshape([batch, words, WIDTH])
        x = self.first_norm(x + self.output(mixed))
        return self.second_norm(x + self.narrow(self.activation(self.wide(x))))


class Bert(nn.Layer):
    """Maps word numbers [n, words] to [n, words, 768]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, epsilon=1e-12)
        self.layers = nn.LayerList([Layer() for _ in range(LAYERS)])

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(self.words(ids))
        for layer in self.layers:
            x = layer(x)
        return x


def build() -> nn.Layer:
    """Returns the encoder with random weights."""
    return Bert()
