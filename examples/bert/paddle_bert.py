"""The candidate: BERT in Paddle's own idiom, on `paddle.nn.TransformerEncoder`."""

from __future__ import annotations

import paddle
from paddle import nn


class TextEmbedding(nn.Layer):
    """Sums what a token is, where it stands and to which segment it belongs."""

    def __init__(self, vocabulary: int, width: int, positions: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, epsilon=1e-12)
        self.segment = nn.Embedding(2, width)
        self.position = nn.Embedding(positions, width)
        self.token = nn.Embedding(vocabulary, width, padding_idx=0)
        self.dropout = nn.Dropout(0.1)

    def forward(self, tokens: paddle.Tensor, segments: paddle.Tensor) -> paddle.Tensor:
        places = paddle.arange(tokens.shape[1]).unsqueeze(0)
        # Positions, then segments, then tokens; Hugging Face looks them up in another order.
        total = self.position(places) + self.segment(segments) + self.token(tokens)
        return self.dropout(self.norm(total))


class Bert(nn.Layer):
    """Maps tokens, segments and mask [n, length] to states [n, length, width] and a vector [n, width].

    The mask is 1 where there is a token and 0 where there is padding.
    """

    def __init__(
        self,
        layers: int,
        width: int = 64,
        heads: int = 4,
        inner: int = 160,
        vocabulary: int = 120,
        positions: int = 40,
    ) -> None:
        super().__init__()
        self.summary = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        block = nn.TransformerEncoderLayer(
            width, heads, inner, dropout=0.1, activation="gelu", act_dropout=0.0, layer_norm_eps=1e-12
        )
        self.blocks = nn.TransformerEncoder(block, layers)
        self.text = TextEmbedding(vocabulary, width, positions)

    def forward(
        self, tokens: paddle.Tensor, segments: paddle.Tensor, mask: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        # Paddle adds the mask to the attention's scores: [n, heads, queries, keys].
        hidden = (1.0 - mask.astype("float32")).unsqueeze([1, 2]) * -1e9
        states = self.blocks(self.text(tokens, segments), hidden)
        return states, self.summary(states[:, 0])


def build(layers: int = 3) -> nn.Layer:
    return Bert(layers)


class HalvedPositions(TextEmbedding):
    """A sum in which where a token stands counts half."""

    def forward(self, tokens: paddle.Tensor, segments: paddle.Tensor) -> paddle.Tensor:
        places = paddle.arange(tokens.shape[1]).unsqueeze(0)
        total = self.position(places) * 0.5 + self.segment(segments) + self.token(tokens)
        return self.dropout(self.norm(total))


def base(fault: str = "") -> nn.Layer:
    """Returns one of the size of BERT-base; `fault` plants "halved_positions"."""
    model = Bert(12, width=768, heads=12, inner=3072, vocabulary=30522, positions=512)
    if fault == "halved_positions":
        model.text.__class__ = HalvedPositions
    elif fault:
        raise ValueError(f"no fault is called {fault!r}")
    return model
