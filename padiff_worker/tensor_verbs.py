"""The verbs of tensors that a framework must offer, and what all frameworks make of them.

Ten are abstract. What the rest need is alike in frameworks: `detach`, `clone`, arithmetic and `shape`.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Optional

import numpy as np

from padiff_rpc.arena import ArenaRoom, LaidTensor
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, cast
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType
from padiff_worker import footprints
from padiff_worker.packed_sequences import Packed

_WIDE = frozenset({DType.FLOAT64, DType.COMPLEX128})


@functools.lru_cache(maxsize=4096)
def _spec(dtype: DType, shape: tuple[int, ...]) -> TensorSpec:
    """Returns one record for all tensors of a kind."""
    return TensorSpec(dtype=dtype, shape=shape)


@record
class MemoryLayout:
    """Where a tensor's elements lie; `strides` are in elements.

    `block` names the memory that a tensor and its views share.
    """

    block: Hashable
    address: int
    strides: tuple[int, ...]
    item_bytes: int


class TensorVerbs(ABC):
    """What can be asked of one framework's tensors, which are opaque here."""

    # "torch" or "paddle".
    name: str
    # Its package.
    library: Any
    # Its dtypes, as far as the contract has them.
    dtypes: Mapping[Any, DType]

    def version(self) -> str:
        """Returns the framework's version."""
        return str(self.library.__version__)

    @abstractmethod
    def is_tensor(self, candidate: Any) -> bool:
        """Whether `candidate` is a tensor that can travel: dense, with memory, of one of `dtypes`."""

    def packed(self, value: Any) -> Optional[Packed]:
        """Returns what a batch of sequences that the framework keeps packed holds; None for all else."""
        return None

    def tensor_in(self, value: Any) -> Optional[Any]:
        """Returns the tensor that a value is, or a packed batch's elements; None for all else."""
        if self.is_tensor(value):
            return value
        packed = self.packed(value)
        return packed.elements if packed is not None else None

    @abstractmethod
    def identity(self, tensor: Any) -> Hashable:
        """Returns what two tensors share exactly if they are one tensor at one version.

        The object, its storage and its in-place version: a view, or the same object after an in-place
        operation, differs. Valid only while the tensor object is alive.
        """

    def spec(self, tensor: Any) -> TensorSpec:
        """Returns dtype and shape, without touching the bytes."""
        return _spec(self.dtypes[tensor.dtype], tuple(tensor.shape))

    @abstractmethod
    def device(self, tensor: Any) -> str:
        """Returns the device on which a tensor lies, as the framework names it."""

    # To the host and back

    @abstractmethod
    def host_copy(self, tensor: Any) -> HostTensor:
        """Returns a copy of the bytes as they are now (never an alias of live memory)."""

    def host_view(self, tensor: Any) -> HostTensor:
        """Returns the bytes as they are now, in live memory where the host can read that: to be read at once.

        Unlike other tensors of the host it may have any strides.
        """
        return self.host_copy(tensor)

    def holds(self, tensor: Any, value: HostTensor) -> bool:
        """Whether `tensor` has exactly the dtype, the shape and the bytes of `value`."""
        return self.spec(tensor) == value.spec and self.host_view(tensor).is_identical(value)

    def copy_into(self, tensor: Any, array: Array) -> None:
        """Copies the bytes as they are now into `array`, of its shape and `numpy_dtype`, C-contiguous."""
        np.copyto(array, self.host_copy(tensor).array)

    def laid_copy(self, tensor: Any, room: Optional[ArenaRoom]) -> LaidTensor:
        """Returns a copy of the bytes as they are now, in the `room` for it if there is any."""
        if room is None:
            return LaidTensor(tensor=self.host_copy(tensor))
        copy = room.holding(self.spec(tensor))
        self.copy_into(tensor, copy.array)
        return LaidTensor(tensor=copy, place=room.place)

    @abstractmethod
    def made(self, value: HostTensor, *, device: str, requires_grad: bool) -> Any:
        """Returns a leaf tensor on `device` with a copy of `value`, whose dtype the framework has."""

    def from_host(self, value: HostTensor, *, device: str, requires_grad: bool) -> Any:
        """Returns what `made` does.

        Raises InvalidRequestError for a dtype that the framework does not have, and for
        requires_grad on one that cannot have gradients.
        """
        if value.dtype not in self.dtypes.values():
            raise InvalidRequestError(
                f"{self.name} {self.version()} has no dtype {value.dtype}; use one of "
                f"{', '.join(map(str, self.dtypes.values()))}",
                field="input",
            )
        if requires_grad and value.dtype not in FLOATING | COMPLEX:
            raise InvalidRequestError(
                f"requires_grad needs a floating or complex dtype, and this tensor is {value.dtype}",
                field="input",
            )
        return self.made(value, device=device, requires_grad=requires_grad)

    def like(self, tensor: Any, value: HostTensor) -> Any:
        """Returns a tensor of `value` on the device of `tensor`, in no graph."""
        return self.made(value, device=self.device(tensor), requires_grad=False)

    # Memory

    @abstractmethod
    def layout(self, tensor: Any) -> MemoryLayout:
        """Returns where the elements lie; valid while the tensor is alive."""

    def memory(self, tensor: Any) -> Hashable:
        """Returns what a tensor and its views share: the block of memory that they lie in."""
        return self.layout(tensor).block

    def footprint(self, tensor: Any) -> Array:
        """Returns where its elements lie, as `padiff_worker.footprints` has it; valid while it is alive."""
        layout = self.layout(tensor)
        return footprints.footprint(layout.address, tuple(tensor.shape), layout.strides, layout.item_bytes)

    @abstractmethod
    def overwrite(self, tensor: Any, value: HostTensor, *, may_move: bool = False) -> bool:
        """Replaces the bytes of `tensor`, views of it included; version and graph stay as they are.

        So what autograd saved of it is replaced as well, and its gradient flows as before. `value` has
        its dtype and shape. Returns False, and changes nothing, where elements share memory, or where the
        framework would lay the tensor out anew, unless it `may_move`.
        """

    def write_weight(self, tensor: Any, value: HostTensor) -> None:
        """Copies `value` (same shape; dtype is cast) into a parameter or buffer, without autograd."""
        spec = self.spec(tensor)
        if spec.shape != value.spec.shape:
            raise InvalidRequestError(f"shape {list(value.spec.shape)} does not fit {list(spec.shape)}")
        own = cast(value, spec.dtype)
        if self.overwrite(tensor, own, may_move=True) or self._write_once(tensor, own):
            return
        if self.host_copy(tensor).array.tobytes() != own.array.tobytes():
            raise InvalidRequestError(
                f"elements of a weight of shape {list(spec.shape)} share memory, as an expanded tensor's do, "
                "and cannot be written; put a copy of it (clone) into the model"
            )

    def _write_once(self, tensor: Any, value: HostTensor) -> bool:
        """Writes one element for all along the axes of an expanded tensor; False where theirs differ."""
        axes = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in self.layout(tensor).strides)
        once = np.array(value.array[axes], order="C")
        if np.broadcast_to(once, value.array.shape).tobytes() != value.array.tobytes():
            return False
        return self.overwrite(self.alias(tensor)[axes], HostTensor(array=once, dtype=value.dtype))

    def replace(self, tensor: Any, value: HostTensor) -> None:
        """Gives `tensor` other memory with a copy of `value`, whose shape and dtype it takes on."""
        tensor.data = self.like(tensor, value)

    # In the graph

    @abstractmethod
    def requires_gradient(self, tensor: Any) -> bool:
        """Whether a gradient can flow to this tensor now (floating or complex, and part of a graph)."""

    @abstractmethod
    def branch(self, tensor: Any) -> Any:
        """Returns another tensor over the same elements, whose gradient goes on to `tensor`."""

    def alias(self, tensor: Any) -> Any:
        """Returns another tensor over the same elements and with the same version, in no graph."""
        return tensor.detach()

    def pass_through(self, tensor: Any, value: HostTensor) -> Any:
        """Returns a new tensor of exactly `value`, on the same device, whose gradient goes to `tensor`.

        `value` has its dtype and shape. Without a graph the new tensor has none either.
        """
        other = self.copied(tensor)
        self.overwrite(other, value)
        return other

    def copied(self, tensor: Any) -> Any:
        """Returns another tensor with memory of its own, whose gradient goes on to `tensor`."""
        return tensor.clone()

    @abstractmethod
    def as_reals(self, tensor: Any, *, dtype: DType, device: str) -> Any:
        """Returns a floating or complex tensor as `dtype`, float32 or float64, in its graph.

        A complex tensor's parts lie along a new last axis. The result is on `device`, if the framework runs
        one model on several.
        """

    # Losses

    def projection_loss(self, outputs: Iterable[tuple[Any, HostTensor]]) -> Any:
        """Returns the scalar sum over `outputs` of sum(output * weights) / sqrt(n), n the output's size.

        Outputs are floating or complex (then real and imaginary parts are both projected); float16 and
        bfloat16 are computed in float32. Weights are float32, of the output's shape.
        """
        terms = []
        for output, weights in outputs:
            spec = self.spec(output)
            dtype = DType.FLOAT64 if spec.dtype in _WIDE else DType.FLOAT32
            factors = weights.array[..., np.newaxis] if spec.dtype in COMPLEX else weights.array
            values = self.as_reals(output, dtype=dtype, device=self.device(output))
            projection = self.like(values, cast(HostTensor.from_array(factors), dtype))
            terms.append((values * projection).sum() / math.sqrt(max(math.prod(spec.shape), 1)))
        return self._sum(terms)

    def mean_loss(self, outputs: Iterable[Any]) -> Any:
        """Returns the mean of the float32 means of `outputs` (the older tool's default loss)."""
        means = [
            self.as_reals(output, dtype=DType.FLOAT32, device=self.device(output)).mean()
            for output in outputs
        ]
        return self._sum(means) / len(means)

    def _sum(self, terms: list[Any]) -> Any:
        # Outputs may live on several devices, and be of several dtypes.
        dtype = max((self.spec(term).dtype for term in terms), key=lambda one: one is DType.FLOAT64)
        device = self.device(terms[0])
        first, *others = (self.as_reals(term, dtype=dtype, device=device) for term in terms)
        return sum(others, first)
