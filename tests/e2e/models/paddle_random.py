"""Candidates in Paddle's own idiom for the models of `torch_random`, sound or with a fault."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional


class DropPath(nn.Layer):
    """The same mask, drawn as Paddle's models do it."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep = 1 - rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = [x.shape[0]] + [1] * (x.ndim - 1)
        kept = paddle.floor(self.keep + paddle.rand(shape, dtype=x.dtype))
        return x / self.keep * kept


class Picture(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.first = nn.Conv2D(3, 8, 3, padding=1)
        self.slopes = nn.RReLU()
        self.channels = nn.Dropout2D(0.3)
        self.second = nn.Conv2D(8, 8, 3, padding=1)
        self.path = DropPath(0.4)
        self.elements = nn.AlphaDropout(0.25 if fault == "rate" else 0.2)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channels(self.slopes(self.first(x)))
        x = x + self.path(self.second(x))
        return self.last(functional.dropout(self.elements(x).mean([2, 3]), 0.1, training=self.training))


class Attention(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.attn = nn.MultiHeadAttention(16, 4, dropout=0.1 if fault == "rate" else 0.2)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.attn(x, x, x))


class Encoder(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.2)
        self.blocks = nn.TransformerEncoder(layer, 2)
        if fault == "forgotten":
            self.blocks.layers[1].dropout1 = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Recurrent(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.cells = nn.LSTM(16, 8, 2, dropout=0.3)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.cells(x)[0])


class Functional(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48, bias_attr=False)
        self.merge = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16, epsilon=1e-3 if fault == "epsilon" else 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.reshape([*part.shape[:2], 4, 4]) for part in self.qkv(x).chunk(3, -1))
        p = 0.2 if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            q, k, v, dropout_p=p, is_causal=True, training=self.training
        )
        hidden = self.merge(mixed.flatten(2))
        return self.norm(x + functional.dropout(hidden, 0.3, training=self.training))


class Sampled(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.noise = Noise()
        self.norm = nn.LayerNorm(16, epsilon=1e-3 if fault == "epsilon" else 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.noise(self.first(x)))


class Noise(nn.Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x + paddle.poisson(paddle.ones_like(x))


class Behind(nn.Layer):
    """Its matrix is stored the other way round."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.drop = nn.Dropout(0.8)
        self.own = Own()

    def forward(self, x: Tensor) -> Tensor:
        return self.own(self.drop(x))


class Own(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = self.create_parameter([16, 16])

    def forward(self, x: Tensor) -> Tensor:
        return paddle.matmul(x, self.matrix)


MODELS = {
    "attention": Attention,
    "behind": Behind,
    "encoder": Encoder,
    "functional": Functional,
    "picture": Picture,
    "recurrent": Recurrent,
    "sampled": Sampled,
}


def build(name: str, fault: str = "") -> nn.Layer:
    return MODELS[name](fault)


def adamw(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.AdamW(1e-3, parameters=model.parameters(), weight_decay=0.01)
