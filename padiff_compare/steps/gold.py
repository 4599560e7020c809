"""Gold: the reference once more in float64, each call on the values of its own pass, to measure rounding.

The distance of the float32 reference from gold at a place is what rounding alone does there, in this model,
on these values. The candidate, which got the same values, is held against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import Any, Optional

from padiff_compare.alignment.plan import Plan
from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.source import Source
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import JoinedCalls, join_calls
from padiff_compare.join.captures import LOSS_KEY, LOSSES, PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import (
    Measured,
    OwnError,
    agrees,
    exceeds,
    is_loss_in_question,
    spacing,
)
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.lockstep.lockstep_plan import plan_lockstep
from padiff_compare.lockstep.override_feed import WINDOW_BYTES, InputNoise, OverrideFeed
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.run import Run
from padiff_compare.steps.own_errors import OwnErrors, own_of
from padiff_compare.steps.step_reader import PassMeter
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan
from padiff_rpc.errors import CancelledError
from padiff_rpc.records import record
from padiff_rpc.tensors import FLOATING, widest_dtype
from padiff_rpc.v1.records import CallEvent, CaptureId, Note, Options, Reason, StepNoise
from padiff_rpc.v1.words import (
    CallMoment,
    CaptureKind,
    Cause,
    CompareMode,
    DType,
    Floor,
    NoteKind,
    Pass,
    Side,
    WeightKind,
)

# What is captured of a slot: its value, and its gradient.
_KINDS = {
    CallMoment.ENTRY: (CaptureKind.INPUT, CaptureKind.INPUT_GRADIENT),
    CallMoment.EXIT: (CaptureKind.OUTPUT, CaptureKind.OUTPUT_GRADIENT),
}
_LOSS = CaptureId(step=0, path="", call=0, slot=LOSS_KEY, kind=CaptureKind.LOSS)
# Why a place kept its own tensor that is none of the pass that is held.
_KEPT_OTHERS = frozenset({Cause.OVERRIDE_OF_OTHER_DTYPE, Cause.OVERRIDE_OF_OTHER_SHAPE})


@record
class Asked:
    """What of a pass is to be held against gold.

    Attributes:
        captures: whose tensors are measured; none: all.
        backward: whether gold has to go further than the model's outputs.
    """

    captures: tuple[CaptureId, ...] = ()
    backward: bool = True


@record
class GoldRun:
    """How the reference runs in float64.

    Attributes:
        asked: what is measured.
        noise: of the values that its calls get.
        freely: it runs on its own values, from a batch and weights that are off by this much; None: on the
            values of its float32 pass.
        shown: holds what it shows; None where nobody asks.
    """

    asked: Asked
    noise: Optional[InputNoise] = None
    freely: Optional[StepNoise] = None
    shown: Optional[HeldPass] = None


class Gold:
    """Runs the reference in float64, where a pass in lockstep leaves questions.

    Attributes:
        is_wide: where it turned out not to run in float64, it runs in its own dtypes, to be given noise.
        has_a_say: rounding decides verdicts; else it is only shown.
    """

    def __init__(
        self, run: Run, source: Source, foreseen: JoinedCalls, weights: WeightPlan, *, backward: bool
    ) -> None:
        """`foreseen`: the calls that passes are expected to make; `source`: the reference's."""
        self._run = run
        self._source = source
        self._backward = backward
        self._weights = WeightPlan(pairs=tuple(_mirrored_weights(weights)))
        self._judged = PassPlan(plan=foreseen.plan, weights=weights, expectations=Expectations(foreseen))
        self.is_wide = True
        self.has_a_say = rounding_has_a_say(run.options)
        self._foresee(_mirrored(foreseen.plan), foreseen.traces[Side.REFERENCE])

    @property
    def rounding(self) -> float:
        """What one rounding of a weight comes to, as a share of it, in the coarsest of their dtypes."""
        dtypes = {one.weight.spec.dtype for pair in self._weights.pairs for one in pair.references}
        return 0.5 * max(map(spacing, dtypes & FLOATING), default=spacing(DType.FLOAT32))

    def _foresee(self, plan: Plan, trace: Trace) -> None:
        events = map(_wide, trace.events) if self.is_wide else trace.events
        again = Trace(events=tuple(events))
        self._joined = join_calls(plan, {Side.REFERENCE: trace, Side.CANDIDATE: again})
        self._overrides = plan_lockstep(self._joined)

    def asked(
        self, captures: StepCaptures, floors: RoundingFloors, *, freely: bool = False
    ) -> Optional[Asked]:
        """Returns what of a pass that has run is to be held against gold; None for nothing.

        `floors`: of the pass. What its sums round by explains needs no other measure. `freely`: of a free
        run, whose table decides all that it allows.
        """
        options, loss = self._run.options, captures.losses.measured(LOSSES)
        if (options.floor is Floor.MEASURED or options.oracle) and not freely:
            return Asked()
        beyond = list(self._beyond(captures, floors))
        values, losses, gradients, parameters = (
            frozenset(pair.reference for its_table, pair, _ in beyond if its_table is table)
            for table in captures.tables
        )
        is_in_question = loss is not None and is_loss_in_question(loss)
        is_loss_asked = bool(losses) if freely else is_in_question
        if not (values or gradients or parameters or is_loss_asked):
            return None
        return Asked(
            captures=(
                *places(captures.traces[Side.REFERENCE], values, gradients),
                *parameter_places(
                    Side.REFERENCE,
                    (one for one in captures.compared_parameters if one.reference_name in parameters),
                ),
                _LOSS,
            ),
            backward=is_loss_asked or bool(gradients or parameters),
        )

    def _beyond(
        self, captures: StepCaptures, floors: RoundingFloors
    ) -> Iterator[tuple[PairTable[Any], TensorPair[Any], Measured]]:
        """Yields what exceeds both the table and the floors."""
        for table in captures.tables:
            for pair, one in _without_bounds(table):
                if one.figures is None or agrees(one.figures, one.tolerance, self._run.options):
                    continue
                if not floors.explains(table, pair, one):
                    yield table, pair, one

    def leaves_questions(self, captures: StepCaptures, floors: RoundingFloors, errors: OwnErrors) -> bool:
        """Whether something in a free run exceeds its table, the floors, and what these errors explain."""
        own = dict(errors.by_table(captures))
        return any(
            pair.reference in own[table] and exceeds(one, own_of(own[table], table, pair))
            for table, pair, one in self._beyond(captures, floors)
        )

    def questions(
        self, captures: StepCaptures, floors: RoundingFloors, errors: OwnErrors
    ) -> Iterator[tuple[Measured, OwnError]]:
        """Yields what exceeds the table and the floors, and what these own errors make of rounding."""
        for table, own in errors.by_table(captures):
            for pair, one in _without_bounds(table):
                if one.figures is None or pair.reference not in own:
                    continue
                if table is not captures.losses and agrees(one.figures, one.tolerance, self._run.options):
                    continue
                its_own = own_of(own, table, pair)
                if exceeds(one, its_own) and not floors.explains(table, pair, one):
                    yield one, its_own

    def adrift(self, captures: StepCaptures) -> Optional[Asked]:
        """Returns which of a free run's outputs and loss are further apart than its table allows, if any."""
        adrift = list(self._adrift(captures))
        if not adrift:
            return None
        values = frozenset(pair.reference for table, pair, _ in adrift if table is captures.values)
        is_loss_adrift = any(table is captures.losses for table, _, _ in adrift)
        return Asked(
            captures=(*places(captures.traces[Side.REFERENCE], values), _LOSS), backward=is_loss_adrift
        )

    def drifts_further(self, captures: StepCaptures, errors: OwnErrors) -> bool:
        """Whether any of these is so by more than the reference's own free run is from gold, too."""
        own: dict[PairTable[Any], Mapping[Any, OwnError]]
        own = {captures.values: errors.values, captures.losses: errors.losses}
        return any(
            exceeds(one, own_of(own[table], table, pair))
            for table, pair, one in self._adrift(captures)
            if pair.reference in own[table]
        )

    def _adrift(self, captures: StepCaptures) -> Iterator[tuple[PairTable[Any], TensorPair[Any], Measured]]:
        outputs = (
            slots.tensors
            for call in captures.joined.ordered[Side.REFERENCE]
            if call.layer.reference == "" and call.moment is CallMoment.EXIT
            for slots in call.slots.pairs
        )
        options, losses = self._run.options, [(captures.losses, LOSSES)]
        pairs: Iterable[tuple[PairTable[Any], TensorPair[Any]]]
        pairs = chain(((captures.values, pair) for pair in outputs), losses)
        for table, pair in pairs:
            one = table.measured(pair)
            figures = one.figures if one is not None else None
            if one is not None and figures is not None and not agrees(figures, one.tolerance, options):
                yield table, pair, one

    def key(self, start: PassStart, shown: str, how: GoldRun) -> str:
        """Returns what a run depends on, as a text; `shown`: the digest of the pass it is held against."""
        worker, options = self._source.worker, self._run.options
        build = worker.framework, worker.framework_version, worker.package_version, worker.devices
        gold = self._mirrored_start(start, how).starts[Side.CANDIDATE]
        told = dataclasses.replace(gold, lease="")
        return repr((build, options.deterministic, options.threads, told, how.noise, shown))

    def run(self, start: PassStart, held: HeldPass, again: HeldPass, how: GoldRun) -> Optional[OwnErrors]:
        """Returns how far the pass that is held is from gold; `again` holds it once more.

        None, and a note says why, where the reference does not run so; the loss of its worker shows in what
        is asked of it next. Raises CancelledError.
        """
        with self._run.report.running_again():
            return self._run_again(start, held, again, how)

    def _run_again(
        self, start: PassStart, held: HeldPass, again: HeldPass, how: GoldRun
    ) -> Optional[OwnErrors]:
        step = start.starts[Side.REFERENCE].step
        running = StepRun(
            {Side.REFERENCE: held, Side.CANDIDATE: self._source},
            self._mirrored_start(start, how),
            self._run.store,
            Tolerances(self._run.options, in_lockstep=how.freely is None),
            PassMeter(
                self._run.report,
                step,
                "the reference in float64",
                counted={Side.CANDIDATE: Side.REFERENCE},
            ),
        )
        known = PassPlan(
            plan=self._joined.plan, weights=self._weights, expectations=Expectations(self._joined)
        )
        feed = None
        if how.freely is None:
            feed = OverrideFeed(
                self._overrides,
                gradients=self._backward and how.asked.backward,
                window_bytes=min(WINDOW_BYTES, self._run.store.limit_bytes),
                noise=how.noise,
            )
        holds = {Side.REFERENCE: again}
        if how.shown is not None:
            holds[Side.CANDIDATE] = how.shown
        captures = StepCaptures(known, self._run.store, running.ready, feed, holds)
        with closing(captures):
            ends = running.run(captures, feed)
            for side, end in ends.items():
                if side in holds and end.summary is not None:
                    holds[side].ended(end.summary)
            for end in ends.values():
                if isinstance(end.error, CancelledError):
                    raise end.error
            gold = ends[Side.CANDIDATE]
            if gold.summary is not None:
                self._run.report.note_peak(Side.REFERENCE, gold.summary.peak_bytes)
            why = _why_not(gold, feed)
            if why is not None:
                self._cannot_run(why)
            if why is not None or not ends[Side.REFERENCE].is_complete:
                return None
            return OwnErrors.measured(captures, is_of_gold=self.is_wide)

    def candidates_errors(self, start: PassStart, gold: HeldPass, candidate: HeldPass) -> OwnErrors:
        """Returns how far the candidate's pass is from gold's, by the candidate's numbers; both are held."""
        running = StepRun(
            {Side.REFERENCE: gold, Side.CANDIDATE: candidate},
            dataclasses.replace(start, probe=None),
            self._run.store,
            Tolerances(Options(), in_lockstep=True),
            PassMeter(),
        )
        with closing(StepCaptures(self._judged, self._run.store, running.ready)) as captures:
            running.run(captures)
            return OwnErrors.measured(captures, is_of_gold=True, of=Side.CANDIDATE)

    def _cannot_run(self, why: Reason) -> None:
        """Notes why the reference did not run once more; in float64 it is not asked to any more."""
        kind = NoteKind.NO_GOLD if self.is_wide else NoteKind.NO_NOISE
        self._run.report.note(Note(kind=kind, reasons=(why,)))
        if self.is_wide and self._run.options.oracle:
            self._run.report.note(Note(kind=NoteKind.NO_ORACLE, reasons=(why,)))
        if self.is_wide:
            self.is_wide = False
            self._foresee(self._joined.plan, self._joined.traces[Side.REFERENCE])

    def _mirrored_start(self, start: PassStart, how: GoldRun) -> PassStart:
        ours = start.starts[Side.REFERENCE]
        gold = dataclasses.replace(
            ours,
            again=True,
            in_float64=self.is_wide,
            backward=ours.backward and how.asked.backward,
            optimize=False,
            keep_gradients_after=False,
            only_captures=how.asked.captures,
        )
        if how.freely is None:
            gold = dataclasses.replace(
                gold,
                pass_kind=Pass.LOCKSTEP,
                overrides=self._overrides.places,
                override_gradients=gold.backward,
            )
        else:
            gold = dataclasses.replace(gold, noise=how.freely)
        batch = dataclasses.replace(
            start.batch, batches=dict.fromkeys(SIDES, start.batch.batches[Side.REFERENCE])
        )
        return PassStart(starts={Side.REFERENCE: ours, Side.CANDIDATE: gold}, batch=batch)


