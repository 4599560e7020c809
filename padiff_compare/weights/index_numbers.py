"""The places from which a function of arrays takes the elements of its results, found by feeding it numbers.

The function gets arrays whose elements are numbers of their own in place of weights. What it only renames,
reorders, slices, stacks or reshapes comes back as those numbers; what it computes does not. The numbers
are exact in every dtype involved: where there are more elements than that allows, each call shows one
digit of them. They are far enough from zero that no sum or difference of two is a third. Second numbers,
negative and in another order, must tell the same: they unmask what depends on values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.capture.source import RuleFailed
from padiff_compare.weights.element_map import Places
from padiff_compare.weights.special_calls import Function
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, cast, epsilon, widen
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType

# Sent at most to see which weights a function makes one of: each call takes all of them.
_MOST_CALLS = 200
_MOST_BYTES = 4 << 30


@record
class _Numbering:
    """Numbers of all elements: a sign, and which number the n-th element has among `count`."""

    count: int
    sign: int
    step: int

    def numbers(self, places: Places) -> Places:
        numbers: Places = places.astype(np.int64) * self.step % max(self.count, 1)
        return numbers


class IndexNumbers:
    """The elements of named tensors, one tensor behind the other, as numbers.

    Attributes:
        starts: where each tensor's first element lies; whole numbers and booleans have none.
        count: how many elements there are.
    """

    def __init__(self, given: Mapping[str, HostTensor], made: Mapping[str, TensorSpec]) -> None:
        """`given`: the real arrays; `made`: what the function makes of them."""
        self._given = given
        self.starts: dict[str, int] = {}
        self.count = 0
        for name, tensor in given.items():
            if tensor.dtype in FLOATING | COMPLEX:
                self.starts[name] = self.count
                self.count += tensor.array.size
        dtypes = {given[name].dtype for name in self.starts} | {
            spec.dtype for spec in made.values() if spec.dtype in FLOATING | COMPLEX
        }
        # Whole numbers up to 2 / epsilon are exact.
        self._base = min((int(1 / epsilon(dtype)) for dtype in dtypes), default=1)

    def places(self, function: Function) -> dict[str, Places]:
        """Returns where each element of the function's results lies, of those that are elements throughout.

        Empty where the function raises on numbers.
        """
        if not self.count:
            return {}
        try:
            first = self._decoded(function, self._numbering(1))
            second = self._decoded(function, self._numbering(-1)) if first else {}
        except (RuleFailed, InvalidRequestError):
            return {}
        other = self._numbering(-1)
        return {
            name: places
            for name, places in first.items()
            if name in second
            and second[name].shape == places.shape
            and np.array_equal(second[name], other.numbers(places))
        }

    def readers(self, function: Function, names: Iterable[str]) -> dict[str, frozenset[str]]:
        """Returns which of the given arrays each of the named results may depend on.

        Those that it does not depend on are among them only where the function raises on numbers, or where
        too much would have to be sent to tell.
        """
        found: dict[str, set[str]] = {name: set() for name in names}
        everything = tuple(self.starts)
        size = sum(tensor.array.nbytes for tensor in self._given.values())
        most = min(_MOST_CALLS, _MOST_BYTES // max(size, 1))
        # Halves of what is changed are changed alone where the whole made a difference.
        waiting = deque([(everything, tuple(found))])
        try:
            plain = function(self._arrays(self._numbering(1), 0)) if most else {}
            for _ in range(most - 1):
                if not waiting:
                    break
                given, results = waiting.popleft()
                changed = function(self._arrays(self._numbering(1), 0, changed=given))
                moved = tuple(name for name in results if not _same(plain.get(name), changed.get(name)))
                if len(given) == 1:
                    for name in moved:
                        found[name].update(given)
                elif moved:
                    half = len(given) // 2
                    waiting += [(given[:half], moved), (given[half:], moved)]
        except (RuleFailed, InvalidRequestError):
            return dict.fromkeys(found, frozenset(everything))
        for given, results in waiting:
            for name in results:
                found[name].update(given)
        return {name: frozenset(used) for name, used in found.items()}

    def _numbering(self, sign: int) -> _Numbering:
        step = 1
        if sign < 0:
            step = max(round(self.count * 0.618), 1)
            while np.gcd(step, self.count) != 1:
                step += 1
        return _Numbering(count=self.count, sign=sign, step=step)

    def _decoded(self, function: Function, numbering: _Numbering) -> dict[str, Places]:
        """Returns the numbers that came back, by result; -1 for none is not among them."""
        found: Optional[dict[str, Places]] = None
        for digit in range(self._digits):
            made = function(self._arrays(numbering, digit))
            shown = {
                name: digits * digits.dtype.type(self._base**digit)
                for name, tensor in made.items()
                for digits in [self._digits_in(tensor, numbering.sign, digit)]
                if digits is not None
            }
            found = (
                shown
                if found is None
                else {
                    name: places + shown[name]
                    for name, places in found.items()
                    if name in shown and shown[name].shape == places.shape
                }
            )
        return {
            name: numbers
            for name, numbers in (found or {}).items()
            if numbers.size and int(numbers.max()) < self.count
        }

    @property
    def _digits(self) -> int:
        digits = 1
        while self._base**digits < self.count:
            digits += 1
        return digits

    def _arrays(
        self, numbering: _Numbering, digit: int, *, changed: Collection[str] = ()
    ) -> Iterator[tuple[str, HostTensor]]:
        for name, tensor in self._given.items():
            if name not in self.starts:
                yield name, tensor
                continue
            start, shape = self.starts[name], tensor.array.shape
            numbers = numbering.numbers(np.arange(start, start + tensor.array.size, dtype=np.int64))
            values = numbering.sign * (self._base + numbers // self._base**digit % self._base).astype(
                np.float64
            )
            if name in changed:
                values = -values[::-1] / 2
            yield name, _tensor(values.reshape(shape), tensor.dtype)

    def _digits_in(self, tensor: HostTensor, sign: int, digit: int) -> Optional[Places]:
        """Returns the digits that a result is made of; None where it is anything else."""
        if tensor.dtype not in FLOATING | COMPLEX:
            return None
        wide = widen(tensor.array, tensor.dtype)
        real: npt.NDArray[np.float64] = np.real(wide).astype(np.float64, copy=False)
        if np.iscomplexobj(wide) and not np.array_equal(real, np.imag(wide)):
            return None
        digits = sign * real - self._base
        # The first digit of a number is no larger than the largest number's.
        most = min(self._base, (self.count - 1) // self._base**digit + 1)
        with np.errstate(invalid="ignore"):
            is_digit = (digits >= 0) & (digits < most) & (digits == np.floor(digits))
        width = np.int32 if self.count < 2**30 else np.int64
        return digits.astype(width) if is_digit.all() else None


def _tensor(values: npt.NDArray[np.float64], dtype: DType) -> HostTensor:
    if dtype in COMPLEX:
        return cast(HostTensor(array=np.asarray(values * (1 + 1j)), dtype=DType.COMPLEX128), dtype)
    return cast(HostTensor(array=np.asarray(values), dtype=DType.FLOAT64), dtype)


def _same(one: Optional[HostTensor], other: Optional[HostTensor]) -> bool:
    if one is None or other is None:
        return one is other
    return one.is_identical(other)
