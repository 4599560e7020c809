"""Paddle's sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import functional as F

from benchmarks.reductions.measuring import Operation, Reals, tell


def _leaf(values: Reals, dtype: Any) -> Tensor:
    made = paddle.to_tensor(values).astype(dtype)
    made.stop_gradient = False
    return made


def _bias_gradient(x: Tensor) -> Tensor:
    count = x.shape[1]
    bias = _leaf(np.zeros(len(x)), x.dtype)
    made = F.linear(paddle.ones([count, 1], x.dtype), paddle.ones([1, len(x)], x.dtype), bias)
    return paddle.grad([made], [bias], [x.t()])[0] / count


def _normalised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = (paddle.zeros([len(x)], x.dtype) for _ in range(2))
    weight, bias = _leaf(np.ones(len(x)), x.dtype), _leaf(np.zeros(len(x)), x.dtype)
    made = F.batch_norm(x.unsqueeze(0), mean, variance, weight, bias, True, 0.0, 1e-5, "NCL")
    return made, mean, weight


def _weight_gradient(x: Tensor) -> Tensor:
    drawn = np.random.default_rng(1).standard_normal(tuple(x.shape)).astype("float32")
    made, _, weight = _normalised(_leaf(drawn, x.dtype))
    made.backward(x.unsqueeze(0))
    return weight.grad / x.shape[1]


NORMS: Mapping[str, Operation] = {
    "batch norm": lambda x: _normalised(x)[0][0],
    "layer norm": lambda x: F.layer_norm(x, [x.shape[1]]),
    "group norm": lambda x: F.group_norm(x.reshape([1, 10 * len(x), -1]), len(x)),
}


def _sent_back(norm: Operation) -> Operation:
    """Returns the gradient of a norm's input, for what came back drawn anew."""

    def operation(x: Tensor) -> Tensor:
        given = _leaf(x.numpy(), x.dtype)
        made = norm(given)
        back = np.random.default_rng(2).standard_normal(tuple(made.shape)).astype("float32")
        return paddle.grad([made], [given], [paddle.to_tensor(back).astype(x.dtype)])[0]

    return operation


class Paddle:
    # There are hardly any kernels for halves on CPUs.
    dtypes = ("float32",)
    operations: ClassVar[Mapping[str, Operation]] = {
        "mean": lambda x: x.mean(-1),
        "average pool": lambda x: F.adaptive_avg_pool1d(x.unsqueeze(0), 1),
        "product with ones": lambda x: x @ paddle.ones([x.shape[1], 1], x.dtype) / x.shape[1],
        "gradient of a bias": _bias_gradient,
        "batch norm: running mean": lambda x: _normalised(x)[1],
        "batch norm: gradient of its weight": _weight_gradient,
        **NORMS,
        **{f"{name}: gradient of its input": _sent_back(norm) for name, norm in NORMS.items()},
    }

    def tensor(self, values: Reals, dtype: str) -> Any:
        return paddle.to_tensor(values).astype(dtype)

    def reals(self, tensor: Tensor) -> Reals:
        return np.asarray(tensor.detach().astype("float64").numpy())


if __name__ == "__main__":
    tell(Paddle())
