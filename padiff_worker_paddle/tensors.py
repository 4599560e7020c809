"""Paddle tensors: their identity, their bytes, and where they lie."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import paddle

from padiff_rpc.errors import PaDiffError
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.footprints import shares_elements
from padiff_worker.tensor_verbs import MemoryLayout, TensorVerbs

# Paddle cannot be handed the wider unsigned integers: it takes uint16 for the bits of bfloat16.
_UNSIGNED = {DType.UINT16, DType.UINT32, DType.UINT64}
_TO_PADDLE = {dtype: getattr(paddle, dtype.value) for dtype in DType if dtype not in _UNSIGNED}
_FROM_PADDLE = {native: dtype for dtype, native in _TO_PADDLE.items()}
# Before 3.0 only a copying way leads to NumPy.
_HAS_DLPACK = hasattr(paddle.Tensor, "__dlpack__")
# Nor could a tensor without elements be summed then; to a loss it adds nothing.
_SUMS_NOTHING = _HAS_DLPACK


class PaddleTensors(TensorVerbs):
    """Paddle's answers to the verbs of tensors."""

    name = "paddle"
    library = paddle
    dtypes = _FROM_PADDLE

    def is_tensor(self, candidate: Any) -> bool:
        return (
            isinstance(candidate, paddle.Tensor)
            and candidate.is_dense()
            and candidate.dtype in self.dtypes
            and has_memory(candidate)
        )

    def identity(self, tensor: Any) -> Hashable:
        # Not its address: `contiguous` gives the tensor itself other memory with the same values.
        return id(tensor), tensor.inplace_version

    def device(self, tensor: Any) -> str:
        place = tensor.place
        return f"gpu:{place.gpu_device_id()}" if place.is_gpu_place() else "cpu"

    def host_copy(self, tensor: Any) -> HostTensor:
        array = self._bits(tensor)
        return HostTensor(array=array.copy() if _HAS_DLPACK else array, dtype=self.dtypes[tensor.dtype])

    def host_view(self, tensor: Any) -> HostTensor:
        return HostTensor(array=self._bits(tensor), dtype=self.dtypes[tensor.dtype])

    def copy_into(self, tensor: Any, array: Array) -> None:
        np.copyto(array, self._bits(tensor))

    def _bits(self, tensor: Any) -> Array:
        """Returns the bytes as they are now, live memory among them; before 3.0 always a copy."""
        values = tensor.detach()
        if not values.is_contiguous():
            # Not `contiguous` on what shares the model's tensor: it would lay that one out anew, too.
            values = values.clone().contiguous()
        dense = values if values.place.is_cpu_place() else values.cpu()
        dtype = self.dtypes[tensor.dtype]
        array: Array
        if not _HAS_DLPACK:
            array = dense.numpy()  # bfloat16 comes as its bits, in uint16
            return array
        # DLPack knows no bfloat16 here; its bits pass as integers.
        array = np.from_dlpack(dense.view("int16") if dtype is DType.BFLOAT16 else dense)
        return array.view(np.uint16) if dtype is DType.BFLOAT16 else array

    def made(self, value: HostTensor, *, device: str, requires_grad: bool) -> Any:
        dtype = _TO_PADDLE[value.dtype]
        return paddle.to_tensor(value.array, dtype=dtype, place=device, stop_gradient=not requires_grad)

    def layout(self, tensor: Any) -> MemoryLayout:
        address = tensor.data_ptr()
        return MemoryLayout(
            block=address - tensor._offset(),  # which is in bytes
            address=address,
            strides=tuple(tensor.get_strides()),
            item_bytes=tensor.element_size(),
        )

    def overwrite(self, tensor: Any, value: HostTensor, *, may_move: bool = False) -> bool:
        if 0 in tensor.shape:
            return True
        is_plain = tensor.is_contiguous() and tensor.place.is_cpu_place()
        if is_plain and self.spec(tensor) == value.spec:
            # As `copy_` does, which has a tensor made of the value first: 30 times as long for 3 MB.
            source = np.ascontiguousarray(value.array)
            ctypes.memmove(tensor.data_ptr(), source.ctypes.data, source.nbytes)
            return True
        if not (may_move or tensor.is_contiguous() or _writes_in_place(tensor)):
            return False
        before = tensor.data_ptr(), tensor.get_strides()
        tensor.copy_(self.like(tensor, value), True)
        if not may_move and (tensor.data_ptr(), tensor.get_strides()) != before:
            raise PaDiffError("paddle moved a tensor that was to be overwritten in place (our bug)")
        return True

    def replace(self, tensor: Any, value: HostTensor) -> None:
        # Before 3.0 an assignment to `data` takes its place in the graph away as well.
        other = self.like(tensor, value)  # a name, since `get_tensor` keeps nothing alive
        tensor.get_tensor()._share_data_with(other.get_tensor())

    def requires_gradient(self, tensor: Any) -> bool:
        # Paddle lets integers claim gradients.
        return not tensor.stop_gradient and self.dtypes[tensor.dtype] in FLOATING | COMPLEX

    def branch(self, tensor: Any) -> Any:
        # A node of its own over the same memory; before 3.0 `view_as` has no gradient.
        return tensor.transpose(list(range(tensor.ndim)))

    def copied(self, tensor: Any) -> Any:
        # Before 3.0 `clone` takes nothing without elements.
        return paddle.assign(tensor)

    def as_reals(self, tensor: Any, *, dtype: DType, device: str) -> Any:
        values = paddle.as_real(tensor) if tensor.is_complex() else tensor
        return values if values.dtype == _TO_PADDLE[dtype] else values.astype(dtype.value)

    def projection_loss(self, outputs: Iterable[tuple[Any, HostTensor]]) -> Any:
        return super().projection_loss(one for one in outputs if _SUMS_NOTHING or one[1].array.size)


TENSORS = PaddleTensors()


def has_memory(tensor: Any) -> bool:
    """Whether a tensor holds what its shape says; one of no elements needs no memory.

    One without holds nothing yet: cuDNN's dropout state in a recurrent layer, everywhere but in a GPU's train
    mode.
    """
    return tensor._is_initialized() or 0 in tensor.shape


def _writes_in_place(tensor: Any) -> bool:
    """Whether `copy_` would keep the tensor's layout, which is not a plain one, and its elements apart."""
    shares = shares_elements(tuple(tensor.shape), tuple(tensor.get_strides()))
    return _keeps_strides() and tensor.place.is_cpu_place() and not shares


@functools.cache
def _keeps_strides() -> bool:
    """Returns whether `copy_` leaves a transposed tensor where it is; older versions lay it out anew."""
    base = paddle.zeros([2, 3])
    turned = base.transpose([1, 0])
    turned.copy_(paddle.arange(6, dtype="float32").reshape([3, 2]), True)
    return bool(base.tolist() == [[0, 2, 4], [1, 3, 5]])


def dense_gradient(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Returns a parameter's gradient with every element (an Embedding's may hold selected rows)."""
    if not gradient.is_selected_rows():
        return gradient
    selected = gradient.get_selected_rows()
    values = paddle.to_tensor(np.asarray(selected.get_tensor()), place=gradient.place)
    rows = paddle.to_tensor(selected.rows(), dtype="int64", place=gradient.place)
    return paddle.zeros(shape, dtype=gradient.dtype).index_add(rows, 0, values)
