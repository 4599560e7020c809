"""Optimizers of both sides: their state compared after each step, or carried from reference to candidate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Optional

import numpy as np

from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.source import Sources
from padiff_compare.judge.evidence import Evidence, Known, Measured
from padiff_compare.judge.judged_row import blank_row, differs, judged_row, lone_row, numbered
from padiff_compare.judge.measure import is_zero, measure
from padiff_compare.judge.measured import Aspect, Probe, measure_pair
from padiff_compare.judge.tolerances import RATE, StateTolerances
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.model_index import Models
from padiff_compare.weights import optimizer_settings
from padiff_compare.weights.optimizer_entries import STEP, EntryPair, LoneEntry, MatchedEntries, match
from padiff_compare.weights.optimizer_settings import Descriptions
from padiff_compare.weights.step_conventions import StepConventions
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    DescribeOptimizerResponse,
    Note,
    OptimizerDifference,
    OptimizerEntry,
    Options,
    Place,
    Reason,
    Row,
    Tolerance,
)
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Phase, Side, ToleranceSource

RATE_WORD = "learning_rate"
# They show in no state, and in the weights by and by: a decay of 0.01 at a rate of 1e-3 takes off 1e-5 a
# step.
_QUIET = ("weight_decay", "l1_decay", "nesterov")
_ASPECT = Aspect(phase=Phase.OPTIMIZER, kind=CaptureKind.OPTIMIZER_STATE)
_EXACT = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT)


class OptimizerFlow:
    """Two optimizers, as far as they can be looked into; two tensors are in memory at a time.

    Attributes:
        are_seen: both can be looked into, and so be put back as they were; known once their settings are.
        conventions: converts what a step leaves from one formula to the other.
    """

    def __init__(
        self,
        sources: Sources,
        plan: WeightPlan,
        models: Models,
        options: Options,
        probe: Optional[Probe] = None,
    ) -> None:
        """`probe`: is shown all state that is compared."""
        self.are_seen = True
        self.conventions = StepConventions()
        self._probe = probe
        self._sources = sources
        self._parameters = plan.trained
        self._models = models
        # Which dtype an optimizer keeps its state in is its own affair: the values are compared.
        self._options = dataclasses.replace(options, check_dtype=False)
        self._notes: dict[Note, None] = {}

    def differences(self) -> tuple[OptimizerDifference, ...]:
        """Returns the settings and conventions in which the optimizers differ now."""
        described = self.describe()
        self.are_seen = all(one.class_name for one in described.values())
        self._notes.update(dict.fromkeys(optimizer_settings.notes(described)))
        self.conventions.begin(described)
        return tuple(optimizer_settings.differences(self._parameters, described))

    def notes(self) -> tuple[Note, ...]:
        """Returns what was found that is not compared, so far."""
        return tuple(self._notes)

    def copy(self) -> int:
        """Writes the reference's state into the candidate's optimizer; returns how many entries took it.

        Moments, sums and step counts; learning rates and other settings stay, and so does what the reference
        keeps no counterpart of. A note says where the candidate's optimizer did not take what it keeps too.
        """
        described = self.describe()
        self.conventions.begin(described)
        kept = {entry.state for entry in described[Side.CANDIDATE].state}
        written = 0
        for state in _states(described[Side.REFERENCE]):
            entries = list(self._copied(state, frozenset(described[Side.REFERENCE].state)))
            values = (
                (one.candidate, parts[0] if state == STEP else self._given(one, parts))
                for one, parts in self._reference_values(entries)
            )
            took = self._sources[Side.CANDIDATE].optimizer.write(values, Phase.OPTIMIZER)
            written += took
            word = self.conventions.word(state)
            if took < len(entries) and word in kept:
                self._notes[Note(kind=NoteKind.STATE_NOT_TAKEN, names=(word,))] = None
        return written

    def _given(self, one: EntryPair, parts: Sequence[HostTensor]) -> HostTensor:
        return self.conventions.given(one.parameters, one.state, one.parameters.rule.apply(*parts))

    def _copied(self, state: str, present: frozenset[OptimizerEntry]) -> Iterator[EntryPair]:
        for pair in self._parameters:
            references = tuple(OptimizerEntry(parameter=name, state=state) for name in pair.reference_names)
            if present.issuperset(references):
                word = self.conventions.word(state)
                candidate = OptimizerEntry(parameter=pair.candidate_name, state=word)
                yield EntryPair(parameters=pair, state=state, references=references, candidate=candidate)

    def describe(self) -> Descriptions:
        """Returns both optimizers as they are now."""
        return {side: self._sources[side].optimizer.describe() for side in SIDES}

    def rows(
        self, step: int, history: StepHistory, described: Descriptions, *, in_lockstep: bool = False
    ) -> Iterator[Row]:
        """Yields rows of learning rates and of all state, as they are after a step.

        Also of parameters that one optimizer alone was given.

        `history`: what was made of a gradient can be no better than the gradient. `in_lockstep`: both stepped
        from one state, with one gradient.
        """
        if all(described[side].class_name for side in SIDES):
            if in_lockstep:
                self._learn_steps(described)
            yield from numbered(self._rows(step, history, described, in_lockstep))

    def _learn_steps(self, described: Descriptions) -> None:
        """Shows the conventions what the converted side keeps behind its step."""
        conventions = self.conventions
        side, present = conventions.side, frozenset(described[conventions.side].state)
        for pair in self._parameters if conventions.reads else ():
            names = pair.reference_names if side is Side.REFERENCE else (pair.candidate_name,)
            words = [word for word in sorted(conventions.reads) if _entries(names, word) <= present]
            entries = [OptimizerEntry(parameter=name, state=word) for word in words for name in names]
            read = self._sources[side].optimizer.read(entries, Phase.OPTIMIZER)
            parts = {word: tuple(islice(read, len(names))) for word in words}
            rule = pair.rule if side is Side.REFERENCE else IDENTITY
            conventions.stepped(pair, {word: rule.apply(*values) for word, values in parts.items()})

    def quiet_rows(self, step: int, described: Descriptions) -> Iterator[Row]:
        """Yields rows of settings that differ and need not show in any state, nor yet in the weights.

        Of the phase of the weights, and to be put behind their rows: where it shows, a weight says more.
        """
        for word in _QUIET:
            numbers = optimizer_settings.numbers(word, self._parameters, described)
            for row in filter(differs, self._number_rows(step, word, numbers, RATE)):
                yield dataclasses.replace(row, phase=Phase.WEIGHTS)

    def _rows(
        self, step: int, history: StepHistory, described: Descriptions, in_lockstep: bool
    ) -> Iterator[Row]:
        yield from self._setting_rows(step, described)
        matched = match(self._parameters, described, self.conventions.word)
        self._note_unknown(matched, described)
        values = zip(
            self._reference_values(matched.pairs),
            self._sources[Side.CANDIDATE].optimizer.read(
                [pair.candidate for pair in matched.pairs], Phase.OPTIMIZER
            ),
        )
        for state, group in groupby(values, key=lambda value: value[0][0].state):
            if state == STEP:
                numbers = [
                    (pair.parameters, int(part.array), int(candidate.array))
                    for (pair, parts), candidate in group
                    for part in parts
                ]
                yield from self._number_rows(step, STEP, numbers, _EXACT)
            else:
                for one, candidate in group:
                    yield self._state_row(step, *one, candidate, history, in_lockstep)
        for lone in matched.lone:
            yield self._lone_row(step, lone)

    def _state_row(
        self,
        step: int,
        pair: EntryPair,
        parts: Sequence[HostTensor],
        candidate: HostTensor,
        history: StepHistory,
        in_lockstep: bool,
    ) -> Row:
        state, parameters = pair.state, pair.parameters
        values, why = self.conventions.state(
            parameters,
            state,
            {Side.REFERENCE: parameters.rule.view(*parts), Side.CANDIDATE: candidate},
            in_lockstep=in_lockstep,
        )
        made = measure_pair(
            dataclasses.replace(_ASPECT, shown=parameters.shown(state)),
            values[Side.REFERENCE],
            values[Side.CANDIDATE],
            tolerances=StateTolerances(self._options, state, history.apart(parameters.candidate_name)),
            probe=self._probe,
        )
        evidence = Evidence(
            kind=_ASPECT.kind,
            measured=dataclasses.replace(made, notes=(*made.notes, *why)),
            known=Known(made_by_chance=history.random.get(parameters.candidate_name, ())),
        )
        return judged_row(self._frame(step, parameters, state), evidence, self._options, parameters.rule)

    def _setting_rows(self, step: int, described: Descriptions) -> Iterator[Row]:
        rates = optimizer_settings.numbers(RATE_WORD, self._parameters, described)
        yield from self._number_rows(step, RATE_WORD, rates, RATE)
        for pair, side in optimizer_settings.given_to_one(self._parameters, described):
            reason = Reason(cause=Cause.NOT_GIVEN, side=other(side))
            yield lone_row(self._frame(step, pair, RATE_WORD), side, reason)

    def _number_rows(
        self, step: int, word: str, numbers: optimizer_settings.Numbers, bound: Tolerance
    ) -> Iterator[Row]:
        """Yields a row for each two numbers that parameters have; one row where all have the same."""
        groups: dict[tuple[float, float], list[WeightPair]] = {}
        for pair, one, other_one in numbers:
            groups.setdefault((one, other_one), []).append(pair)
        for (reference, candidate), parameters in groups.items():
            ours, theirs = (HostTensor.from_array(np.array(number)) for number in (reference, candidate))
            measured = Measured(
                reference=ours.spec,
                candidate=theirs.spec,
                tolerance=bound,
                figures=measure(ours, theirs, bound),
            )
            frame = self._frame(step, parameters[0] if len(groups) > 1 else None, word)
            stands_for_more = len(parameters) > 1 and len(groups) > 1
            more = Reason(cause=Cause.MORE_PARAMETERS, numbers=(len(parameters) - 1.0,))
            known = Known(notes=(more,) if stands_for_more else ())
            yield judged_row(frame, Evidence(kind=frame.kind, measured=measured, known=known), self._options)

    def _lone_row(self, step: int, lone: LoneEntry) -> Row:
        """Returns the row of what one side keeps; zeros say no more than nothing does."""
        frame = self._frame(step, lone.parameters, lone.entries[0].state)
        values = self._sources[lone.side].optimizer.read(lone.entries, Phase.OPTIMIZER)
        state = lone.entries[0].state
        if all(is_zero(value) for value in list(values)):
            zeros = Reason(cause=Cause.ZERO_STATE, side=other(lone.side), names=(state,))
            return judged_row(frame, Evidence(kind=frame.kind, only=lone.side, is_zero=True, why=(zeros,)))
        reason = Reason(cause=Cause.NOT_STEPPED, side=other(lone.side), names=(state,))
        return lone_row(frame, lone.side, reason)

    def _note_unknown(self, matched: MatchedEntries, described: Descriptions) -> None:
        for side in SIDES:
            # Which steps an optimizer counts follows from when it is called.
            kept = [state for state in matched.unknown[side] if state != STEP]
            if kept:
                theirs = described[other(side)].class_name.rpartition(".")[2]
                self._notes[Note(kind=NoteKind.STATE_UNKNOWN, side=side, names=(theirs, *kept))] = None

    def _reference_values(
        self, pairs: Sequence[EntryPair]
    ) -> Iterator[tuple[EntryPair, tuple[HostTensor, ...]]]:
        """Yields each pair with its reference values; what follows itself (packed weights) is read once."""
        groups = [list(same) for _, same in groupby(pairs, key=lambda pair: pair.references)]
        entries = [entry for group in groups for entry in group[0].references]
        read = self._sources[Side.REFERENCE].optimizer.read(entries, Phase.OPTIMIZER)
        for group in groups:
            values = tuple(islice(read, len(group[0].references)))
            for pair in group:
                yield pair, values

    def _frame(self, step: int, parameters: Optional[WeightPair], state: str) -> Row:
        reference, candidate = (self._place(side, parameters, state) for side in SIDES)
        return blank_row(Phase.OPTIMIZER, CaptureKind.OPTIMIZER_STATE, reference, candidate, step=step)

    def _place(self, side: Side, parameters: Optional[WeightPair], state: str) -> Place:
        if parameters is None:
            return Place(path="", class_name=self._models[side].class_name(""), slot=state)
        path, name, _ = parameters.place(side)
        word = self.conventions.word(state) if side is Side.CANDIDATE else state
        return Place(path=path, class_name=self._models[side].class_name(path), slot=f"{name}.{word}")


def _entries(names: Sequence[str], state: str) -> frozenset[OptimizerEntry]:
    return frozenset(OptimizerEntry(parameter=name, state=state) for name in names)


def _states(description: DescribeOptimizerResponse) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.state for entry in description.state))
