"""Pairs of tensors held until their rows are final, and told to a client that keeps some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

from padiff_compare.judge.evidence import Measured, agrees
from padiff_compare.judge.judged_row import fails
from padiff_compare.judge.measured import Aspect, Probe
from padiff_compare.report.builder import KeptTensor, Message
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Hint, KeptPair, Options, Row
from padiff_rpc.v1.words import CaptureKind, KeptTensors, Pass


@record
class KeepingAsked:
    """Which tensors a client wants, and how many bytes of them at most."""

    which: KeptTensors
    limit_bytes: int


# A call, on the reference.
_Call = tuple[str, int]
# What a call was given; of any call of the layer where there is no number.
_Given = tuple[Pass, CaptureKind, str, Optional[int]]
_GIVEN_WITH = {
    CaptureKind.OUTPUT: (CaptureKind.INPUT,),
    CaptureKind.INPUT_GRADIENT: (CaptureKind.OUTPUT_GRADIENT, CaptureKind.INPUT),
    CaptureKind.PARAMETER_GRADIENT: (CaptureKind.OUTPUT_GRADIENT, CaptureKind.INPUT),
}


@dataclass
class _Held:
    """A pair whose row is not final yet; `measured` keeps its spec, by which the row is known."""

    measured: Measured
    reference: HostTensor
    candidate: HostTensor
    call: Optional[_Call]
    differs: bool

    @property
    def bytes(self) -> int:
        return self.reference.byte_count + self.candidate.byte_count


class PairHolder:
    """Sees each pair as it is measured and each row when it is final. The comparison's thread uses it.

    What is held at a time is bounded as well: where it is too much, pairs that agree go first, the oldest
    first, but for those of a call that shows a difference.
    """

    def __init__(
        self,
        asked: KeepingAsked,
        options: Options,
        emit: Callable[[Message], None],
        *,
        held_bytes: int,
    ) -> None:
        """`emit` tells the client; `held_bytes`: the most that is held at a time."""
        self._asked = asked
        self._options = options
        self._emit = emit
        self._most_held = held_bytes
        self._left_bytes = asked.limit_bytes
        # By the id of the spec that measuring made of the candidate's, which the row carries.
        self._held: dict[int, _Held] = {}
        self._held_bytes = 0
        self._differing: set[_Call] = set()
        self._last_number = 0

    def watching(self, probe: Probe) -> Probe:
        """Returns `probe`, such that this sees all pairs that it is shown."""

        def both(
            aspect: Aspect, measured: Measured, reference: HostTensor, candidate: HostTensor
        ) -> tuple[Hint, ...]:
            self._hold(aspect, measured, reference, candidate)
            return probe(aspect, measured, reference, candidate)

        return both

    def shown(self, first: int, rows: Sequence[Row]) -> None:
        """Takes rows that are final, the first of that number, and tells the client what it is to keep.

        Whatever is held belongs to these rows, or to none.
        """
        told: dict[int, int] = {}
        for number, row in self._wanted(first, rows):
            held = self._held.get(_key(row))
            if held is not None:
                self._tell(number, held, told)
        self._held.clear()
        self._differing.clear()
        self._held_bytes = 0

    def _hold(self, aspect: Aspect, measured: Measured, reference: HostTensor, candidate: HostTensor) -> None:
        if not self._left_bytes:
            return
        shown = aspect.shown
        held = _Held(
            measured=measured,
            reference=reference,
            candidate=candidate,
            call=(shown.reference, shown.call) if shown is not None and shown.moment is not None else None,
            differs=not self._agrees(measured),
        )
        if held.differs and held.call is not None:
            self._differing.add(held.call)
        self._held[id(measured.candidate)] = held
        self._held_bytes += held.bytes
        if self._held_bytes > self._most_held:
            self._make_room(id(measured.candidate))

    def _make_room(self, newest: int) -> None:
        """Lets pairs go until the rest fits: those that agree, the oldest first; else the newest."""
        for key, held in list(self._held.items()):
            if self._held_bytes <= self._most_held:
                return
            if not held.differs and held.call not in self._differing:
                self._let_go(key)
        if self._held_bytes > self._most_held and newest in self._held:
            self._let_go(newest)

    def _let_go(self, key: int) -> None:
        self._held_bytes -= self._held.pop(key).bytes

    def _agrees(self, measured: Measured) -> bool:
        figures = measured.figures
        return figures is not None and agrees(figures, measured.tolerance, self._options)

    def _wanted(self, first: int, rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
        """Yields the rows whose tensors are to be kept, those that fail first, with their numbers."""
        numbered = list(enumerate(rows, first))
        if self._asked.which is KeptTensors.ALL:
            yield from numbered
            return
        given = {given for row in rows if fails(row) for given in _given_to(row)}
        # Where there is room for some alone, those of failing places come first.
        yield from ((number, row) for number, row in numbered if fails(row))
        for number, row in numbered:
            place = row.reference
            if place is not None and not fails(row):
                where = row.pass_kind, row.kind, place.path
                if (*where, place.call) in given or (*where, None) in given:
                    yield number, row

    def _tell(self, row: int, held: _Held, told: dict[int, int]) -> None:
        """Tells the client a pair, unless there is no room left for it."""
        halves = (held.reference, held.candidate)
        new = [half for half in halves if id(half.array) not in told]
        size = sum(half.byte_count for half in new)
        if size > self._left_bytes:
            return
        self._left_bytes -= size
        for half in new:
            self._last_number += 1
            told[id(half.array)] = self._last_number
            self._emit(KeptTensor(number=self._last_number, tensor=half))
        reference, candidate = (told[id(half.array)] for half in halves)
        self._emit(KeptPair(row=row, reference=reference, candidate=candidate))


def _key(row: Row) -> int:
    return id(row.candidate.spec) if row.candidate is not None else 0


def _given_to(row: Row) -> Iterator[_Given]:
    """Yields what the call that a row shows was given; of a weight's gradient every call of its layer."""
    place = row.reference
    if place is None:
        return
    shown = place.shown_by or place
    call = None if row.kind is CaptureKind.PARAMETER_GRADIENT else shown.call
    for kind in _GIVEN_WITH.get(row.kind, ()):
        yield row.pass_kind, kind, shown.path, call
