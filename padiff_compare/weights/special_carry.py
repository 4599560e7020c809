"""The effect of a user's function on each weight: it moves elements, or it computes.

A weight whose elements are the reference's is a pair like any other from then on: its values, gradients
and optimizer state go through the map that was found. Of one that is computed, the function alone tells
the value, and of its gradient only whether there is one.

A gradient can be held against the reference's element by element where the map is one to one: every
element of the candidate's weight is another element of the reference, and no other weight of the
candidate is made of it. Where the reference's element goes to several places, its gradient is the sum of
theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Optional

import numpy as np

from padiff_compare.weights.element_map import Places, element_rule
from padiff_compare.weights.index_numbers import IndexNumbers
from padiff_compare.weights.special_calls import Function
from padiff_compare.weights.weight_pair import MadeWeight, OwnedWeight, SpecialInit, WeightPair
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, cast
from padiff_rpc.v1.records import Note, Reason, Unmatched
from padiff_rpc.v1.words import Cause, LoneKind, NoteKind, Side, WeightKind


@record
class Carried:
    """What became of one function's weights.

    Attributes:
        pairs: the candidate's weights that hold elements of the reference's, moved.
        made: parameters whose gradients are not the reference's element by element.
        computed: what only the function can tell, by the names that it uses.
        unused: the reference's weights that no weight of the candidate is made of.
        notes: what else a reader should know.
    """

    pairs: tuple[WeightPair, ...]
    made: tuple[MadeWeight, ...]
    computed: Mapping[str, OwnedWeight]
    unused: tuple[str, ...]
    notes: tuple[Note, ...]


def carried(special: SpecialInit, function: Function, given: Mapping[str, HostTensor]) -> Carried:
    """Finds out what `function` does; `given` are the reference's real weights.

    Raises RuleFailed where it raises on them.
    """
    made = function(given.items())
    numbers = IndexNumbers(given, {name: tensor.spec for name, tensor in made.items()})
    found: dict[str, _Moved] = {}
    for name, places in numbers.places(function).items():
        moved = _Moved(special, name, places, numbers)
        if name in made and moved.gives(made[name], given):
            found[name] = moved
    computed = {name: owned for name, owned in special.candidates.items() if name not in found}
    read = numbers.readers(function, computed) if computed else {}
    uses = _Uses(found, numbers.count, frozenset().union(*read.values()))
    return Carried(
        pairs=tuple(moved.pair(one_to_one=uses.why_apart(moved) is None) for moved in found.values()),
        made=(
            *(
                MadeWeight(
                    references=_parameters(special, moved.sources),
                    candidate=special.candidates[name],
                    reason=Reason(cause=why, names=(special.function,)),
                )
                for name, moved in found.items()
                for why in [uses.why_apart(moved)]
                if why is not None and _is_parameter(special.candidates[name])
            ),
            *(
                MadeWeight(
                    references=_parameters(special, read[name]),
                    candidate=owned,
                    reason=Reason(cause=Cause.FUNCTION_COMPUTES, names=(special.function,)),
                )
                for name, owned in computed.items()
                if name in made and _is_parameter(owned) and _parameters(special, read[name])
            ),
        ),
        computed=computed,
        unused=tuple(name for name in special.references if name in numbers.starts.keys() - uses.names),
        notes=tuple(uses.notes(special, numbers)),
    )


class _Moved:
    """A weight of the candidate, and where each of its elements comes from."""

    def __init__(self, special: SpecialInit, name: str, places: Places, numbers: IndexNumbers) -> None:
        self.name = name
        self.flat = places.reshape(-1)
        self._special = special
        names = list(numbers.starts)
        starts = np.array([numbers.starts[one] for one in names])
        # Tensors without elements begin where the next one does.
        own = np.flatnonzero(np.bincount(np.searchsorted(starts, self.flat, side="right") - 1))
        self.sources = tuple(names[index] for index in own)
        local, begin = np.empty_like(self.flat), 0
        for one in self.sources:
            start, spec = numbers.starts[one], special.references[one].weight.spec
            size = int(np.prod(spec.shape, dtype=np.int64))
            inside = (self.flat >= start) & (self.flat < start + size)
            local[inside] = self.flat[inside] - start + begin
            begin += size
        self._shape = places.shape
        self._rule = element_rule(
            special.function,
            local,
            places.shape,
            [special.references[one].weight.spec.shape for one in self.sources],
        )
        seen = np.zeros(begin, np.bool_)
        seen[local] = True
        self.repeats = np.count_nonzero(seen) < local.size

    def gives(self, made: HostTensor, given: Mapping[str, HostTensor]) -> bool:
        """Whether the map makes of the real weights what the function made of them."""
        parts = [given[one] for one in self.sources]
        if len({part.dtype for part in parts}) > 1 or made.array.shape != self._shape:
            return False
        moved = cast(self._rule.apply(*parts), made.dtype)
        return moved.is_identical(made)

    def pair(self, *, one_to_one: bool) -> WeightPair:
        references = tuple(self._special.references[one] for one in self.sources)
        candidate = self._special.candidates[self.name]
        return WeightPair(
            kind=WeightKind.PARAMETER
            if any(map(_is_parameter, (*references, candidate)))
            else WeightKind.BUFFER,
            references=references,
            candidate=candidate,
            rule=self._rule,
            one_to_one=one_to_one,
        )


class _Uses:
    """How often each element of the reference is used, and which of its weights may be read in computing."""

    def __init__(self, moved: Mapping[str, _Moved], count: int, read: frozenset[str]) -> None:
        self._uses = np.zeros(count, np.uint8)
        for one in moved.values():
            self._uses[one.flat] = np.minimum(self._uses[one.flat], 1) + 1
        self._read = read
        self.names = read.union(*(one.sources for one in moved.values()))

    def why_apart(self, moved: _Moved) -> Optional[Cause]:
        """Returns why gradients do not correspond element by element; None where they do."""
        if moved.repeats:
            return Cause.FUNCTION_REPEATS
        if (self._uses[moved.flat] > 1).any():
            return Cause.FUNCTION_SHARES
        # Which are read is not always known exactly.
        return None if self._read.isdisjoint(moved.sources) else Cause.FUNCTION_MAY_SHARE

    def notes(self, special: SpecialInit, numbers: IndexNumbers) -> Iterator[Note]:
        """Yields a note on each of the reference's weights that is used in part."""
        for name, start in numbers.starts.items():
            size = int(np.prod(special.references[name].weight.spec.shape, dtype=np.int64))
            used = int(np.count_nonzero(self._uses[start : start + size]))
            if 0 < used < size and name not in self._read:
                names = (special.function, special.references[name].name)
                yield Note(kind=NoteKind.PARTLY_TAKEN, names=names, numbers=(float(used), float(size)))


