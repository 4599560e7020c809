"""Steps that are judged by sketches, and once more with whole tensors around what these make suspicious."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.judged_row import fails
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY, TRANSPOSE
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.gold import parameter_places, places
from padiff_compare.steps.step_reader import PassMeter
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.errors import CancelledError
from padiff_rpc.records import record
from padiff_rpc.v1.records import CaptureId, Note, Reason, Row, Sketching, StepStart
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Omission, Phase, Side

_OF_GRADIENTS = frozenset({Phase.BACKWARD, Phase.GRADIENTS})
# What was looked at was rounding: the next look takes so many times as many calls.
_MORE = 4

# A pair of tensors by its places: calls and slots are the same however often a step runs.
_At = tuple[Any, ...]


@record
class _Wanted:
    """Pairs of which the elements are wanted, as the step's captures number and name them."""

    values: frozenset[TensorPair[int]]
    gradients: frozenset[TensorPair[int]]
    parameters: tuple[WeightPair, ...]


@record
class _Shown:
    """A pair of slots of two calls, by their places, and what its tensors go by in one pass."""

    at: _At
    tensors: TensorPair[int]
    gradients: TensorPair[int]


class SketchedSteps:
    """Has sketches travel in place of large tensors, and judges no fault by them alone.

    What sketches make suspicious is looked at whole: in a pass of the same step, from the same state, the
    elements of the first suspicious call travel, and those of its neighbours. Where all was rounding, those
    of the next ones do, until a fault is found or nothing is suspicious any more. Both models are as they
    were afterwards.
    """

    def __init__(self, run: Run, sources: SourcePair, aligned: AlignedModels) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned

    def remember(self, step: int) -> None:
        """Has both workers remember the state in which a step begins."""
        with self._sources.during(Phase.INITIAL_WEIGHTS, step):
            for side in SIDES:
                self._sources.keep_state(side, steps=self._run.settings.optimizes(step))

    def asked(self, starts: Mapping[Side, StepStart], joined: JoinedCalls) -> Mapping[Side, StepStart]:
        """Returns the starts of a step's sides with what is to travel as sketches.

        Nothing is where the candidate gets tensors of the reference, which then have to come whole.
        """
        if starts[Side.CANDIDATE].overrides:
            why = Reason(cause=Cause.CHANCE_IS_NOT_SHARED)
            self._note(NoteKind.NOT_SKETCHED, starts, why)
            return starts
        laid_out = _Layouts(joined, self._aligned.weight_plan.trained)
        return {
            side: dataclasses.replace(start, sketching=laid_out.sketching(side))
            for side, start in starts.items()
        }

    def settle(
        self,
        start: PassStart,
        ends: Mapping[Side, SideEnd],
        captures: StepCaptures,
        rows: Callable[[], Sequence[Row]],
    ) -> None:
        """Has whole tensors tell what sketches leave in question, in the tables of a step that has run.

        `rows`: returns what the tables come to, in order of execution; it is asked after each look.
        """
        if start.starts[Side.REFERENCE].sketching is None:
            return
        fetched, replaced, most = 0, 0, 1
        known: set[_At] = set()
        while True:
            suspects = list(_suspects(rows(), known))[:most]
            if not suspects:
                break
            known.update(map(_at_row, suspects))
            own, found = self._look(start, captures, _around(captures, suspects))
            fetched, replaced, most = fetched + own, replaced + found, most * _MORE
        came = sum(end.byte_count for end in ends.values())
        spared = sum(end.spared for end in ends.values())
        estimated = sum(row.figures is not None and row.figures.is_estimate for row in rows())
        step = start.starts[Side.REFERENCE].step
        numbers = step, estimated, replaced, came + fetched, came + spared
        self._run.report.note(Note(kind=NoteKind.SKETCHED, numbers=tuple(map(float, numbers))))

    def _look(self, start: PassStart, captures: StepCaptures, wanted: _Wanted) -> tuple[int, int]:
        """Runs the step again for these elements; returns how many bytes came, and of how many pairs."""
        running = StepRun(
            self._sources.sides,
            _again(start, captures, wanted),
            self._run.store,
            Tolerances(self._run.options),
            PassMeter(
                self._run.report, start.starts[Side.REFERENCE].step, "whole tensors around a suspicion"
            ),
        )
        known = PassPlan(
            plan=self._aligned.plan,
            weights=self._aligned.weight_plan,
            expectations=Expectations(captures.joined),
        )
        with closing(StepCaptures(known, self._run.store, running.ready)) as again:
            ends = running.run(again)
            for end in ends.values():
                if isinstance(end.error, CancelledError):
                    raise end.error
                text = end.error or (end.failure.text if end.failure is not None else None)
                if text is not None:
                    why = Reason(cause=Cause.MESSAGE, names=(str(text),))
                    self._note(NoteKind.NOT_FETCHED, start.starts, why)
            return sum(end.byte_count for end in ends.values()), _taken(again, captures)

    def _note(self, kind: NoteKind, starts: Mapping[Side, StepStart], why: Reason) -> None:
        step = float(starts[Side.REFERENCE].step)
        self._run.report.note(Note(kind=kind, numbers=(step,), reasons=(why,)))