def _why_not(end: SideEnd, feed: Optional[OverrideFeed]) -> Optional[Reason]:
    """Returns why a run in float64 tells nothing; None where it does.

    Where the model makes another dtype than float64, it goes on with its own values.
    """
    if end.error is not None:
        return Reason(cause=Cause.MESSAGE, names=(str(end.error),))
    if end.failure is not None:
        return Reason(cause=Cause.MESSAGE, names=(end.failure.text,))
    notes = feed.notes() if feed is not None else ()
    reasons = (reason for note in notes for reason in note.reasons)
    return next((one for one in reasons if one.cause in _KEPT_OTHERS), None)


def places(trace: Trace, values: Collection[int], gradients: Collection[int] = ()) -> Iterator[CaptureId]:
    """Yields each place of a side's pass that shows these tensors, or these gradients, by number.

    A run that gives calls other tensors sees them first at any of these.
    """
    for event in trace.events:
        value, gradient = _KINDS[event.moment]
        for slot in event.slots:
            kinds = [value] if slot.tensor in values else []
            if slot.tensor in gradients or slot.gradient in gradients:
                kinds.append(gradient)
            for kind in kinds:
                yield CaptureId(step=0, path=event.path, call=event.call, slot=slot.name, kind=kind)


def parameter_places(side: Side, pairs: Iterable[WeightPair]) -> Iterator[CaptureId]:
    """Yields the gradients of a side's weights that stand in these pairs."""
    for pair in pairs:
        for name in pair.reference_names if side is Side.REFERENCE else (pair.candidate_name,):
            path, _, own_name = name.rpartition(".")
            kind = CaptureKind.PARAMETER_GRADIENT
            yield CaptureId(step=0, path=path, call=0, slot=own_name, kind=kind)


