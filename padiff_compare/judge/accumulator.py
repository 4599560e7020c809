"""The figures of one pair of tensors, gathered in one pass from blocks in any order and grouping."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np

from padiff_compare.judge.outliers import Distances, Indices, JumpFinder, Reals, WorstElements, index_at
from padiff_rpc.records import record
from padiff_rpc.v1.records import Figures

BINS = 40
# The lowest bin begins at 2**-8 epsilons.
_LOWEST_EXPONENT = -8
_BIAS = 1023
_DOT = 1 << 13
# The smallest normal float64: a divisor for tensors that are zero throughout.
_TINY = float(np.finfo(np.float64).tiny)


@record
class Yardstick:
    """What differences are held against; known before the first block.

    Attributes:
        atol, rtol: an element outside atol + rtol * |reference| is a mismatch.
        rms_reference: root mean square of the whole reference.
        epsilon: the dtype's spacing at 1, a power of two; the histogram's unit.
        parts: reals per element, 2 for complex tensors.
    """

    atol: float
    rtol: float
    rms_reference: float
    epsilon: float
    parts: int = 1

    @property
    def smallest_divisor(self) -> float:
        """What the histogram divides a difference by, where the element is smaller."""
        return max(self.rms_reference, _TINY)

    @property
    def lowest_exponent(self) -> int:
        """The largest exponent, as the bits of a float64 have it, of quotients in the lowest bin."""
        return _BIAS + math.frexp(self.epsilon)[1] - 1 + _LOWEST_EXPONENT


@record
class Gathered:
    """What a stretch of a pair comes to.

    Attributes:
        elements, finite: how many reals it has, and those of them that are finite on both sides.
        identical: whether both sides have the same bits.
        nan_reference, nan_candidate, inf_reference, inf_candidate, nonfinite_mismatches: of what is not.
        first_nonfinite: the position of the first that is not a number, or differs; None for none.
        mismatches, max_rel: see `Figures`; elements that differ from a zero have no relative difference.
        differs_at_zero: whether there are such.
        worst: distances, positions, and values on both sides, of the elements that are furthest apart.
        sums: float64[8], in the accumulator's order.
        histogram: int64[BINS].
    """

    elements: int
    finite: int
    identical: bool
    nan_reference: int
    nan_candidate: int
    inf_reference: int
    inf_candidate: int
    nonfinite_mismatches: int
    first_nonfinite: Optional[int]
    mismatches: int
    max_rel: float
    differs_at_zero: bool
    worst: tuple[tuple[float, int, float, float], ...]
    sums: tuple[float, ...]
    histogram: tuple[int, ...]


class Accumulator:
    """Half a kilobyte of sums, counts and maxima; feed it blocks with `add`, or stretches with `take`.

    However the tensors are cut, counts, maxima and indices come out equal, and sums equal up to
    float64 rounding. Non-finite elements are classified and counted, then left out of everything else;
    of a complex tensor the parts are elements of their own, but for indices. Not thread-safe.
    """

    def __init__(self, yardstick: Yardstick, jumps: Optional[JumpFinder] = None) -> None:
        """`jumps` gets every block that differs."""
        self._yardstick = yardstick
        self._jumps = jumps
        self._elements = 0
        self._finite = 0
        self._identical = True
        self._nan_reference = self._nan_candidate = 0
        self._inf_reference = self._inf_candidate = 0
        self._nonfinite_mismatches = 0
        self._first_nonfinite: Optional[int] = None
        self._mismatches = 0
        self._max_rel = 0.0
        self._differs_at_zero = False
        self._worst = WorstElements(yardstick.parts)
        # <b,b>, <a,a>, <a,b>, <a-b,a-b>, sum b, sum a, sum (a-b), sum |a-b|; none follows from the others
        # without loss where the sides are of very different size.
        self._sums = np.zeros(8)
        self._histogram = np.zeros(BINS, np.int64)

    def add(
        self, offset: int, reference: Reals, candidate: Reals, difference: Reals, *, identical: bool
    ) -> None:
        """Takes a block that begins at the tensor's real number `offset`.

        `difference` is candidate - reference (exact for integers, which `reference` and `candidate` may
        have lost) and is overwritten. `identical` says that both blocks have the same bits.
        """
        self._elements += reference.size
        self._identical &= identical
        if not reference.size:
            return
        positions: Optional[Indices] = None
        with np.errstate(all="ignore"):
            squares = _inner(reference, reference), _inner(candidate, candidate)
            # A sum of squares is finite only if every element is; it may also overflow, harmlessly.
            if not math.isfinite(squares[0] + squares[1]):
                positions = self._set_nonfinite_aside(offset, reference, candidate)
                reference, candidate = reference[positions], candidate[positions]
                difference = difference[positions]
                squares = _inner(reference, reference), _inner(candidate, candidate)
            self._finite += reference.size
            if identical:
                total = _total(reference)
                self._sums += (*squares, squares[0], 0.0, total, total, 0.0, 0.0)
                self._histogram[0] += reference.size
            elif reference.size:
                self._add_finite(offset, positions, reference, candidate, difference, squares)

    def _set_nonfinite_aside(self, offset: int, reference: Reals, candidate: Reals) -> Indices:
        nan_reference, nan_candidate = np.isnan(reference), np.isnan(candidate)
        inf_reference, inf_candidate = np.isinf(reference), np.isinf(candidate)
        infinities_differ = (inf_reference | inf_candidate) & (reference != candidate)
        differs = (nan_reference != nan_candidate) | (infinities_differ & ~nan_reference & ~nan_candidate)
        self._nan_reference += int(np.count_nonzero(nan_reference))
        self._nan_candidate += int(np.count_nonzero(nan_candidate))
        self._inf_reference += int(np.count_nonzero(inf_reference))
        self._inf_candidate += int(np.count_nonzero(inf_candidate))
        mismatches = int(np.count_nonzero(differs))
        self._nonfinite_mismatches += mismatches
        self._mismatches += mismatches
        notable = np.flatnonzero(differs | nan_reference | nan_candidate)
        if notable.size:
            self._first_nonfinite = _lower(self._first_nonfinite, offset + int(notable[0]))
        return np.flatnonzero(np.isfinite(reference) & np.isfinite(candidate))

    def _add_finite(
        self,
        offset: int,
        positions: Optional[Indices],
        reference: Reals,
        candidate: Reals,
        difference: Reals,
        squares: tuple[float, float],
    ) -> None:
        products = _inner(candidate, reference), _inner(difference, difference)
        totals = _total(reference), _total(candidate), _total(difference)
        distance = np.abs(difference, out=difference)
        self._sums += (*squares, *products, *totals, _total(distance))
        largest = float(distance.max())
        block = Distances(
            offset=offset, positions=positions, reference=reference, candidate=candidate, sizes=distance
        )
        if self._worst.wants(largest, offset):
            self._worst.add(block)
        if self._jumps is not None:
            self._jumps.add(block)
        magnitude = np.abs(reference)
        scratch = np.empty_like(magnitude)
        self._note_relative(distance, magnitude, scratch)
        if largest > self._yardstick.atol:
            np.multiply(magnitude, self._yardstick.rtol, out=scratch)
            scratch += self._yardstick.atol
            self._mismatches += int(np.count_nonzero(distance > scratch))
        self._note_histogram(distance, magnitude, scratch)

    def _note_relative(self, distance: Reals, magnitude: Reals, scratch: Reals) -> None:
        # A product finds the few elements that may raise the maximum; only they are divided. It is a
        # little low, lest its rounding hide one and the cutting show in the last bit.
        np.multiply(magnitude, self._max_rel * (1 - 2.0**-50), out=scratch)
        raising = np.flatnonzero(distance > scratch)
        if raising.size:
            distance, magnitude = distance[raising], magnitude[raising]
            at_zero = magnitude == 0.0
            if at_zero.any():
                self._differs_at_zero = True
                distance, magnitude = distance[~at_zero], magnitude[~at_zero]
            if distance.size:
                self._max_rel = max(self._max_rel, float((distance / magnitude).max()))

    def _note_histogram(self, distance: Reals, magnitude: Reals, scratch: Reals) -> None:
        np.maximum(magnitude, self._yardstick.smallest_divisor, out=scratch)
        np.divide(distance, scratch, out=scratch)
        # The exponent bits of a float64 that is not negative are the floor of its log2, plus the bias.
        exponents = np.right_shift(scratch.view(np.int64), 52, out=scratch.view(np.int64))
        counts = np.bincount(exponents, minlength=2048)
        lowest = self._yardstick.lowest_exponent
        self._histogram[0] += counts[: lowest + 1].sum()
        self._histogram[1:-1] += counts[lowest + 1 : lowest + BINS - 1]
        self._histogram[-1] += counts[lowest + BINS - 1 :].sum()

    def take(self, stretch: Gathered) -> None:
        """Takes a stretch that somebody else has measured, by the same yardstick."""
        self._elements += stretch.elements
        self._finite += stretch.finite
        self._identical &= stretch.identical
        self._nan_reference += stretch.nan_reference
        self._nan_candidate += stretch.nan_candidate
        self._inf_reference += stretch.inf_reference
        self._inf_candidate += stretch.inf_candidate
        self._nonfinite_mismatches += stretch.nonfinite_mismatches
        self._first_nonfinite = _lower(self._first_nonfinite, stretch.first_nonfinite)
        self._mismatches += stretch.mismatches
        self._max_rel = max(self._max_rel, stretch.max_rel)
        self._differs_at_zero |= stretch.differs_at_zero
        self._worst.take(stretch.worst)
        self._sums += stretch.sums
        self._histogram += stretch.histogram

    def gathered(self) -> Gathered:
        """Returns what has come so far, for another accumulator."""
        return Gathered(
            elements=self._elements,
            finite=self._finite,
            identical=self._identical,
            nan_reference=self._nan_reference,
            nan_candidate=self._nan_candidate,
            inf_reference=self._inf_reference,
            inf_candidate=self._inf_candidate,
            nonfinite_mismatches=self._nonfinite_mismatches,
            first_nonfinite=self._first_nonfinite,
            mismatches=self._mismatches,
            max_rel=self._max_rel,
            differs_at_zero=self._differs_at_zero,
            worst=self._worst.kept(),
            sums=tuple(self._sums),
            histogram=tuple(self._histogram),
        )

    def figures(self, shape: tuple[int, ...]) -> Figures:
        """Returns the figures of what was gathered; `shape` turns positions into indices."""
        bb, aa, ab, dd, b_total, a_total, d_total, distance_total = self._sums.tolist()
        count = max(self._finite, 1)
        norms = math.sqrt(aa), math.sqrt(bb)
        worst = self._worst.elements(shape)
        return Figures(
            elements=self._elements,
            bitwise_equal=self._identical,
            nan_reference=self._nan_reference,
            nan_candidate=self._nan_candidate,
            nonfinite_mismatches=self._nonfinite_mismatches,
            first_nonfinite=self._index(self._first_nonfinite, shape),
            max_abs=worst[0].abs_diff if worst else 0.0,
            max_rel=math.inf if self._differs_at_zero and not self._max_rel else self._max_rel,
            worst=worst,
            relative_l2=_relative(math.sqrt(dd), max(norms), differs=bool(worst)),
            cosine=ab / norms[0] / norms[1] if min(norms) else math.nan,
            scale=ab / bb if bb else math.nan,
            bias=d_total / count,
            mean_reference=b_total / count,
            mean_candidate=a_total / count,
            mean_abs=distance_total / count,
            rmse=math.sqrt(dd / count),
            rms_reference=self._yardstick.rms_reference,
            mismatches=self._mismatches,
            histogram=tuple(self._histogram.tolist()),
            inf_reference=self._inf_reference,
            inf_candidate=self._inf_candidate,
        )

    def _index(self, position: Optional[int], shape: tuple[int, ...]) -> tuple[int, ...]:
        if position is None:
            return ()
        return index_at(position // self._yardstick.parts, shape)


def _relative(error: float, norm: float, *, differs: bool) -> float:
    # Squares that left float64's range at either end must not pass for a small error.
    if math.isinf(norm) or (differs and norm == 0.0):
        return math.nan
    return error / norm if norm else 0.0


def _lower(first: Optional[int], second: Optional[int]) -> Optional[int]:
    return min((position for position in (first, second) if position is not None), default=None)


def _inner(first: Reals, second: Reals) -> float:
    # OpenBLAS takes other threads to dot products of more than 10,000: the models need the cores.
    return sum(
        float(np.dot(first[start : start + _DOT], second[start : start + _DOT]))
        for start in range(0, first.size, _DOT)
    )


def _total(values: Reals) -> float:
    return float(np.einsum("i->", values))