class _Layouts:
    """Which captures have to come whole, or transposed, since the sides have them in other layouts."""

    def __init__(self, joined: JoinedCalls, weights: Collection[WeightPair]) -> None:
        moved = [slots for pair in joined.pairs for slots in pair.slots.pairs if slots.is_moved]
        self._whole = {
            side: tuple(
                places(
                    joined.traces[side],
                    {slots.tensors.of(side) for slots in moved},
                    {slots.gradient_numbers.of(side) for slots in moved},
                )
            )
            for side in SIDES
        }
        uses = Counter(name for pair in weights for name in pair.reference_names)
        turned, others = [], []
        for pair in weights:
            is_alone = len(pair.references) == 1 and uses[pair.reference_name] == 1
            if pair.rule == TRANSPOSE and is_alone:
                turned.append(pair)
            elif pair.rule != IDENTITY or len(pair.references) > 1:
                others.append(pair)
        others_names = {name for pair in others for name in pair.reference_names}
        # What one tensor of the reference is the whole or a part of elsewhere comes whole for all of them.
        others += [
            pair for pair in weights if pair not in others and others_names & set(pair.reference_names)
        ]
        turned = [pair for pair in turned if pair not in others]
        self._transposed = tuple(parameter_places(Side.REFERENCE, turned))
        for side in SIDES:
            self._whole[side] += tuple(parameter_places(side, others))

    def sketching(self, side: Side) -> Sketching:
        """Returns what a side is told."""
        return Sketching(
            whole=self._whole[side], transposed=self._transposed if side is Side.REFERENCE else ()
        )


def _suspects(rows: Sequence[Row], known: Collection[_At]) -> Iterator[Row]:
    """Yields the rows that are suspicious and not looked at yet, up to the first fault."""
    for row in rows:
        if row.omission is Omission.SUSPECTED:
            if _at_row(row) not in known:
                yield row
        elif fails(row):
            return


def _at_row(row: Row) -> _At:
    places = (row.reference, row.candidate)
    return row.kind, *((one.path, one.call, one.slot) for one in places if one is not None)


