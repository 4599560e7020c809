"""The tensors of a Torch model in float64 for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def in_float64(tensors: Iterable[Any]) -> Iterator[None]:
    default = torch.get_default_dtype()
    narrow = []
    try:
        for tensor in tensors:
            if tensor.is_floating_point() or tensor.is_complex():
                gradient = tensor.grad if tensor.is_leaf else None
                tensor.grad = None
                narrow.append((tensor, tensor.data))
                tensor.data = _widened(tensor.data)
                tensor.grad = None if gradient is None else _widened(gradient)
        torch.set_default_dtype(torch.float64)
        yield
    finally:
        torch.set_default_dtype(default)
        for tensor, data in narrow:
            tensor.grad = None
            tensor.data = data


def _widened(tensor: Any) -> Any:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
