"""The tensors of a Paddle model in float64 for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle

from padiff_worker_paddle.tensors import dense_gradient


@contextmanager
def in_float64(tensors: Iterable[Any]) -> Iterator[None]:
    default = paddle.get_default_dtype()
    narrow = []
    try:
        for tensor in tensors:
            if not (tensor.is_floating_point() or tensor.is_complex()):
                continue
            memory = tensor.get_tensor()
            # A tensor of its own over the same memory; a detached one would follow what becomes of this one.
            data = type(memory)()
            data._share_data_with(memory)
            narrow.append((tensor, data))
            gradient = None if tensor.grad is None else _widened(dense_gradient(tensor.grad, tensor.shape))
            tensor.clear_gradient(False)  # which empties what `grad` gave
            wide = _widened(tensor.detach())  # a name, since `get_tensor` keeps nothing alive
            memory._share_data_with(wide.get_tensor())
            if gradient is not None:
                tensor.grad = gradient
        paddle.set_default_dtype("float64")
        yield
    finally:
        paddle.set_default_dtype(default)
        for tensor, data in narrow:
            tensor.clear_gradient(False)
            tensor.get_tensor()._share_data_with(data)


def _widened(tensor: Any) -> Any:
    return tensor.cast("complex128" if tensor.is_complex() else "float64")