def can_have_gold(options: Options, source: Source) -> bool:
    """Whether the reference can run in float64, and its rounding has a say, or is to be shown."""
    return source.worker.has_float64_steps and (options.oracle or rounding_has_a_say(options))


def rounding_has_a_say(options: Options) -> bool:
    """Whether rounding decides; where a user's own bounds do, it tells what they let through."""
    return options.compare_mode is CompareMode.STRICT and options.floor is not Floor.TABLE


def _without_bounds(table: PairTable[Any]) -> Iterator[tuple[TensorPair[Any], Measured]]:
    """Yields the pairs that were measured, as they are judged where the user sets no bounds."""
    return ((pair, one.without_bounds) for pair, one in table.all_measured())


def _mirrored(plan: Plan) -> Plan:
    """Returns the plan of the reference against itself: what has a partner in `plan` has itself for one."""
    alone = [call.layer for call in plan.calls]
    paired = {layer.reference: layer for layer in (*alone, *plan.layers)}
    return Plan(
        layers=tuple(dataclasses.replace(layer, candidate=path) for path, layer in paired.items()),
        ignored_reference=plan.ignored_reference,
        ignored_candidate=plan.ignored_reference,
        left_out_reference=plan.left_out_reference,
        left_out_candidate=plan.left_out_reference,
        inside_reference=plan.inside_reference,
        inside_candidate=plan.inside_reference,
        reference_aliases=plan.reference_aliases,
        candidate_aliases=plan.reference_aliases,
    )


def _mirrored_weights(weights: WeightPlan) -> Iterator[WeightPair]:
    owned: dict[str, OwnedWeight] = {}
    for pair in weights.trained:
        owned.update((one.name, one) for one in pair.references)
    for one in owned.values():
        yield WeightPair(references=(one,), candidate=one, kind=WeightKind.PARAMETER, rule=IDENTITY)


def _wide(event: CallEvent) -> CallEvent:
    slots = (
        dataclasses.replace(slot, spec=dataclasses.replace(slot.spec, dtype=widest_dtype(slot.spec.dtype)))
        for slot in event.slots
    )
    return dataclasses.replace(event, slots=tuple(slots))