def unmatched(special: SpecialInit, names: Sequence[str], classes: Mapping[str, str]) -> Iterator[Unmatched]:
    """Yields the reference's weights that the function makes nothing of; that is the user's decision.

    `classes`: class names by the reference's paths.
    """
    for name in names:
        owned = special.references[name]
        yield Unmatched(
            side=Side.REFERENCE,
            what=LoneKind(owned.weight.kind),
            path=owned.path,
            class_name=classes[owned.path],
            name=owned.weight.name,
            reasons=(Reason(cause=Cause.FUNCTION_LEAVES_OUT, names=(special.function,)),),
            counts=False,
        )


def left_out(made: Sequence[MadeWeight]) -> Iterator[Note]:
    """Yields a note on the parameters of whose gradients only the presence is judged, by reason."""
    by_reason: dict[Reason, list[str]] = {}
    for one in made:
        by_reason.setdefault(one.reason, []).append(one.candidate.name)
    for reason, names in by_reason.items():
        yield Note(kind=NoteKind.GRADIENTS_PRESENT, names=tuple(names), reasons=(reason,))


def _parameters(special: SpecialInit, names: Collection[str]) -> tuple[OwnedWeight, ...]:
    return tuple(
        owned for name, owned in special.references.items() if name in names and _is_parameter(owned)
    )


def _is_parameter(owned: OwnedWeight) -> bool:
    return owned.weight.kind is WeightKind.PARAMETER
