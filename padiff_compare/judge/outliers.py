"""Elements of a pair of tensors that stand out: the worst, and those that a decision may have moved.

A decision between values that are equal but for rounding (the largest of them, the next whole number) moves
an element by far more than rounding moves the others: it jumps. Where the reference's own runs in float64
jump, the decision is a tie.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor
from padiff_rpc.v1.records import TensorSpec, WorstElement
from padiff_rpc.v1.words import DType

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

KEPT = 3
# Beyond it nothing is a jump: what is kept of each is some bytes.
MOST_JUMPS = 1 << 20
# Decisions that tip in the reference's own runs move an element by sums of a few of the same sizes.
_ROOM_OF_A_JUMP = 4.0


@record
class Distances:
    """A block of two flat tensors, real by real, and how far each two are apart.

    Attributes:
        offset: where the block begins.
        positions: where its reals lie behind that; None means one after the other.
        sizes: |candidate - reference|.
    """

    offset: int
    positions: Optional[Indices]
    reference: Reals
    candidate: Reals
    sizes: Reals

    def places(self, chosen: Indices) -> Indices:
        """Returns where these reals of the block lie in the tensor."""
        return self.offset + (chosen if self.positions is None else self.positions[chosen])


def index_at(position: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the index of the element at a position of a tensor of `shape`, which has it, in C order."""
    index = []
    for size in reversed(shape):
        position, place = divmod(position, size)
        index.append(place)
    return tuple(reversed(index))


class WorstElements:
    """Keeps three elements whatever order they come in; of equal differences the lowest positions.

    Positions count reals: an element has `parts` of them, 2 if it is complex, and its worse part speaks
    for it.
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        # Distance, position, reference, candidate; worst first. All parts might be of one element.
        self._kept: list[tuple[float, int, float, float]] = []
        self._room = KEPT * parts

    def wants(self, largest: float, offset: int) -> bool:
        """Whether a block that begins at `offset` and whose largest distance this is has to be added."""
        if len(self._kept) < self._room:
            return largest > 0.0
        distance, position = self._kept[-1][:2]
        return largest > distance or (largest == distance and offset < position)

    def add(self, block: Distances) -> None:
        """Takes a block."""
        threshold, distance = 0.0, block.sizes
        if distance.size > self._room:
            threshold = float(np.partition(distance, distance.size - self._room)[-self._room])
        chosen = np.flatnonzero((distance >= threshold) & (distance > 0.0))
        chosen = chosen[np.argsort(-distance[chosen], kind="stable")[: self._room]]
        self._keep(
            [
                (float(distance[i]), int(place), float(block.reference[i]), float(block.candidate[i]))
                for i, place in zip(chosen, block.places(chosen))
            ]
        )

    def take(self, elements: Sequence[tuple[float, int, float, float]]) -> None:
        """Takes elements of a stretch: their distances, positions, and values on both sides."""
        self._keep(list(elements))

    def kept(self) -> tuple[tuple[float, int, float, float], ...]:
        """Returns what another one may `take`."""
        return tuple(self._kept)

    def elements(self, shape: tuple[int, ...]) -> tuple[WorstElement, ...]:
        """Returns up to three elements of a tensor of `shape`, worst first."""
        found: dict[int, WorstElement] = {}
        for distance, position, reference, candidate in self._kept:
            number = position // self._parts
            index = index_at(number, shape)
            found.setdefault(
                number,
                WorstElement(
                    index=index,
                    reference=reference,
                    candidate=candidate,
                    abs_diff=distance,
                    imaginary=position % self._parts == 1,
                ),
            )
        return tuple(found.values())[:KEPT]

    def _keep(self, more: list[tuple[float, int, float, float]]) -> None:
        ordered = sorted(self._kept + more, key=lambda element: (-element[0], element[1]))
        self._kept = ordered[: self._room]


@record
class Apart:
    """How far apart two tensors are: root mean square, and at most, where |reference| is `at_worst`."""

    rmse: float
    max_abs: float
    at_worst: float = 0.0


@record
class Jumps:
    """The elements of a pair that jump.

    Attributes:
        positions: in the flat tensor, ascending; of a complex one the reals count.
        sizes: candidate - reference.
        reals: how many the tensor has.
        others: how far apart the two are with nothing in the place of these.
    """

    positions: Indices = dataclasses.field(compare=False)
    sizes: Reals = dataclasses.field(compare=False, repr=False)
    reals: int
    others: Apart

    @property
    def are_few(self) -> bool:
        """Whether most elements do not jump, so that those which do stand out."""
        return 2 * self.positions.size <= self.reals

    def without(self, explained: Flags) -> Apart:
        """Returns how far apart the two are but for those jumps."""
        left = np.abs(self.sizes[~explained])
        if not left.size:
            return self.others
        rmse = math.hypot(self.others.rmse, math.sqrt(float(left @ left) / self.reals))
        return Apart(rmse=rmse, max_abs=float(left.max()))


@record
class JumpsOfStretch:
    """The jumps of a stretch of a pair, and what is left there without them.

    Attributes:
        count: how many.
        positions, sizes: as those of `Jumps`; empty where there are more than `MOST_JUMPS`.
        others_squares, others_max, others_at_worst: the squares of the other distances added up, the largest
            of them, and |reference| there.
    """

    count: int
    positions: Indices = dataclasses.field(compare=False)
    sizes: Reals = dataclasses.field(compare=False, repr=False)
    others_squares: float
    others_max: float
    others_at_worst: float


class JumpFinder:
    """Finds the elements that jump in the blocks of one pair, which come in order.

    Attributes:
        smallest, scale: what a jump is measured by.
    """

    def __init__(self, smallest: float, scale: float) -> None:
        """A jump is larger than `smallest` times the element, or the reference's rms, `scale`, if larger."""
        self.smallest = smallest
        self.scale = scale
        self._positions: list[Indices] = []
        self._sizes: list[Reals] = []
        self._count = 0
        self._squares = self._max_abs = self._at_worst = 0.0

    def add(self, block: Distances) -> None:
        """Takes the next block."""
        reference, distance = block.reference, block.sizes
        largest = float(distance.max())
        jumps: Indices = np.empty(0, np.int64)
        if largest > self.smallest * self.scale:
            least = self.smallest * np.maximum(np.abs(reference), self.scale)
            jumps = np.flatnonzero(distance > least)
        if jumps.size:
            self._count += jumps.size
            if self._count <= MOST_JUMPS:
                self._positions.append(block.places(jumps))
                self._sizes.append(block.candidate[jumps] - reference[jumps])
            distance = distance.copy()
            distance[jumps] = 0.0
            largest = float(distance.max())
        self._squares += float(np.einsum("i,i->", distance, distance))
        if largest > self._max_abs:
            self._max_abs, self._at_worst = largest, abs(float(reference[distance.argmax()]))

    def take(self, stretch: JumpsOfStretch) -> None:
        """Takes the next stretch, of any length, of which somebody else has found the jumps."""
        self._count += stretch.count
        if self._count <= MOST_JUMPS:
            self._positions.append(stretch.positions)
            self._sizes.append(stretch.sizes)
        self._squares += stretch.others_squares
        if stretch.others_max > self._max_abs:
            self._max_abs, self._at_worst = stretch.others_max, stretch.others_at_worst

    def found(self, reals: int) -> Optional[Jumps]:
        """Returns those of a tensor of so many reals; None where there are none, or too many."""
        if not 0 < self._count <= MOST_JUMPS:
            return None
        return Jumps(
            positions=np.concatenate(self._positions),
            sizes=np.concatenate(self._sizes),
            reals=reals,
            others=Apart(
                rmse=math.sqrt(self._squares / reals), max_abs=self._max_abs, at_worst=self._at_worst
            ),
        )


