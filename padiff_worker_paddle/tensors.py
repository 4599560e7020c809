"""Paddle tensors: their identity, their bytes, and the losses made of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import paddle

from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType
from padiff_worker import footprints

# Paddle cannot be handed the wider unsigned integers: it takes uint16 for the bits of bfloat16.
_UNSIGNED = {DType.UINT16, DType.UINT32, DType.UINT64}
_TO_PADDLE = {dtype: getattr(paddle, dtype.value) for dtype in DType if dtype not in _UNSIGNED}
_FROM_PADDLE = {native: dtype for dtype, native in _TO_PADDLE.items()}
# Before 3.0 only a copying way leads to NumPy.
_HAS_DLPACK = hasattr(paddle.Tensor, "__dlpack__")
# Nor could a tensor without elements be summed then; to a loss it adds nothing.
_SUMS_NOTHING = _HAS_DLPACK


def is_tensor(candidate: Any) -> bool:
    """Whether `candidate` is a tensor that can travel: dense, and of a dtype of the contract."""
    return isinstance(candidate, paddle.Tensor) and candidate.is_dense() and candidate.dtype in _FROM_PADDLE


def identity(tensor: Any) -> Hashable:
    # Not its address: `contiguous` gives the tensor itself other memory with the same values.
    return id(tensor), tensor.inplace_version


def spec(tensor: Any) -> TensorSpec:
    return TensorSpec(dtype=_FROM_PADDLE[tensor.dtype], shape=tuple(tensor.shape))


def host_copy(tensor: Any) -> HostTensor:
    values = tensor.detach()
    if not values.is_contiguous():
        # Not `contiguous` on what shares the model's tensor: it would lay that one out anew, too.
        values = values.clone().contiguous()
    dense = values if values.place.is_cpu_place() else values.cpu()
    dtype = _FROM_PADDLE[tensor.dtype]
    if not _HAS_DLPACK:
        return HostTensor(array=dense.numpy(), dtype=dtype)  # bfloat16 comes as its bits, in uint16
    # DLPack knows no bfloat16 here; its bits pass as integers.
    array = np.from_dlpack(dense.view("int16") if dtype is DType.BFLOAT16 else dense)
    bits = array.view(np.uint16) if dtype is DType.BFLOAT16 else array
    return HostTensor(array=bits.copy(), dtype=dtype)


def from_host(value: HostTensor, *, device: str, requires_grad: bool) -> Any:
    if value.dtype not in _TO_PADDLE:
        raise InvalidRequestError(
            f"paddle {paddle.__version__} has no dtype {value.dtype}; use one of "
            f"{', '.join(map(str, _TO_PADDLE))}",
            field="input",
        )
    if requires_grad and value.dtype not in FLOATING | COMPLEX:
        raise InvalidRequestError(
            f"requires_grad needs a floating or complex dtype, and this tensor is {value.dtype}",
            field="input",
        )
    return _native(value.array, value.dtype, device, stop_gradient=not requires_grad)


def write(tensor: Any, value: HostTensor) -> None:
    """Copies `value` into `tensor`, which keeps its memory (an LSTM's weights are views of one block)."""
    if tuple(tensor.shape) != value.spec.shape:
        raise InvalidRequestError(f"shape {list(value.spec.shape)} does not fit {list(tensor.shape)}")
    with paddle.no_grad():
        tensor.set_value(_native(value.array, value.dtype, "cpu").astype(tensor.dtype))


def memory(tensor: Any) -> int:
    # Paddle's offset is in bytes.
    return int(tensor.data_ptr() - tensor._offset())


def footprint(tensor: Any) -> Array:
    return footprints.footprint(
        tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.get_strides()), tensor.element_size()
    )


def overwrite(tensor: Any, value: HostTensor) -> bool:
    if not tensor.is_contiguous() and not _writes_in_place(tensor):
        return False
    before = tensor.data_ptr(), tensor.get_strides()
    tensor.copy_(like(tensor, value), True)
    if (tensor.data_ptr(), tensor.get_strides()) != before:
        raise PaDiffError("paddle moved a tensor that was to be overwritten in place (our bug)")
    return True


def _writes_in_place(tensor: Any) -> bool:
    """Whether `copy_` would keep the tensor's layout, which is not a plain one, and its elements apart."""
    is_expanded = any(step == 0 and size > 1 for step, size in zip(tensor.get_strides(), tensor.shape))
    return _keeps_strides() and tensor.place.is_cpu_place() and not is_expanded


@functools.cache
def _keeps_strides() -> bool:
    """Returns whether `copy_` leaves a transposed tensor where it is; older versions lay it out anew."""
    base = paddle.zeros([2, 3])
    turned = base.transpose([1, 0])
    turned.copy_(paddle.arange(6, dtype="float32").reshape([3, 2]), True)
    return bool(base.tolist() == [[0, 2, 4], [1, 3, 5]])


def is_made_by_a_pylayer(tensor: Any) -> bool:
    """Whether a PyLayer made this tensor, in a graph."""
    node = None if tensor.stop_gradient else tensor.grad_fn
    return node is not None and node.name().startswith("GradNodePyLayer")


def pass_through(tensor: Any, value: HostTensor) -> Any:
    other = paddle.assign(tensor)
    other.copy_(like(tensor, value), True)
    return other


def like(tensor: Any, value: HostTensor) -> Any:
    return paddle.to_tensor(value.array, dtype=_TO_PADDLE[value.dtype], place=tensor.place)


def branch(tensor: Any) -> Any:
    # A node of its own over the same memory; before 3.0 `view_as` has no gradient.
    return tensor.transpose(list(range(tensor.ndim)))


def requires_gradient(tensor: Any) -> bool:
    # Paddle lets integers claim gradients.
    return not tensor.stop_gradient and _FROM_PADDLE[tensor.dtype] in FLOATING | COMPLEX


def dense_gradient(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Returns a parameter's gradient with every element (an Embedding's may hold selected rows)."""
    if not gradient.is_selected_rows():
        return gradient
    selected = gradient.get_selected_rows()
    values = paddle.to_tensor(np.asarray(selected.get_tensor()), place=gradient.place)
    rows = paddle.to_tensor(selected.rows(), dtype="int64", place=gradient.place)
    return paddle.zeros(shape, dtype=gradient.dtype).index_add(rows, 0, values)


def projection_loss(outputs: Iterable[tuple[Any, HostTensor]]) -> Any:
    terms = []
    for output, weights in outputs:
        if not (_SUMS_NOTHING or output.size):
            continue
        values = _real(output)
        projection = paddle.to_tensor(weights.array, place=values.place).astype(values.dtype)
        if output.is_complex():
            projection = projection.unsqueeze(-1)
        terms.append((values * projection).sum() / math.sqrt(max(math.prod(output.shape), 1)))
    return _sum(terms)


def mean_loss(outputs: Iterable[Any]) -> Any:
    means = [_real(output).astype("float32").mean() for output in outputs]
    return _sum(means) / len(means)


def _native(array: Array, dtype: DType, device: str, stop_gradient: bool = True) -> Any:
    return paddle.to_tensor(array, dtype=_TO_PADDLE[dtype], place=device, stop_gradient=stop_gradient)


def _real(tensor: Any) -> Any:
    """Returns the values as float32 or float64, a complex tensor's parts along a new last axis."""
    values = paddle.as_real(tensor) if tensor.is_complex() else tensor
    return values if values.dtype == paddle.float64 else values.astype("float32")


def _sum(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        if term.dtype == paddle.float64:
            total = total.astype("float64")
        total = total + term.astype(total.dtype)
    return total
