"""Halves of pairs: each waits for its partners, is measured with each of them once, and is let go."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Optional, Protocol

from padiff_compare.alignment.slots import SlotPairing, pair_slots
from padiff_compare.capture.sides import SIDES, K, TensorPair
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import TensorKey
from padiff_compare.judge.evidence import GRADIENTS, Measured
from padiff_compare.judge.measured import Aspect
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Slot
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Phase, Side


@record
class Half:
    """One side's tensor, or several that are one thing on the other side; `sum_squares` of them all.

    Attributes:
        is_embedding: whether it is the gradient of a weight whose layer takes nothing but integers, so that
            its rows are looked up by number.
        computed_in: the coarsest dtype that the tensor was made in, where that is known.
        is_laid_out: whether it is a sketch of the tensor as the candidate has it, where a rule transposes it.
    """

    tensors: tuple[HostTensor, ...]
    sum_squares: float
    is_embedding: bool = False
    computed_in: Optional[DType] = None
    is_laid_out: bool = False

    @property
    def has_sketch(self) -> bool:
        """Whether sketches stand for some of them."""
        return any(tensor.sketch_of is not None for tensor in self.tensors)


@dataclass
class _Entry:
    """Where one key of one side stands.

    `partners_left` None: kept until the table is closed. `in_work`: pairs announced and not settled.
    `held`: another than the pairs needs it as well.
    """

    half: Optional[Half] = None
    partners_left: Optional[int] = None
    in_work: int = 0
    held: bool = False
    gone: bool = False


class Keeper(Protocol):
    """Who needs tensors of the reference besides the pairs: what sends them to the candidate."""

    def wants(self, key: TensorKey, *, gradient: bool) -> bool:
        """Whether it needs that tensor, or its gradient."""

    def arrived(
        self, key: TensorKey, tensors: tuple[HostTensor, ...], let_go: Callable[[], None], *, gradient: bool
    ) -> None:
        """Takes what it wants; calls `let_go` once when it is done with it."""


class PairTable(Generic[K]):
    """Pairs of one aspect in one step (values, gradients, ...). Thread-safe.

    `expect` says that two keys belong together, `arrive` brings a half, in any order; `ready` is called
    once for each pair whose halves are both there, and `settle` hands in what was measured. A half is
    released when as many pairs were settled as `arrive` said it would have partners.
    """

    def __init__(
        self,
        aspect: Aspect,
        store: TensorStore,
        ready: Ready,
        rules: Optional[Mapping[TensorPair[K], Rule]] = None,
    ) -> None:
        """`rules`: the layout rules of pairs that have one."""
        self._aspect = aspect
        self._aspects: dict[TensorPair[K], Aspect] = {}
        self.rules: dict[TensorPair[K], Rule] = dict(rules or {})
        self._store = store
        self._ready = ready
        self._lock = threading.Lock()
        self._entries: Mapping[Side, defaultdict[K, _Entry]] = {side: defaultdict(_Entry) for side in SIDES}
        self._pairs_of: Mapping[Side, defaultdict[K, list[TensorPair[K]]]] = {
            side: defaultdict(list) for side in SIDES
        }
        self._pairs: dict[TensorPair[K], Optional[Measured]] = {}
        self._troubles: dict[TensorPair[K], str] = {}
        self._waiting: set[TensorPair[K]] = set()

    def expect(self, pair: TensorPair[K], aspect: Optional[Aspect] = None, rule: Rule = IDENTITY) -> None:
        """Says that two halves are one pair, under its own aspect if given; the first word on it stands.

        `rule`: from the reference's layout to the candidate's.
        """
        with self._lock:
            if pair in self._pairs:
                return
            self._pairs[pair] = None
            if aspect is not None:
                self._aspects[pair] = aspect
            if rule != IDENTITY:
                self.rules[pair] = rule
            self._waiting.add(pair)
            for side in SIDES:
                self._pairs_of[side][pair.of(side)].append(pair)
            complete = self._complete([pair])
        self._announce(complete)

    def arrive(
        self, side: Side, key: K, half: Half, partners: Optional[int] = None, *, held: bool = False
    ) -> None:
        """Takes a half. `partners`: how many pairs it will be in; None keeps it until the end.

        `held` keeps it until `let_go` as well.
        """
        with self._lock:
            entry = self._entries[side][key]
            entry.half, entry.partners_left, entry.held = half, partners, held
            complete = self._complete(self._pairs_of[side][key])
        self._announce(complete)

    def arrive_for(
        self, keeper: Optional[Keeper], source: TensorKey, key: K, half: Half, partners: Optional[int]
    ) -> None:
        """Takes a half of the reference, as `arrive`; hands it to the keeper too, where that wants it."""
        gradient = self._aspect.kind in GRADIENTS
        is_wanted = keeper is not None and keeper.wants(source, gradient=gradient)
        self.arrive(Side.REFERENCE, key, half, partners, held=is_wanted)
        if keeper is not None and is_wanted:
            let_go = partial(self.let_go, Side.REFERENCE, key)
            keeper.arrived(source, half.tensors, let_go, gradient=gradient)

    def let_go(self, side: Side, key: K) -> None:
        """Says that a half that was held is needed by its pairs alone."""
        with self._lock:
            entry = self._entries[side][key]
            entry.held = False
            self._release_if_done(entry)

    def skip(self, side: Side, key: K) -> None:
        """Says that a half came and was not kept."""
        with self._lock:
            self._entries[side][key].gone = True

    def aspect(self, pair: TensorPair[K]) -> Aspect:
        """Returns what a pair is measured as."""
        return self._aspects.get(pair, self._aspect)

    def halves(self, pair: TensorPair[K]) -> tuple[Half, Half]:
        """Returns both halves of a pair that was announced as ready."""
        with self._lock:
            first, second = (self._entries[side][pair.of(side)].half for side in SIDES)
        if first is None or second is None:
            raise LookupError(f"{pair} was not announced, or is settled")
        return first, second

    def settle(self, pair: TensorPair[K], measured: Optional[Measured], *, trouble: str = "") -> None:
        """Notes what was measured of a pair, or why nothing was; releases halves that were in their last."""
        with self._lock:
            self._pairs[pair] = measured
            if trouble:
                self._troubles[pair] = trouble
            for side in SIDES:
                entry = self._entries[side][pair.of(side)]
                entry.in_work -= 1
                if entry.partners_left is not None:
                    entry.partners_left -= 1
                    self._release_if_done(entry)

    def replace(self, pair: TensorPair[K], measured: Measured) -> None:
        """Takes what whole tensors tell of a pair in place of what their sketches did."""
        with self._lock:
            self._pairs[pair] = measured

    def measured(self, pair: TensorPair[K]) -> Optional[Measured]:
        """Returns what was measured of a pair, or None."""
        return self._pairs.get(pair)

    def all_measured(self) -> Iterator[tuple[TensorPair[K], Measured]]:
        """Yields the pairs that were measured; to be asked when nothing is measured any more."""
        for pair, measured in self._pairs.items():
            if measured is not None:
                yield pair, measured

    def trouble(self, pair: TensorPair[K]) -> str:
        """Returns why a pair could not be measured; "" where it was, or was not tried."""
        return self._troubles.get(pair, "")

    def arrived(self, side: Side, key: K) -> bool:
        """Whether this half came at all."""
        with self._lock:
            entry = self._entries[side].get(key)
            return entry is not None and (entry.half is not None or entry.gone)

    def was_let_go(self, side: Side, key: K) -> bool:
        """Whether this half came and is no longer here."""
        with self._lock:
            entry = self._entries[side].get(key)
            return entry is not None and entry.gone

    def half(self, side: Side, key: K) -> Optional[Half]:
        """Returns a half that came and is still here, or None."""
        with self._lock:
            entry = self._entries[side].get(key)
            return entry.half if entry is not None else None

    def close(self) -> None:
        """Releases every half; what was measured stays. May be called twice."""
        with self._lock:
            for entries in self._entries.values():
                for entry in entries.values():
                    self._release(entry)

    def _complete(self, pairs: Iterable[TensorPair[K]]) -> list[TensorPair[K]]:
        complete = [
            pair
            for pair in pairs
            if pair in self._waiting
            and all(self._entries[side][pair.of(side)].half is not None for side in SIDES)
        ]
        self._waiting.difference_update(complete)
        for pair in complete:
            for side in SIDES:
                self._entries[side][pair.of(side)].in_work += 1
        return complete

    def _announce(self, complete: Iterable[TensorPair[K]]) -> None:
        for pair in complete:
            self._ready(self, pair)

    def _release_if_done(self, entry: _Entry) -> None:
        is_done = entry.partners_left is not None and entry.partners_left <= 0
        if is_done and not entry.in_work and not entry.held:
            self._release(entry)

    def _release(self, entry: _Entry) -> None:
        if entry.half is not None:
            for tensor in entry.half.tensors:
                self._store.release(tensor.array)
            entry.half, entry.gone = None, True


# Told of a pair whose halves are both there, and its table.
Ready = Callable[[PairTable[Any], TensorPair[Any]], None]


class Targets:
    """Targets of both sides' losses, by their tensor numbers, where loaders in the workers give them.

    They are paired when both models are called, before which all have come.

    Thread-safe.

    Attributes:
        table: the pairs.
        pairing: which belongs to which; empty until they are paired.
    """

    def __init__(self, store: TensorStore, ready: Ready) -> None:
        self.table: PairTable[int] = PairTable(
            Aspect(phase=Phase.INPUTS, kind=CaptureKind.TARGET), store, ready
        )
        self.pairing = SlotPairing(pairs=())
        self._lock = threading.Lock()
        self._slots: Mapping[Side, list[Slot]] = {side: [] for side in SIDES}
        self._called: set[Side] = set()

    def announce(self, side: Side, slot: Slot) -> None:
        """Notes a target that begins to arrive."""
        self._slots[side].append(slot)

    def arrive(self, side: Side, number: int, half: Half) -> None:
        """Takes a target, and ownership of its array."""
        self.table.arrive(side, number, half)

    def model_called(self, side: Side) -> None:
        """Says that this side's targets are all announced."""
        with self._lock:
            if side in self._called:
                return
            self._called.add(side)
            if len(self._called) < len(SIDES):
                return
            self.pairing = pairing = pair_slots(
                CallMoment.EXIT, self._slots[Side.REFERENCE], self._slots[Side.CANDIDATE]
            )
        for pair in pairing.pairs:
            self.table.expect(pair.tensors)

    def close(self) -> None:
        """Releases every target still held. May be called twice."""
        self.table.close()
