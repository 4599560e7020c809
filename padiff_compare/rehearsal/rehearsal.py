"""Rehearsal: a forward pass before the first step, which shows where position pairs the wrong slots."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.alignment.activations import COMPUTED, Activation
from padiff_compare.alignment.common_parts import packed_side
from padiff_compare.alignment.correspondences import Way, paired_in
from padiff_compare.alignment.slots import Meeting
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.trace import Trace, Traces
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.join.captures import StepCaptures
from padiff_compare.join.pairs import Half
from padiff_compare.judge.evidence import Evidence
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.model_index import Models
from padiff_compare.rehearsal.told_activations import told_activations
from padiff_compare.rehearsal.trial_pass import trial_pass
from padiff_compare.rehearsal.value_matching import ValueMatching
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_rpc.v1.records import Options, Slot
from padiff_rpc.v1.words import CallMoment, CaptureKind, Phase, Side

_ASPECT = Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT)


class Rehearsal:
    """Runs both models forward once, on equal weights, and gives the plan the correspondences it finds.

    Needed only where the traces show that position alone may mislead: see `is_needed`. Random operations are
    off; the models are put back as they were. All values of the pass are kept until it ends.
    """

    def __init__(self, run: Run, sources: SourcePair, aligned: AlignedModels) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._drawing = {
            side: frozenset((one.path, one.call) for one in aligned.operations[side]) for side in SIDES
        }

    def run(self, batch: StepBatch) -> None:
        """Rehearses on a batch. Raises ComparisonStopped when a worker was lost.

        Where a model raises, nothing is found; the step will tell.
        """
        with (
            self._sources.during(Phase.TRACE),
            trial_pass(self._run, self._sources, self._aligned, batch) as captures,
        ):
            if captures is None:
                return
            values = _PassValues(captures, self._run.options)
            matching = ValueMatching(captures.joined, values, self._aligned.models, self._drawing)
            found = matching.correspondences()
        self._aligned.correspond(found)


class _PassValues:
    """Says of the tensors of a pass which hold the same values; each pair is measured once in each way."""

    def __init__(self, captures: StepCaptures, options: Options) -> None:
        self._values = captures.values
        self._traces = captures.traces
        self._tolerances = Tolerances(options)
        self._options = options
        self._known: dict[tuple[TensorPair[int], Way], bool] = {}

    def agree(self, pair: TensorPair[int], way: Way) -> bool:
        """Whether two hold the same values in some way; None: as they are."""
        if (pair, way) not in self._known:
            self._known[pair, way] = self._measured(pair, way)
        return self._known[pair, way]

    def apart(self, pair: TensorPair[int]) -> float:
        """Returns how far their mean squares are apart, relative to the larger."""
        halves, slots = self._halves(pair), self._slots(pair)
        if halves is None or slots is None:
            return math.inf
        if packed_side(*slots) is not None:
            return 0.0  # nobody knows what the other side has behind the ends
        sizes = [half.sum_squares / max(half.tensors[0].array.size, 1) for half in halves]
        return abs(sizes[0] - sizes[1]) / (max(sizes) or 1)

    def _slots(self, pair: TensorPair[int]) -> Optional[tuple[Slot, Slot]]:
        shown = [self._traces[side].shown(pair.of(side)) for side in SIDES]
        return (shown[0][0].slot, shown[1][0].slot) if all(shown) else None

    def _halves(self, pair: TensorPair[int]) -> Optional[tuple[Half, Half]]:
        ours, theirs = (self._values.half(side, pair.of(side)) for side in SIDES)
        if ours is None or theirs is None or ours.has_sketch or theirs.has_sketch:
            return None
        return ours, theirs

    def _measured(self, pair: TensorPair[int], way: Way) -> bool:
        halves, slots = self._halves(pair), self._slots(pair)
        if halves is None or slots is None:
            return False
        if isinstance(way, Activation) and not {slot.spec.dtype for slot in slots} <= COMPUTED:
            return False
        return self._meet(*halves, paired_in(way, *slots).values)

    def makes(self, activation: Activation, side: Side, given: int, made: int) -> bool:
        """Whether the activation makes one tensor of a side of another of the same side."""
        before, behind = (self._values.half(side, tensor) for tensor in (given, made))
        if before is None or behind is None or before.has_sketch or behind.has_sketch:
            return False
        return self._meet(before, behind, Meeting(reference=activation.rule))

    def _meet(self, ours: Half, theirs: Half, meeting: Meeting) -> bool:
        """Whether the two hold the same values behind the rules of both."""
        first, second = ours.tensors[0], theirs.tensors[0]
        shape = meeting.reference.shape_or_none(first.spec.shape)
        if shape is None or shape != meeting.candidate.shape_or_none(second.spec.shape):
            return False
        measured = measure_pair(
            dataclasses.replace(_ASPECT, candidate_rule=meeting.candidate),
            first,
            second,
            tolerances=self._tolerances,
            sum_squares=ours.sum_squares,
            rule=meeting.reference,
        )
        judgement = judge(Evidence(kind=_ASPECT.kind, measured=measured), self._options)
        return judgement.agrees


def is_needed(joined: JoinedCalls, models: Models) -> bool:
    """Whether the traces' calls leave open which slots hold the same values.

    Shapes that differ, slots that only one side has, several of one shape in one call, first axes of one
    length, a tensor that is two on the other side, and one that goes into a layer on one side and into other
    code on the other: each pairs by position for want of better. So does the result of a layer that says it
    applies an activation, where its partner says that it applies none.
    """
    if told_activations(joined, models):
        return True
    partners: Mapping[Side, defaultdict[int, set[int]]] = {side: defaultdict(set) for side in SIDES}
    for call in joined.pairs:
        if not call.is_root_exit and _is_call_open(call, joined.traces):
            return True
        for pair in call.slots.pairs:
            for side in SIDES:
                partners[side][pair.tensors.of(side)].add(pair.tensors.of(other(side)))
    return any(len(found) > 1 for side in SIDES for found in partners[side].values())


def _is_call_open(call: CallPair, traces: Traces) -> bool:
    pairs, is_exit = call.slots.pairs, call.moment is CallMoment.EXIT
    specs = [pair.reference.spec for pair in pairs]
    tensors = {pair.reference.tensor for pair in pairs}
    return (
        (is_exit and bool(call.slots.only_reference or call.slots.only_candidate))
        or (len(tensors) > 1 and len(set(specs)) < len(specs))
        or any(_is_open(pair.reference.spec.shape, pair.candidate.spec.shape) for pair in pairs)
        or any(
            len({_is_taken(traces[side], pair.tensors.of(side)) for side in SIDES}) > 1
            for pair in (pairs if is_exit else ())
        )
    )


def _is_taken(trace: Trace, tensor: int) -> bool:
    """Whether some call takes the tensor, or the model returns it."""
    events = (shown.at.event for shown in trace.shown(tensor))
    return any(event.moment is CallMoment.ENTRY or event.path == "" for event in events)


def _is_open(reference: tuple[int, ...], candidate: tuple[int, ...]) -> bool:
    # A matrix has no axis beside batch and features that could stand first.
    is_square = len(reference) > 2 and reference[0] == reference[1] > 1
    return reference != candidate or is_square
