"""From rows to a verdict: how much was compared, whether it passed, where it first went wrong."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Sequence
from typing import Generic, Optional, TypeVar

from padiff_compare.judge.judged_row import (
    blank_row,
    fails,
    is_agreement,
    is_compared,
    is_inconclusive,
    lone_row,
)
from padiff_rpc.v1.records import Coverage, FirstDivergence, Inconclusive, Omitted, Place, Row, Unmatched
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    Difference,
    LoneKind,
    Omission,
    OmittedKind,
    Pass,
    Phase,
    Side,
    Verdict,
)

T = TypeVar("T")

_PHASES = {phase: position for position, phase in enumerate(Phase)}
_OF_CALLS = frozenset({Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.GRADIENTS})
_CAUSES = {
    Verdict.MISMATCH: Difference.VALUE,
    Verdict.SHAPE_MISMATCH: Difference.SHAPE,
    Verdict.DTYPE_MISMATCH: Difference.DTYPE,
    Verdict.NONFINITE: Difference.NONFINITE,
    Verdict.NOT_COMPARED: Difference.MISSING,
}
_Call = tuple[Side, str, int]
_At = tuple[str, int, str]
# What a row is of: on the reference, or where it has nothing on the candidate, and there.
_Where = tuple[CaptureKind, _At, Optional[_At]]
_Named = Optional[tuple[str, str]]

_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})
_NOUNS = {
    CaptureKind.INPUT_GRADIENT: OmittedKind.GRADIENT,
    CaptureKind.OUTPUT_GRADIENT: OmittedKind.GRADIENT,
    CaptureKind.PARAMETER_GRADIENT: OmittedKind.GRADIENT,
    CaptureKind.PARAMETER: OmittedKind.WEIGHT,
    CaptureKind.BUFFER: OmittedKind.WEIGHT,
    CaptureKind.OPTIMIZER_STATE: OmittedKind.OPTIMIZER_STATE,
}
_UNMATCHED_KINDS = {
    LoneKind.PARAMETER: CaptureKind.PARAMETER,
    LoneKind.BUFFER: CaptureKind.BUFFER,
}


def execution_order(row: Row) -> tuple[int, bool, int, int]:
    """Returns the key by which rows are sorted: step, pass, phase, place within the phase.

    Where a step has two passes, the one on the reference's own values was made first, and says first what
    is at fault.
    """
    return row.step, _is_of_second_pass(row), _PHASES[row.phase], row.order


def _is_of_second_pass(row: Row) -> bool:
    return bool(row.twin) and row.pass_kind is Pass.FREE


def coverage_of(rows: Sequence[Row], unmatched: Iterable[Unmatched]) -> Coverage:
    """Returns what was compared of what there was, over all steps.

    Tensors, root outputs and losses are counted in each step anew. A call, parameter or buffer is one
    thing however many steps it was in. A weight is compared once any row of it was; a call once an output
    of it was, or an input of one that gives nothing. What was left out on purpose is not counted. A place
    that two passes of a step show is one, and compared once it was in either.
    """
    calls = _Calls()
    parameters: _Share[tuple[_Named, _Named]] = _Share()
    buffers: _Share[tuple[_Named, _Named]] = _Share()
    tensors: _Share[tuple[int, ...]] = _Share()
    roots: _Share[tuple[int, ...]] = _Share()
    losses: _Share[tuple[int, ...]] = _Share()
    alone: set[tuple[int, ...]] = set()
    for number, row in enumerate(rows):
        compared = is_compared(row)
        place = (row.step, row.twin) if row.twin else (number,)
        tensors.add(place, compared)
        if row.verdict is Verdict.UNMATCHED:
            alone.add(place)
        if row.phase in (Phase.INPUTS, Phase.FORWARD) and row.kind is not CaptureKind.TARGET:
            calls.add(row, compared)
        if row.kind in _WEIGHTS and (row.counts or compared):
            share = parameters if row.kind is CaptureKind.PARAMETER else buffers
            share.add((_name(row.reference), _name(row.candidate)), compared)
        if row.kind is CaptureKind.LOSS:
            losses.add(place, compared)
        if is_root_output(row):
            roots.add(place, compared)
    for lone in unmatched:
        if lone.what is LoneKind.CALL:
            calls.add_lone(lone)
    return Coverage(
        tensors_compared=tensors.compared,
        tensors_total=tensors.total,
        calls_compared=calls.compared,
        calls_total=calls.total,
        parameters_compared=parameters.compared,
        parameters_total=parameters.total,
        buffers_compared=buffers.compared,
        buffers_total=buffers.total,
        root_outputs_compared=roots.compared,
        root_outputs_total=roots.total,
        losses_compared=losses.compared,
        losses_total=losses.total,
        tensors_unmatched=sum(place in alone and not compared for place, compared in tensors.items()),
    )


def omitted(rows: Iterable[Row]) -> tuple[Omitted, ...]:
    """Returns what was not compared, and why, over all steps.

    A place is left out if a step left it out in each of its passes.
    """
    compared: set[tuple[int, int]] = set()
    left_out: list[tuple[Row, Omission]] = []
    for row in rows:
        is_failing = is_compared(row) and not is_agreement(row)
        if row.omission not in (None, Omission.JUDGED_ELSEWHERE) and not is_failing:
            left_out.append((row, row.omission))
        elif row.twin and is_compared(row):
            compared.add((row.step, row.twin))
    places: dict[tuple[OmittedKind, Omission], dict[_Where, None]] = {}
    for row, omission in left_out:
        if (row.step, row.twin) not in compared:
            group = _NOUNS.get(row.kind, OmittedKind.VALUE), omission
            places.setdefault(group, {})[_where(row)] = None
    return tuple(
        Omitted(
            what=what,
            omission=omission,
            places=len(found),
            layers=len({path for _, (path, _, _), _ in found}),
        )
        for (what, omission), found in places.items()
    )


def judged(rows: Sequence[Row]) -> Iterator[Row]:
    """Yields the rows without those of a free run whose place was judged in lockstep."""
    local = {(row.step, row.twin) for row in rows if row.twin and row.pass_kind is Pass.LOCKSTEP}
    return (row for row in rows if not _is_of_second_pass(row) or (row.step, row.twin) not in local)


def places_of(rows: Iterable[Row]) -> int:
    """Returns in how many different places the rows are, over all steps."""
    return len({_where(row) for row in rows})


def is_root_output(row: Row) -> bool:
    """Whether the row is an output of the whole model."""
    places = [place for place in (row.reference, row.candidate) if place is not None]
    return row.kind is CaptureKind.OUTPUT and bool(places) and all(place.path == "" for place in places)


def passes(rows: Iterable[Row], unmatched: Iterable[Unmatched], coverage: Coverage) -> bool:
    """Whether everything that matters was compared and nothing differed.

    Root outputs, losses, the outputs of every parameterised call, every parameter and buffer of both
    sides: what of these is missing, or holds no tensor that can be seen, is a row or an unmatched entry
    that counts. A model without root outputs shows nothing, and so does not pass; a train step that calls
    its layers alone shows its loss.
    """
    return (
        coverage.root_outputs_compared + coverage.losses_compared > 0
        and coverage.root_outputs_compared == coverage.root_outputs_total
        and coverage.losses_compared == coverage.losses_total
        and not any(fails(row) or (row.counts and is_inconclusive(row)) for row in rows)
        and not any(lone.counts for lone in unmatched)
    )


def first_divergence(rows: Iterable[Row], unmatched: Iterable[Unmatched]) -> Optional[FirstDivergence]:
    """Returns the first failing row in execution order; where no row fails, the first gap that counts."""
    ordered = sorted(rows, key=execution_order)
    first = next((row for row in ordered if fails(row)), None)
    if first is None:
        lone = next((lone for lone in unmatched if lone.counts), None)
        if lone is None:
            return None
        first = _row_of(lone)
    same_pass = [
        row
        for row in ordered
        if row.step == first.step
        and _is_of_second_pass(row) is _is_of_second_pass(first)
        and is_compared(row)
    ]
    before = sum(execution_order(row) < execution_order(first) for row in same_pass)
    return FirstDivergence(row=first, cause=_cause(first), position=before + 1, compared=len(same_pass))


def inconclusive(rows: Sequence[Row]) -> Optional[Inconclusive]:
    """Returns what cannot be told, and how far everything could be; None where all can be."""
    ordered = sorted(judged(rows), key=execution_order)
    found = [row for row in ordered if row.counts and is_inconclusive(row)]
    if not found:
        return None
    first = found[0]
    told = [row for row in ordered[: ordered.index(first)] if row.phase in _OF_CALLS and is_compared(row)]
    shares = (one.numbers[0] for row in found for one in row.reasons if one.cause is Cause.INCONCLUSIVE)
    return Inconclusive(
        places=places_of(found), rounding=max(shares), first=first, deepest_told=told[-1] if told else None
    )


def _cause(row: Row) -> Difference:
    if row.verdict is not Verdict.UNMATCHED:
        return _CAUSES[row.verdict]
    place = row.reference or row.candidate
    is_slot = row.kind in (CaptureKind.INPUT, CaptureKind.OUTPUT) and place is not None and place.slot != ""
    return Difference.STRUCTURE if is_slot else Difference.MISSING


def _row_of(lone: Unmatched) -> Row:
    place = Place(path=lone.path, class_name=lone.class_name, call=lone.call, slot=lone.name)
    kind = _UNMATCHED_KINDS.get(lone.what, CaptureKind.OUTPUT)
    phase = Phase.INITIAL_WEIGHTS if kind in _WEIGHTS else Phase.FORWARD
    return lone_row(blank_row(phase, kind, place, place), lone.side, *lone.reasons)


def _where(row: Row) -> _Where:
    ours, theirs = (
        (place.path, place.call, place.slot) if place is not None else None
        for place in (row.reference, row.candidate)
    )
    first = ours or theirs or ("", 0, "")
    return row.kind, first, theirs


def _name(place: Optional[Place]) -> _Named:
    return None if place is None else (place.path, place.slot)


class _Share(Generic[T]):
    """Distinct things, and those of them that were compared at least once."""

    def __init__(self) -> None:
        self._seen: dict[T, bool] = {}

    def add(self, thing: T, compared: bool) -> None:
        self._seen[thing] = self._seen.get(thing, False) or compared

    def items(self) -> ItemsView[T, bool]:
        return self._seen.items()

    @property
    def total(self) -> int:
        return len(self._seen)

    @property
    def compared(self) -> int:
        return sum(self._seen.values())


class _Calls:
    """Pairs of calls and calls without partner, by what was seen of them."""

    def __init__(self) -> None:
        self._inputs: _Share[tuple[_Call, ...]] = _Share()
        self._outputs: _Share[tuple[_Call, ...]] = _Share()
        self._lone: dict[_Call, None] = {}

    def add(self, row: Row, compared: bool) -> None:
        """Takes a row of the forward pass."""
        share = self._outputs if row.kind is CaptureKind.OUTPUT else self._inputs
        keys = [
            (side, place.path, place.call)
            for side, place in ((Side.REFERENCE, row.reference), (Side.CANDIDATE, row.candidate))
            if place is not None
        ]
        if len(keys) == len(Side):
            share.add(tuple(keys), compared)
        elif row.kind is CaptureKind.OUTPUT:
            self._lone.update(dict.fromkeys(keys))

    def add_lone(self, lone: Unmatched) -> None:
        """Takes a call that one side did not make, or did not end."""
        self._lone[lone.side, lone.path, lone.call] = None

    @property
    def total(self) -> int:
        pairs = self._pairs()
        paired = {key for pair in pairs for key in pair}
        return len(pairs) + sum(key not in paired for key in self._lone)

    @property
    def compared(self) -> int:
        return sum(self._pairs().values())

    def _pairs(self) -> dict[tuple[_Call, ...], bool]:
        """Returns whether each pair was compared; inputs alone do where neither side gives anything."""
        found: dict[tuple[_Call, ...], bool] = {}
        for pair, compared in self._inputs.items():
            found[pair] = compared and not any(key in self._lone for key in pair)
        return {**found, **dict(self._outputs.items())}