def _around(captures: StepCaptures, suspects: Sequence[Row]) -> _Wanted:
    """Returns what sketches stand for in the suspicious calls and in the calls before and behind each."""
    joined = captures.joined
    order = list(dict.fromkeys(pair.reference.name for pair in joined.ordered[Side.REFERENCE]))
    chosen = _with_neighbours(order, suspects)
    goes_back = any(row.phase in _OF_GRADIENTS for row in suspects)
    slots = [one for pair in joined.pairs if pair.reference.name in chosen for one in pair.slots.pairs]
    paths, named = {path for path, _ in chosen}, {_at_row(row) for row in suspects}
    parameters = [
        pair
        for pair in captures.compared_parameters
        if _is_estimate(captures.parameter_gradients, pair.names)
        and (pair.place(Side.REFERENCE)[0] in paths or _at_parameter(pair) in named)
    ]
    values, gradients = captures.values, captures.gradients
    return _Wanted(
        values=frozenset(one.tensors for one in slots if _is_estimate(values, one.tensors)),
        gradients=frozenset(
            one.gradient_numbers
            for one in slots
            if goes_back and _is_estimate(gradients, one.gradient_numbers)
        ),
        parameters=tuple(parameters) if goes_back else (),
    )


def _with_neighbours(order: Sequence[CallName], suspects: Sequence[Row]) -> set[CallName]:
    """Returns the suspicious calls, of a parameter all of its layer's, with the calls before and behind."""
    chosen: set[CallName] = set()
    own = {(row.reference.path, row.reference.call) for row in suspects if row.reference is not None}
    paths = {
        row.reference.path
        for row in suspects
        if row.kind is CaptureKind.PARAMETER_GRADIENT and row.reference is not None
    }
    for position, name in enumerate(order):
        if name in own or name[0] in paths:
            chosen.update(order[max(0, position - 1) : position + 2])
    return chosen


def _at_parameter(pair: WeightPair) -> _At:
    sides = (pair.place(side) for side in SIDES)
    return CaptureKind.PARAMETER_GRADIENT, *((path, 0, name) for path, name, _ in sides)


def _is_estimate(table: PairTable[Any], pair: TensorPair[Any]) -> bool:
    measured = table.measured(pair)
    return measured is not None and measured.figures is not None and measured.figures.is_estimate


def _again(start: PassStart, captures: StepCaptures, wanted: _Wanted) -> PassStart:
    """Returns the start of the step once more, of which only what is wanted travels."""
    starts = {
        side: dataclasses.replace(
            one,
            again=True,
            optimize=False,
            keep_gradients_after=False,
            sketching=None,
            only_captures=_captures(side, captures, wanted),
        )
        for side, one in start.starts.items()
    }
    return dataclasses.replace(start, starts=starts)


def _captures(side: Side, captures: StepCaptures, wanted: _Wanted) -> tuple[CaptureId, ...]:
    values = {pair.of(side) for pair in wanted.values}
    gradients = {pair.of(side) for pair in wanted.gradients}
    return (
        *places(captures.traces[side], values, gradients),
        *parameter_places(side, wanted.parameters),
    )


def _taken(again: StepCaptures, captures: StepCaptures) -> int:
    """Has what whole tensors tell take the place of what sketches did; returns of how many pairs."""
    count = 0
    known = {one.at: one for one in _shown(captures.joined)}
    for one in _shown(again.joined):
        had = known.get(one.at)
        if had is not None:
            count += _replaced(captures.values, had.tensors, again.values, one.tensors)
            count += _replaced(captures.gradients, had.gradients, again.gradients, one.gradients)
    for pair in captures.compared_parameters:
        mine, whole = captures.parameter_gradients, again.parameter_gradients
        count += _replaced(mine, pair.names, whole, pair.names)
    return count


def _shown(joined: JoinedCalls) -> Iterator[_Shown]:
    for call in joined.pairs:
        for slots in call.slots.pairs:
            ours, theirs = (
                (call.reference.name, slots.reference.name),
                (call.candidate.name, slots.candidate.name),
            )
            at = (call.moment, *ours, *theirs)
            yield _Shown(at=at, tensors=slots.tensors, gradients=slots.gradient_numbers)


def _replaced(
    table: PairTable[Any], mine: TensorPair[Any], again: PairTable[Any], theirs: TensorPair[Any]
) -> bool:
    whole = again.measured(theirs)
    if whole is None or whole.figures is None or not _is_estimate(table, mine):
        return False
    table.replace(mine, whole)
    return True
