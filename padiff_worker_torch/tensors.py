"""Torch tensors: their identity, their bytes, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Optional

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from padiff_rpc.tensors import Array, HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.footprints import shares_elements
from padiff_worker.packed_sequences import Packed, Packing
from padiff_worker.tensor_verbs import MemoryLayout, TensorVerbs

# Older versions of Torch lack the wider unsigned integers.
_TO_TORCH = {dtype: getattr(torch, dtype.value) for dtype in DType if hasattr(torch, dtype.value)}
_FROM_TORCH = {native: dtype for dtype, native in _TO_TORCH.items()}

# A tensor inside vmap or a functional gradient has no memory of its own.
_is_wrapped = getattr(torch._C._functorch, "is_functorch_wrapped_tensor", lambda tensor: False)


class TorchTensors(TensorVerbs):
    """Torch's answers to the verbs of tensors."""

    name = "torch"
    library = torch
    dtypes = _FROM_TORCH

    def is_tensor(self, candidate: Any) -> bool:
        return (
            isinstance(candidate, torch.Tensor)
            and candidate.layout is torch.strided
            and not candidate.is_meta
            and not candidate.is_nested
            and not _is_wrapped(candidate)
            and candidate.dtype in self.dtypes
        )

    def packed(self, value: Any) -> Optional[Packed]:
        if not isinstance(value, PackedSequence) or not self.is_tensor(value.data):
            return None
        places = value.unsorted_indices
        packing = Packing(
            batch_sizes=tuple(value.batch_sizes.tolist()),
            places=None if places is None else tuple(places.tolist()),
        )
        return Packed(elements=value.data, packing=packing)

    def identity(self, tensor: Any) -> Hashable:
        try:
            version = tensor._version
        except RuntimeError:
            # Inference tensors have no version counter; nothing may change them in place outside that mode.
            version = 0
        return id(tensor), tensor.data_ptr(), version

    def device(self, tensor: Any) -> str:
        return str(tensor.device)

    def host_copy(self, tensor: Any) -> HostTensor:
        values = tensor.detach().resolve_conj().resolve_neg()
        is_alias = values.device.type == "cpu" and values.is_contiguous()
        array = _bits(values if is_alias else values.cpu().contiguous())
        return HostTensor(array=array.copy() if is_alias else array, dtype=self.dtypes[tensor.dtype])

    def host_view(self, tensor: Any) -> HostTensor:
        array = _bits(tensor.detach().resolve_conj().resolve_neg().cpu())
        return HostTensor(array=array, dtype=self.dtypes[tensor.dtype])

    def copy_into(self, tensor: Any, array: Array) -> None:
        np.copyto(array, self.host_view(tensor).array)

    def made(self, value: HostTensor, *, device: str, requires_grad: bool) -> Any:
        # A copy, since the array may be read-only or belong to another.
        return _native(value.array.copy(), value.dtype).to(device).requires_grad_(requires_grad)

    def layout(self, tensor: Any) -> MemoryLayout:
        return MemoryLayout(
            block=tensor.untyped_storage().data_ptr(),
            address=tensor.data_ptr(),
            strides=tensor.stride(),
            item_bytes=tensor.element_size(),
        )

    def overwrite(self, tensor: Any, value: HostTensor, *, may_move: bool = False) -> bool:
        if tensor.numel() == 0:
            return True
        if shares_elements(tuple(tensor.shape), tensor.stride()) or tensor.is_conj() or tensor.is_neg():
            return False
        try:
            # Unlike `detach`, `data` does not share the version counter, so autograd does not object.
            tensor.data.copy_(_native(value.array, value.dtype))
        except RuntimeError:  # zeros without memory of their own, for one
            return False
        return True

    def requires_gradient(self, tensor: Any) -> bool:
        return bool(tensor.requires_grad)

    def branch(self, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    def as_reals(self, tensor: Any, *, dtype: DType, device: str) -> Any:
        values = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        return values.to(device=device, dtype=_TO_TORCH[dtype])


TENSORS = TorchTensors()


def unchanged(tensor: Any) -> Callable[[], bool]:
    """Returns a function that tells whether nothing has changed the tensor in place since.

    It keeps the counter of such changes, and not the tensor's memory.
    """
    counter = tensor.detach()
    counter.data = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    version = counter._version
    return lambda: bool(counter._version == version)


def _bits(tensor: Any) -> Array:
    """Returns the memory of a tensor on the CPU, whatever its strides, as an array."""
    # NumPy has no bfloat16; its bits pass as integers.
    is_bfloat16 = tensor.dtype is torch.bfloat16
    array: Array = tensor.view(torch.int16).numpy().view(np.uint16) if is_bfloat16 else tensor.numpy()
    return array


def _native(array: Array, dtype: DType) -> Any:
    """Returns a tensor over the array's own memory."""
    if dtype is DType.BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
