"""Leaves of a batch that are tensors, whatever made them, as host tensors. No framework is imported."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import fields_checked, not_allowed
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, numpy_dtype, widen
from padiff_rpc.v1.words import DType
from padiff_rpc.word import word


@fields_checked("Input")
@dataclass(frozen=True, eq=False)
class Input:
    """An array with what NumPy cannot say of it.

    Attributes:
        array: a NumPy array or what NumPy makes one of; or a Torch or Paddle tensor.
        dtype: the values are converted to it (bfloat16: rounded to nearest, ties to even); None keeps
            the array's own. uint16 for "bfloat16" means the bits themselves.
        requires_grad: the model's gradient with respect to this input is compared too.
    """

    array: Any
    dtype: Optional[str] = None
    requires_grad: bool = False

    def __post_init__(self) -> None:
        if self.dtype is not None:
            word(DType, self.dtype, field="Input.dtype")
        if not isinstance(self.requires_grad, bool):
            raise not_allowed(self.requires_grad, "True, False", field="Input.requires_grad")


def is_tensor(leaf: Any) -> bool:
    """Whether `leaf` is an array, an Input, or a tensor of a known framework."""
    return isinstance(leaf, (np.ndarray, Input)) or _framework_of(leaf) is not None


def identity(leaf: Any) -> tuple[int, Optional[str]]:
    """Returns what two leaves of the same content share; valid while both are alive."""
    if isinstance(leaf, Input):
        return id(leaf.array), leaf.dtype
    return id(leaf), None


def requires_grad(leaf: Any) -> bool:
    """Whether the gradient with respect to this leaf is wanted."""
    if _framework_of(leaf) == "paddle":
        return not leaf.stop_gradient
    return bool(getattr(leaf, "requires_grad", False))


def check_gradient(leaf: Any, dtype: DType, *, where: str) -> None:
    """Raises InvalidRequestError if `leaf` asks for a gradient that its `dtype` cannot have."""
    if requires_grad(leaf) and dtype not in FLOATING | COMPLEX:
        raise InvalidRequestError(
            f"requires_grad needs a floating or complex dtype; this one is {dtype}", field=where
        )


def host_tensor(leaf: Any, *, where: str) -> HostTensor:
    """Returns a leaf for which `is_tensor` holds, without a copy where that is possible.

    Raises InvalidRequestError, naming `where`, for content that cannot travel.
    """
    try:
        if isinstance(leaf, Input):
            array = leaf.array if is_tensor(leaf.array) else np.asarray(leaf.array)
            tensor = host_tensor(array, where=where)
            return tensor if leaf.dtype is None else _cast(tensor, DType(leaf.dtype))
        framework = _framework_of(leaf)
        if framework == "torch":
            return _from_torch(leaf)
        if framework == "paddle":
            return _from_paddle(leaf)
        return HostTensor.from_array(leaf)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidRequestError(" ".join(str(error).split()), field=where) from None


def _cast(tensor: HostTensor, dtype: DType) -> HostTensor:
    if dtype is tensor.dtype:
        return tensor
    if dtype is DType.BFLOAT16 and tensor.dtype is DType.UINT16:
        return HostTensor(array=tensor.array, dtype=dtype)
    if tensor.dtype in COMPLEX and dtype not in COMPLEX:
        raise ValueError(f"complex values cannot become {dtype}")
    values = widen(tensor.array, tensor.dtype)
    # What lies outside the smaller dtype's range becomes an infinity, as in both frameworks.
    with np.errstate(over="ignore"):
        converted = _bfloat16_bits(values) if dtype is DType.BFLOAT16 else values.astype(numpy_dtype(dtype))
    return HostTensor(array=converted, dtype=dtype)


def _bfloat16_bits(values: Array) -> Array:
    single = values.astype(np.float32, order="C")
    bits = single.view(np.uint32)
    to_even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = (bits + to_even) >> np.uint32(16)
    # Rounding could carry a NaN over into infinity.
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    chosen: Array = np.where(np.isnan(single), quiet, rounded).astype(np.uint16)
    return chosen


def _framework_of(leaf: Any) -> Optional[str]:
    for cls in type(leaf).__mro__:
        package = cls.__module__.partition(".")[0]
        if cls.__name__ == "Tensor" and package in ("torch", "paddle"):
            return package
    return None


def _from_torch(tensor: Any) -> HostTensor:
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(host.dtype) == "torch.bfloat16":
        # NumPy has no bfloat16; whoever holds a tensor has torch loaded.
        bits = host.contiguous().view(sys.modules["torch"].int16).numpy().view(np.uint16)
        return HostTensor.from_array(bits, DType.BFLOAT16)
    return HostTensor.from_array(host.numpy())


def _from_paddle(tensor: Any) -> HostTensor:
    # Paddle hands out bfloat16 bits as uint16.
    is_bfloat16 = str(tensor.dtype).endswith("bfloat16")
    return HostTensor.from_array(tensor.detach().numpy(), DType.BFLOAT16 if is_bfloat16 else None)
