"""Torch tensors: their identity, their bytes, and the losses made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import torch

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType
from padiff_worker import footprints

# Older versions of Torch lack the wider unsigned integers.
_TO_TORCH = {dtype: getattr(torch, dtype.value) for dtype in DType if hasattr(torch, dtype.value)}
_FROM_TORCH = {native: dtype for dtype, native in _TO_TORCH.items()}


# A tensor inside vmap or a functional gradient has no memory of its own.
_is_wrapped = getattr(torch._C._functorch, "is_functorch_wrapped_tensor", lambda tensor: False)


def is_tensor(candidate: Any) -> bool:
    """Whether `candidate` is a tensor that can travel: dense, with memory, of a dtype of the contract."""
    return (
        isinstance(candidate, torch.Tensor)
        and candidate.layout is torch.strided
        and not candidate.is_nested
        and not _is_wrapped(candidate)
        and candidate.dtype in _FROM_TORCH
    )


def identity(tensor: Any) -> Hashable:
    # Inference tensors have no version counter; nothing may change them in place outside that mode.
    version = 0 if tensor.is_inference() else tensor._version
    return id(tensor), tensor.data_ptr(), version


def spec(tensor: Any) -> TensorSpec:
    return TensorSpec(dtype=_FROM_TORCH[tensor.dtype], shape=tuple(tensor.shape))


def host_copy(tensor: Any) -> HostTensor:
    values = tensor.detach().resolve_conj().resolve_neg()
    is_alias = values.device.type == "cpu" and values.is_contiguous()
    dense = values.cpu().contiguous()
    # NumPy has no bfloat16; its bits pass as integers.
    array = (
        dense.view(torch.int16).numpy().view(np.uint16) if dense.dtype is torch.bfloat16 else dense.numpy()
    )
    return HostTensor(array=array.copy() if is_alias else array, dtype=_FROM_TORCH[tensor.dtype])


def from_host(value: HostTensor, *, device: str, requires_grad: bool) -> Any:
    if value.dtype not in _TO_TORCH:
        raise InvalidRequestError(
            f"torch {torch.__version__} has no dtype {value.dtype}; use one of "
            f"{', '.join(map(str, _TO_TORCH))}",
            field="input",
        )
    if requires_grad and value.dtype not in FLOATING | COMPLEX:
        raise InvalidRequestError(
            f"requires_grad needs a floating or complex dtype, and this tensor is {value.dtype}",
            field="input",
        )
    return _native(value.array.copy(), value.dtype).to(device).requires_grad_(requires_grad)


def write(tensor: Any, value: HostTensor) -> None:
    """Copies `value` into `tensor`; the shapes must be equal, since Torch would broadcast."""
    if tuple(tensor.shape) != value.spec.shape:
        raise InvalidRequestError(f"shape {list(value.spec.shape)} does not fit {list(tensor.shape)}")
    with torch.no_grad():
        tensor.copy_(_native(value.array, value.dtype))


def memory(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def footprint(tensor: Any) -> Array:
    return footprints.footprint(
        tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.element_size()
    )


def unchanged(tensor: Any) -> Callable[[], bool]:
    """Returns a function that tells whether nothing has changed the tensor in place since.

    It keeps the counter of such changes, and not the tensor's memory.
    """
    counter = tensor.detach()
    counter.data = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    version = counter._version
    return lambda: bool(counter._version == version)


def overwrite(tensor: Any, value: HostTensor) -> bool:
    if tensor.numel() == 0:
        return True
    if any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape)):
        return False
    if tensor.is_conj() or tensor.is_neg():
        return False
    try:
        # Unlike `detach`, `data` does not share the version counter, so autograd does not object.
        tensor.data.copy_(_native(value.array, value.dtype))
    except RuntimeError:  # elements that share memory in a less obvious way
        return False
    return True


class _PassThrough(torch.autograd.Function):  # type: ignore[misc]
    """Another value; the same gradient."""

    @staticmethod
    def forward(context: Any, tensor: Any, value: HostTensor) -> Any:
        # Made here: an argument that is returned would count as a view, which no in-place layer may change.
        return like(tensor, value)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient, None


def pass_through(tensor: Any, value: HostTensor) -> Any:
    return _PassThrough.apply(tensor, value)


def like(tensor: Any, value: HostTensor) -> Any:
    # A copy, since the array may be read-only or belong to another.
    return _native(value.array.copy(), value.dtype).to(tensor.device)


def branch(tensor: Any) -> Any:
    return tensor.view_as(tensor)


def requires_gradient(tensor: Any) -> bool:
    return bool(tensor.requires_grad)


def dense_gradient(gradient: Any) -> Any:
    """Returns a parameter's gradient with every element (an Embedding's may be sparse)."""
    return gradient if gradient.layout is torch.strided else gradient.to_dense()


def projection_loss(outputs: Iterable[tuple[Any, HostTensor]]) -> Any:
    terms = []
    for output, weights in outputs:
        values = _real(output)
        projection = _native(weights.array, weights.dtype).to(values)
        if output.is_complex():
            projection = projection.unsqueeze(-1)
        terms.append((values * projection).sum() / math.sqrt(max(output.numel(), 1)))
    return _sum(terms)


def mean_loss(outputs: Iterable[Any]) -> Any:
    means = [_real(output).float().mean() for output in outputs]
    return _sum(means) / len(means)


def _native(array: Array, dtype: DType) -> Any:
    """Returns a tensor over the array's own memory."""
    if dtype is DType.BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _real(tensor: Any) -> Any:
    """Returns the values as float32 or float64, a complex tensor's parts along a new last axis."""
    values = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return values if values.dtype is torch.float64 else values.float()


def _sum(terms: list[Any]) -> Any:
    # Outputs may live on several devices.
    total = terms[0]
    for term in terms[1:]:
        total = total + term.to(total.device)
    return total
