"""Parameter gradients of one step, brought together; several of the reference's may make one pair."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, defaultdict
from typing import Optional

from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.store import TensorStore
from padiff_compare.join.pairs import Half, Keeper, PairTable, Ready
from padiff_compare.judge.measure import is_zero
from padiff_compare.judge.measured import Aspect
from padiff_compare.weights.weight_pair import WeightPlan
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import CaptureKind, Phase, Side


class ParameterGradients:
    """Gradients by the parameters' full names, which the weight plan pairs. Thread-safe.

    Attributes:
        table: the pairs; a key of the reference is a `WeightPair.reference_name`.
    """

    def __init__(
        self,
        weights: WeightPlan,
        store: TensorStore,
        ready: Ready,
        keeper: Optional[Keeper] = None,
    ) -> None:
        """`keeper` gets the reference's gradients that it wants, by the keys of the table."""
        pairs, made = weights.trained, weights.made
        self._keeper = keeper
        self._watched = {
            Side.REFERENCE: {owned.name for one in made for owned in one.references},
            Side.CANDIDATE: {one.candidate.name for one in made},
        }
        self._present: dict[tuple[Side, str], bool] = {}
        named = {pair.names: pair for pair in pairs}
        aspect = Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT)
        rules = {names: pair.rule for names, pair in named.items()}
        self.table: PairTable[str] = PairTable(aspect, store, ready, rules)
        for names, pair in named.items():
            self.table.expect(names, dataclasses.replace(aspect, shown=pair.shown()))
        self._partners = {side: Counter(names.of(side) for names in named) for side in SIDES}
        several = {
            pair.reference_name: pair.reference_names for pair in named.values() if len(pair.references) > 1
        }
        self._groups: defaultdict[str, list[_Group]] = defaultdict(list)
        self._by_key = {key: _Group(key, names) for key, names in several.items()}
        for group in self._by_key.values():
            for name in group.names:
                self._groups[name].append(group)
        self._store = store
        self._lock = threading.Lock()

    def uses(self, side: Side, name: str) -> int:
        """Returns for how many pairs, groups and questions of presence a parameter's gradient is wanted."""
        return self._partners[side][name] + len(self._groups_of(side, name)) + (name in self._watched[side])

    def arrive(self, side: Side, name: str, half: Half) -> None:
        """Takes a gradient that is wanted, and ownership of its array."""
        groups = self._groups_of(side, name)
        alone = self._partners[side][name]
        if name in self._watched[side]:
            with self._lock:
                self._present[side, name] = not all(map(is_zero, half.tensors))
            if not groups and not alone:
                for tensor in half.tensors:
                    self._store.release(tensor.array)
        for position, group in enumerate(groups):
            own = half if not alone and position == len(groups) - 1 else self._copy(half)
            with self._lock:
                whole = group.add(name, own)
            if whole is not None:
                self._arrive(side, group.key, whole)
        if alone:
            self._arrive(side, name, half)

    def _arrive(self, side: Side, key: str, half: Half) -> None:
        partners = self._partners[side][key]
        if side is Side.REFERENCE:
            self.table.arrive_for(self._keeper, key, key, half, partners)
        else:
            self.table.arrive(side, key, half, partners)

    def presence(self, side: Side, name: str) -> Optional[bool]:
        """Returns whether a gradient that only has to be there is not zero; None: none came."""
        with self._lock:
            return self._present.get((side, name))

    def missing(self, reference: str) -> tuple[str, ...]:
        """Returns which members of a group have not come, where others have; of any other key none."""
        group = self._by_key.get(reference)
        with self._lock:
            return group.missing() if group is not None else ()

    def _groups_of(self, side: Side, name: str) -> list[_Group]:
        return self._groups.get(name, []) if side is Side.REFERENCE else []

    def _copy(self, half: Half) -> Half:
        copies = []
        for tensor in half.tensors:
            array = self._store.allocate(tensor.spec)
            array[...] = tensor.array
            copies.append(HostTensor(array=array, dtype=tensor.dtype))
        return dataclasses.replace(half, tensors=tuple(copies))

    def close(self) -> None:
        """Releases every gradient still held. May be called twice."""
        self.table.close()
        for group in self._by_key.values():
            for half in group.take_all():
                for tensor in half.tensors:
                    self._store.release(tensor.array)


class _Group:
    """Gradients that wait for each other."""

    def __init__(self, key: str, names: tuple[str, ...]) -> None:
        self.key = key
        self.names = names
        self._halves: dict[str, Half] = {}

    def add(self, name: str, half: Half) -> Optional[Half]:
        """Takes one; returns all together, in the order of `names`, when the last has come."""
        self._halves[name] = half
        if len(self._halves) < len(self.names):
            return None
        halves = [self._halves[name] for name in self.names]
        self._halves.clear()
        return Half(
            tensors=tuple(tensor for half in halves for tensor in half.tensors),
            sum_squares=sum(half.sum_squares for half in halves),
        )

    def missing(self) -> tuple[str, ...]:
        """Returns those still waited for; none before the first has come."""
        return tuple(name for name in self.names if self._halves and name not in self._halves)

    def take_all(self) -> list[Half]:
        halves = list(self._halves.values())
        self._halves.clear()
        return halves