@record
class Undecided:
    """Elements that some run of the reference in float64 decided otherwise than the reference.

    Attributes:
        positions, reals: as those of `Jumps`.
        shape: of the tensor.
        largest: how far such a run has moved one at most; infinity for integers, of which one is as good as
            another.
        others: the largest of such runs' errors, but for what they decided otherwise.
    """

    positions: Indices = dataclasses.field(compare=False)
    reals: int
    shape: tuple[int, ...]
    largest: float
    others: Apart

    @classmethod
    def of(cls, jumps: Jumps, spec: TensorSpec) -> Undecided:
        """Returns those of one run, by its jumps against the reference."""
        return cls(
            positions=jumps.positions,
            reals=jumps.reals,
            shape=spec.shape,
            largest=float(np.abs(jumps.sizes).max()) if spec.dtype in FLOATING | COMPLEX else math.inf,
            others=jumps.others,
        )

    @property
    def are_few(self) -> bool:
        """Whether most elements are decided, so that those which are not stand out."""
        return 2 * self.positions.size <= self.reals

    def laid_out(self, rule: Rule) -> Optional[Undecided]:
        """Returns these in the candidate's layout; None where the rule makes other elements of them."""
        if rule == IDENTITY:
            return self
        flags = np.zeros(self.reals, np.bool_)
        flags[self.positions] = True
        fits = rule.shape_or_none(self.shape) is not None and math.prod(self.shape) == self.reals
        if rule.computes or not fits:
            return None
        turned = rule.apply(HostTensor(array=flags.reshape(self.shape), dtype=DType.BOOL)).array
        positions = np.flatnonzero(turned)
        return dataclasses.replace(self, positions=positions, reals=turned.size, shape=turned.shape)

    def explains(self, jumps: Jumps) -> Flags:
        """Returns which jumps of the candidate lie where the reference is undecided, and go no further."""
        is_as_large = np.abs(jumps.sizes) <= _ROOM_OF_A_JUMP * self.largest
        explained: Flags = np.isin(jumps.positions, self.positions) & is_as_large
        return explained
