"""Torch's sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.reductions.measuring import Operation, Reals, tell


def _bias_gradient(x: Tensor) -> Tensor:
    count = x.shape[1]
    bias = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
    made = F.linear(torch.ones(count, 1, dtype=x.dtype), torch.ones(len(x), 1, dtype=x.dtype), bias)
    return torch.autograd.grad(made, bias, x.t().contiguous())[0] / count


def _normalised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = (torch.zeros(len(x), dtype=x.dtype) for _ in range(2))
    weight = torch.ones(len(x), dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
    return F.batch_norm(x.unsqueeze(0), mean, variance, weight, bias, True, 1.0, 1e-5), mean, weight


def _weight_gradient(x: Tensor) -> Tensor:
    drawn = np.random.default_rng(1).standard_normal(tuple(x.shape)).astype("float32")
    made, _, weight = _normalised(torch.tensor(drawn).to(x.dtype))
    return torch.autograd.grad(made, weight, x.unsqueeze(0))[0] / x.shape[1]


NORMS: Mapping[str, Operation] = {
    "batch norm": lambda x: _normalised(x)[0][0],
    "layer norm": lambda x: F.layer_norm(x, [x.shape[1]]),
    "group norm": lambda x: F.group_norm(x.reshape(1, 10 * len(x), -1), len(x)),
}


def _sent_back(norm: Operation) -> Operation:
    """Returns the gradient of a norm's input, for what came back drawn anew."""

    def operation(x: Tensor) -> Tensor:
        given = x.detach().requires_grad_()
        made = norm(given)
        back = np.random.default_rng(2).standard_normal(tuple(made.shape)).astype("float32")
        return torch.autograd.grad(made, given, torch.tensor(back).to(x.dtype))[0]

    return operation


class Torch:
    dtypes = ("float32", "bfloat16")
    operations: ClassVar[Mapping[str, Operation]] = {
        "mean": lambda x: x.mean(-1),
        "average pool": lambda x: F.adaptive_avg_pool1d(x.unsqueeze(0), 1),
        "product with ones": lambda x: x @ torch.ones(x.shape[1], 1, dtype=x.dtype) / x.shape[1],
        "gradient of a bias": _bias_gradient,
        "batch norm: running mean": lambda x: _normalised(x)[1],
        "batch norm: gradient of its weight": _weight_gradient,
        **NORMS,
        **{f"{name}: gradient of its input": _sent_back(norm) for name, norm in NORMS.items()},
    }

    def tensor(self, values: Reals, dtype: str) -> Any:
        return torch.tensor(values).to(getattr(torch, dtype))

    def reals(self, tensor: Tensor) -> Reals:
        return np.asarray(tensor.detach().to(torch.float64).numpy())


if __name__ == "__main__":
    tell(Torch())
