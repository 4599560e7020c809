"""A model whose one layer is called so many times, and does next to nothing."""

from __future__ import annotations

import paddle


def build(calls: int) -> paddle.nn.Layer:
    """Returns it; all calls hand on a tensor of the input's shape."""
    return Calls(calls)


class Calls(paddle.nn.Layer):
    """Calls an activation one time after the other."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.activation = paddle.nn.ReLU()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        for _ in range(self.calls):
            x = self.activation(x)
        return x
