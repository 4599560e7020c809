"""Leaves of a batch that are tensors, whatever made them, as host tensors. No framework is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from padiff_client.frameworks import framework_of_tensor
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_allowed
from padiff_rpc.records import fields_checked, word
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, cast
from padiff_rpc.v1.words import DType


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
    return isinstance(leaf, (np.ndarray, Input)) or framework_of_tensor(leaf) is not None


def identity(leaf: Any) -> tuple[int, Optional[str]]:
    """Returns what two leaves of the same content share; valid while both are alive."""
    if isinstance(leaf, Input):
        return id(leaf.array), leaf.dtype
    return id(leaf), None


def requires_grad(leaf: Any) -> bool:
    """Whether the gradient with respect to this leaf is wanted."""
    framework = framework_of_tensor(leaf)
    if framework is not None:
        return framework.wants_gradient(leaf)
    return isinstance(leaf, Input) and leaf.requires_grad


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
        framework = framework_of_tensor(leaf)
        return HostTensor.from_array(leaf) if framework is None else framework.host_tensor(leaf)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidRequestError(" ".join(str(error).split()), field=where) from None


def _cast(tensor: HostTensor, dtype: DType) -> HostTensor:
    if dtype is tensor.dtype:
        return tensor
    if dtype is DType.BFLOAT16 and tensor.dtype is DType.UINT16:
        return HostTensor(array=tensor.array, dtype=dtype)
    if tensor.dtype in COMPLEX and dtype not in COMPLEX:
        raise ValueError(f"complex values cannot become {dtype}")
    # What lies outside the smaller dtype's range becomes an infinity, as in both frameworks.
    return cast(tensor, dtype)
