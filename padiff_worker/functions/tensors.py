"""The tensors of one trace: their numbers, versions and fingerprints."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from padiff_rpc.fingerprints import to_bytes
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.records import FunctionTensor, TensorSpec
from padiff_rpc.v1.words import DType, TensorKind
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.functions.tensor_elements import tensor_fingerprint
from padiff_worker.tensor_numbers import TensorNumbers


class WatchGradient(Protocol):
    """Has `take` called with the fingerprint of a tensor's total gradient.

    `is_late`: of what those make of it who watch it by now.
    """

    def __call__(self, tensor: Any, take: Callable[[bytes], None], *, is_late: bool = False) -> None: ...


@record
class HeldWeight:
    """A parameter or buffer of the model, by its full name."""

    name: str
    is_parameter: bool


@dataclass
class _Gradient:
    """The gradient of a tensor, under all numbers that it has at one version.

    Attributes:
        is_needed: the tensor hands one on.
        came: the fingerprint of the total.
        hooked: of what the user's hooks made of it.
    """

    is_needed: bool = False
    came: bytes = b""
    hooked: bytes = b""

    def take(self, fingerprint: bytes) -> None:
        self.came = fingerprint

    def take_hooked(self, fingerprint: bytes) -> None:
        self.hooked = fingerprint


@dataclass
class _Seen:
    """What is known of a tensor at one version."""

    spec: TensorSpec
    fingerprint: bytes
    producer: int = 0
    parameter: str = ""
    mark: str = ""
    replaces: int = 0
    gradient: _Gradient = field(default_factory=_Gradient)


class TakenFingerprints:
    """The fingerprints of a step's tensors, each taken once, however many traces see the tensor."""

    def __init__(self, adapter: FrameworkAdapter) -> None:
        self._adapter = adapter
        self._numbers = TensorNumbers(adapter.identity)
        self._taken: list[bytes] = []

    def of(self, tensor: Any) -> bytes:
        """Returns the fingerprint of a tensor at its version."""
        number, is_first = self._numbers.of(tensor)
        if is_first:
            with self._adapter.gradient_mode(False):
                self._taken.append(to_bytes(tensor_fingerprint(self._adapter, tensor)))
        return self._taken[number - 1]

    def forget(self, tensor: Any) -> None:
        """Its elements have changed, and its version need not tell."""
        self._numbers.forget(tensor)


class SeenTensors:
    """Numbers the tensors of one trace and has their fingerprints taken when they are first seen.

    Holds no tensor: what the model lets go dies as it would.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        weights: Mapping[int, HeldWeight],
        fingerprints: TakenFingerprints,
        watch_gradient: WatchGradient,
    ) -> None:
        """`weights` has the model's own by their ids."""
        self._adapter = adapter
        self._fingerprints = fingerprints
        self._weights = weights
        self._watch_gradient = watch_gradient
        self._numbers = TensorNumbers(adapter.identity)
        self._seen: list[_Seen] = []
        # The last number of each tensor object, whatever its version.
        self._latest: dict[int, tuple[int, weakref.ref[Any]]] = {}
        # By memory: the call that wrote into it last.
        self._writers: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def of(self, tensor: Any, producer: int = 0) -> int:
        """Returns the tensor's number; `producer` made it if it is seen for the first time."""
        number = self._numbers.known(tensor)
        if number is not None:
            return number
        before = self._before(tensor)
        if before:
            # Changed by way of another tensor over its memory, where no call says that it wrote.
            producer = producer or self._writers.get(self._adapter.memory(tensor), 0)
        weight = None if before else self._weights.get(id(tensor))
        seen = _Seen(
            spec=self._adapter.spec(tensor),
            fingerprint=b"" if weight is not None and weight.is_parameter else self._fingerprints.of(tensor),
            producer=producer,
            parameter=weight.name if weight is not None else "",
            replaces=before,
        )
        return self._add(tensor, seen)

    def written(self, tensor: Any, call: int) -> int:
        """Returns a number for a tensor that `call` wrote into, whether its version tells or not."""
        self._writers[self._adapter.memory(tensor)] = call
        self._fingerprints.forget(tensor)
        seen = _Seen(
            spec=self._adapter.spec(tensor),
            fingerprint=self._fingerprints.of(tensor),
            producer=call,
            replaces=self._before(tensor),
        )
        return self._add(tensor, seen)

    def overridden(self, before: int, after: Any) -> int:
        """Returns the number of what stands for tensor `before`: another one where its values are others."""
        own = self._seen[before - 1]
        fingerprint = self._fingerprints.of(after)
        if fingerprint == own.fingerprint:
            self._assign(after, before)
            return before
        seen = _Seen(spec=own.spec, fingerprint=fingerprint, replaces=before)
        if self._before(after) == before:
            # Written into its memory: in the graph it is the same tensor.
            return self._add_again(after, seen, own)
        return self._add(after, seen)

    def hooked(self, tensor: Any) -> None:
        """Takes in that the user has put a hook on a tensor's gradient."""
        seen = self._seen[self.of(tensor) - 1]
        if seen.gradient.is_needed:
            self._watch_gradient(tensor, seen.gradient.take_hooked, is_late=True)

    def mark(self, tensor: Any, name: str) -> None:
        """Gives a tensor the user's name; a second name of one tensor gets a number of its own."""
        seen = self._seen[self.of(tensor) - 1]
        if seen.mark and seen.mark != name:
            other = _Seen(spec=seen.spec, fingerprint=seen.fingerprint, producer=seen.producer, mark=name)
            self._add_again(tensor, other, seen)
        else:
            seen.mark = name

    def records(self) -> tuple[FunctionTensor, ...]:
        """Returns all that was seen, by their numbers."""
        return tuple(
            FunctionTensor(
                number=number,
                kind=_kind(seen.spec.dtype),
                spec=seen.spec,
                fingerprint=seen.fingerprint,
                producer=seen.producer,
                parameter=seen.parameter,
                mark=seen.mark,
                gradient_fingerprint=seen.gradient.came,
                replaces=seen.replaces,
                needs_gradient=seen.gradient.is_needed,
                hooked_gradient_fingerprint=seen.gradient.hooked,
            )
            for number, seen in enumerate(self._seen, 1)
        )

    def _before(self, tensor: Any) -> int:
        """Returns the number that the object had at an earlier version; 0 for none."""
        number, alive = self._latest.get(id(tensor), (0, None))
        return number if alive is not None and alive() is tensor else 0

    def _add(self, tensor: Any, seen: _Seen) -> int:
        self._seen.append(seen)
        self._assign(tensor, len(self._seen))
        seen.gradient.is_needed = self._adapter.requires_gradient(tensor)
        if id(tensor) not in self._weights and seen.gradient.is_needed:
            self._watch_gradient(tensor, seen.gradient.take)
        return len(self._seen)

    def _add_again(self, tensor: Any, seen: _Seen, own: _Seen) -> int:
        """Returns another number for a tensor whose gradient is watched under its own."""
        seen.gradient = own.gradient
        self._seen.append(seen)
        self._assign(tensor, len(self._seen))
        return len(self._seen)

    def _assign(self, tensor: Any, number: int) -> None:
        self._numbers.assign(tensor, number)
        self._latest[id(tensor)] = number, weakref.ref(tensor)


def _kind(dtype: DType) -> TensorKind:
    if dtype is DType.BOOL:
        return TensorKind.BOOL
    if dtype in COMPLEX:
        return TensorKind.COMPLEX
    return TensorKind.FLOAT if dtype in FLOATING else TensorKind.INTEGER
