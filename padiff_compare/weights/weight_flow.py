"""Weights on their way from the reference to the candidate, and the rows that compare them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from itertools import groupby, islice
from typing import Optional

from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.source import Sources
from padiff_compare.capture.trace import Traces
from padiff_compare.judge.evidence import Evidence, Known, Measured, Misfit
from padiff_compare.judge.judged_row import (
    blank_row,
    judged_row,
    lone_row,
    numbered,
    unmeasured_row,
)
from padiff_compare.judge.measure import measure
from padiff_compare.judge.measured import Aspect, Probe, measure_pair, probed
from padiff_compare.judge.tolerances import StepTolerances, Tolerances
from padiff_compare.model_index import Models
from padiff_compare.weights.conventions import RunningVariances, Spreads, is_variance, rounding_of_statistics
from padiff_compare.weights.element_map import function_step
from padiff_compare.weights.held_weights import HeldWeights
from padiff_compare.weights.neutral_weights import NeutralWeights
from padiff_compare.weights.special_calls import SpecialCalls
from padiff_compare.weights.step_conventions import StepConventions
from padiff_compare.weights.step_history import StepHistory, StepLengths
from padiff_compare.weights.weight_pair import SpecialInit, WeightPair, WeightPlan, WeightSize, full_name
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, cast, checksum
from padiff_rpc.v1.records import LayoutRule, Options, Place, Reason, Row, TensorSpec, Tolerance, Unmatched
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    DType,
    LoneKind,
    Phase,
    Side,
    ToleranceSource,
    WeightKind,
)

_KINDS = {WeightKind.PARAMETER: CaptureKind.PARAMETER, WeightKind.BUFFER: CaptureKind.BUFFER}
_EXACT = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT)
ALL_KINDS = frozenset(WeightKind)


@record
class _Reading:
    """What one reading of the weights is for; see `WeightFlow.rows`."""

    phase: Phase
    step: int
    just_copied: bool
    history: StepHistory
    in_lockstep: bool
    traces: Optional[Traces]
    steps: Optional[StepConventions]


@record
class _Written:
    """What the candidate has of a weight if it was written as it was meant to be."""

    checksum: int
    measured: Measured


_AS_WRITTEN = _Reading(
    phase=Phase.INITIAL_WEIGHTS,
    step=0,
    just_copied=True,
    history=StepHistory(),
    in_lockstep=False,
    traces=None,
    steps=None,
)


class WeightFlow:
    """Carries out one weight plan; two tensors are in memory at a time.

    Attributes:
        neutral: the weights of norms that only one side has.
        sizes: of the reference's weights, as they were last read, by the candidate's full names.
        optimizers_step: whether it is to be known how far steps move the parameters.
    """

    def __init__(
        self,
        sources: Sources,
        plan: WeightPlan,
        models: Models,
        options: Options,
        probe: Optional[Probe] = None,
    ) -> None:
        """`probe`: is shown each pair that is compared."""
        self._probe = probe
        self._sources = sources
        self._reference, self._candidate = sources[Side.REFERENCE], sources[Side.CANDIDATE]
        self._plan = plan
        self._models = models
        self._tolerances = Tolerances(options)
        self._local_tolerances = Tolerances(options, in_lockstep=True)
        self._options = options
        self._steps = StepLengths()
        self._variances = RunningVariances(models)
        self.neutral = NeutralWeights(sources, plan.affine)
        self.sizes: dict[str, WeightSize] = {}
        self.optimizers_step = False
        self._written: dict[str, _Written] = {}

    def copy(self, *, to_be_verified: bool = False) -> int:
        """Writes the reference's weights into the candidate; returns how many were written.

        What the candidate is found to hold already is not written. `to_be_verified`: by the `rows` of what
        was just copied, which then need but checksums. Raises RuleFailed when a user's function did.
        """
        self._written.clear()
        placed = [pair for pair in self._plan.pairs if pair.placed]
        written = 0
        if placed:
            written = self._candidate.weights.write(
                self._placed_values(placed, to_be_verified=to_be_verified), Phase.INITIAL_WEIGHTS
            )
        for special in self._plan.special:
            values = self._special_values(special, Phase.INITIAL_WEIGHTS)
            named = ((full_name(special.candidate_path, key), value) for key, value in values.items())
            written += self._candidate.weights.write(named, Phase.INITIAL_WEIGHTS)
        return written

    def _placed_values(
        self, placed: list[WeightPair], *, to_be_verified: bool
    ) -> Iterator[tuple[str, HostTensor]]:
        held = HeldWeights(self._candidate, placed)
        for pair, values in self._reference_values(placed, Phase.INITIAL_WEIGHTS):
            value = pair.rule.apply(*values)
            wanted = pair.candidate.weight.spec
            if to_be_verified and value.array.shape == wanted.shape:
                expected = cast(value, wanted.dtype)
                self._written[pair.candidate_name] = _Written(
                    checksum=checksum(expected),
                    measured=self._measured_pair(_AS_WRITTEN, pair, value, expected),
                )
            if not held.has(pair, value):
                yield pair.candidate_name, value

    def _verified(self, pairs: list[WeightPair]) -> dict[str, Measured]:
        """Returns what the pairs come to whose weights are, by their checksums, as they were written."""
        names = [pair.candidate_name for pair in pairs if pair.candidate_name in self._written]
        present = zip(names, self._candidate.weights.checksums(names))
        written, self._written = self._written, {}
        return {name: written[name].measured for name, one in present if one == written[name].checksum}

    def _reference_values(
        self, pairs: list[WeightPair], phase: Phase
    ) -> Iterator[tuple[WeightPair, tuple[HostTensor, ...]]]:
        """Yields each pair with its reference tensors; what follows itself (packed weights) is read once."""
        groups = [list(same) for _, same in groupby(pairs, key=lambda pair: pair.reference_names)]
        names = [name for group in groups for name in group[0].reference_names]
        read = self._reference.weights.read(names, phase)
        for group in groups:
            values = tuple(islice(read, len(group[0].references)))
            for pair in group:
                yield pair, values

    def tell(self, steps: StepConventions) -> None:
        """Shows the conventions of a step the parameters that it begins with."""
        stepped = [pair for pair in self._plan.trained if pair.placed or pair.tied]
        for pair, values in self._reference_values(stepped, Phase.WEIGHTS):
            steps.given_weight(pair, pair.rule.apply(*values))

    def rows(
        self,
        phase: Phase,
        *,
        step: int = 0,
        kinds: Collection[WeightKind] = ALL_KINDS,
        just_copied: bool = False,
        history: Optional[StepHistory] = None,
        in_lockstep: bool = False,
        traces: Optional[Traces] = None,
        steps: Optional[StepConventions] = None,
    ) -> Iterator[Row]:
        """Yields a row for each pair of the plan, weights read back from both workers.

        `just_copied` asks for equal bits after the cast to the candidate's dtype. `history`: what an
        optimizer made of a gradient can be no better than the gradient. `in_lockstep`: buffers were made of
        the reference's values. `traces`: of the pass behind which this is. `steps`: what optimizers that step
        in it by two conventions make of a parameter.
        """
        reading = _Reading(
            phase=phase,
            step=step,
            just_copied=just_copied,
            history=history or StepHistory(),
            in_lockstep=in_lockstep,
            traces=traces,
            steps=steps,
        )
        return numbered(self._rows(reading, kinds))

    def _rows(self, reading: _Reading, kinds: Collection[WeightKind]) -> Iterator[Row]:
        phase, step, history = reading.phase, reading.step, reading.history
        compared = [
            pair for pair in self._plan.pairs if pair.compared and pair.kind in kinds and not pair.is_misfit
        ]
        measured = self._verified(compared) if reading.just_copied else {}
        rest = [pair for pair in compared if pair.candidate_name not in measured]
        values = zip(
            self._reference_values(rest, phase),
            self._candidate.weights.read([pair.candidate_name for pair in rest], phase),
        )
        for (pair, parts), candidate in values:
            reference = pair.rule.view(*parts)
            measured[pair.candidate_name] = self._measured_pair(reading, pair, reference, candidate)
        found = [(pair, measured[pair.candidate_name]) for pair in compared]
        # Only now is it known what spread a layer's values have.
        spreads = Spreads((pair.candidate.path, pair.candidate.weight, one) for pair, one in found)
        for pair, one in found:
            kind = _KINDS[pair.kind]
            owned, sums = pair.candidate, 0.0
            if one.figures is not None:
                size = WeightSize(rms=one.figures.rms_reference, shape=owned.weight.spec.shape)
                self.sizes[pair.candidate_name] = size
            if phase is Phase.WEIGHTS and pair.kind is WeightKind.BUFFER:
                spread = spreads.of(owned.path, owned.weight)
                sums = rounding_of_statistics(pair, one, spread, reading.traces)
            known = Known(made_by_chance=history.random.get(pair.candidate_name, ()))
            evidence = Evidence(kind=kind, measured=one, sums=sums, known=known)
            yield judged_row(self._frame(pair, phase, step), evidence, self._options, pair.rule)
        for special in self._plan.special:
            yield from self._special_rows(special, phase, step, kinds)
        if WeightKind.PARAMETER in kinds:
            yield from self.neutral.rows(phase, step)
        if phase is Phase.INITIAL_WEIGHTS:
            yield from self._rows_without_values()

    def _measured_pair(
        self, reading: _Reading, pair: WeightPair, reference: HostTensor, candidate: HostTensor
    ) -> Measured:
        """Measures a pair, the reference's in the candidate's layout, and brought to its conventions."""
        in_lockstep = reading.in_lockstep
        name = pair.reference_name, pair.candidate_name
        if pair.kind is WeightKind.PARAMETER and self.optimizers_step:
            self._steps.note(name, reference)
        step_rms = self._steps.latest_rms(name)
        self._variances.seen(pair, reading.step, reference, candidate)
        converted = self._variances.converted(pair, reference, reading.traces, in_lockstep=in_lockstep)
        reference = reference if converted is None else converted.value
        why: tuple[Reason, ...] = () if converted is None else (converted.reason,)
        if reading.steps is not None and in_lockstep and pair.kind is WeightKind.PARAMETER:
            both, why = reading.steps.weight(pair, {Side.REFERENCE: reference, Side.CANDIDATE: candidate})
            reference, candidate = both[Side.REFERENCE], both[Side.CANDIDATE]
        tolerances = self._tolerances
        if in_lockstep and _is_exact(pair, is_converted=converted is not None):
            tolerances = self._local_tolerances
        elif in_lockstep and pair.kind is WeightKind.PARAMETER and step_rms is not None:
            tolerances = StepTolerances(self._options, step_rms)
        aspect = Aspect(phase=reading.phase, kind=_KINDS[pair.kind], shown=pair.shown())
        one = self._measured(
            aspect,
            reference,
            candidate,
            tolerances=tolerances,
            just_copied=reading.just_copied,
            drift=reading.history.drift(pair.candidate_name, self._steps.of(name)),
        )
        one = dataclasses.replace(one, notes=(*one.notes, *why))
        return probed(aspect, one, reference, candidate, self._probe)

    def _measured(
        self,
        aspect: Aspect,
        reference: HostTensor,
        candidate: HostTensor,
        tolerances: Tolerances,
        just_copied: bool = False,
        drift: float = 0.0,
    ) -> Measured:
        if just_copied and reference.array.shape == candidate.array.shape:
            return Measured(
                reference=reference.spec,
                candidate=candidate.spec,
                tolerance=_EXACT,
                figures=measure(cast(reference, candidate.dtype), candidate, _EXACT),
            )
        return measure_pair(aspect, reference, candidate, tolerances=tolerances, drift=drift)

    def _special_values(self, special: SpecialInit, phase: Phase) -> dict[str, HostTensor]:
        """Returns what the user's function computes of the reference's present weights, by its names."""
        call = SpecialCalls(self._sources, special, phase)
        made = call(call.given().items())
        return {
            name: _as_bfloat16(made[name], owned.weight.spec.dtype)
            for name, owned in special.computed.items()
            if name in made
        }

    def _special_rows(
        self, special: SpecialInit, phase: Phase, step: int, kinds: Collection[WeightKind]
    ) -> Iterator[Row]:
        wanted = {key: owned for key, owned in special.computed.items() if owned.weight.kind in kinds}
        if not wanted:
            return
        made = self._special_values(special, phase)
        present = self._candidate.weights.read([owned.name for owned in wanted.values()], phase)
        for (key, owned), candidate in zip(wanted.items(), present):
            row = blank_row(
                phase,
                _KINDS[owned.weight.kind],
                self._place(Side.REFERENCE, special.reference_path, key, None),
                self._place(Side.CANDIDATE, special.candidate_path, key, candidate.spec),
                step=step,
            )
            aspect = Aspect(phase=phase, kind=row.kind)
            if key in made:
                measured = self._measured(aspect, made[key], candidate, self._tolerances)
                row = judged_row(row, Evidence(kind=row.kind, measured=measured), self._options)
            else:
                reason = Reason(cause=Cause.NOT_RETURNED, names=(special.function, key))
                row = unmeasured_row(row, reason, is_needed=True)
            yield dataclasses.replace(row, rule=LayoutRule(steps=(function_step(special.function),)))

    def _rows_without_values(self) -> Iterator[Row]:
        for pair in self._plan.pairs:
            if not pair.compared:
                frame = self._frame(pair, Phase.INITIAL_WEIGHTS, 0)
                yield unmeasured_row(frame, *pair.reasons)
            elif pair.is_misfit:
                evidence = misfit_evidence(_KINDS[pair.kind], pair)
                yield judged_row(self._frame(pair, Phase.INITIAL_WEIGHTS, 0), evidence, rule=pair.rule)
        for lone in self._plan.unmatched:
            if lone.what is not LoneKind.CALL:
                yield _unmatched_row(lone)

    def _frame(self, pair: WeightPair, phase: Phase, step: int) -> Row:
        reference, candidate = (self._place(side, *pair.place(side)) for side in SIDES)
        return blank_row(phase, _KINDS[pair.kind], reference, candidate, step=step)

    def _place(self, side: Side, path: str, name: str, spec: Optional[TensorSpec]) -> Place:
        return Place(path=path, class_name=self._models[side].class_name(path), slot=name, spec=spec)


def _unmatched_row(lone: Unmatched) -> Row:
    place = Place(path=lone.path, class_name=lone.class_name, slot=lone.name)
    row = blank_row(Phase.INITIAL_WEIGHTS, CaptureKind(lone.what), place, place)
    return lone_row(row, lone.side, *lone.reasons, is_needed=lone.counts)


def _as_bfloat16(value: HostTensor, wanted: DType) -> HostTensor:
    """Returns a weight in the dtype that users' functions cannot compute in, since NumPy has none."""
    is_stand_in = wanted is DType.BFLOAT16 and value.dtype is DType.FLOAT32
    return cast(value, wanted) if is_stand_in else value


def _is_exact(pair: WeightPair, *, is_converted: bool) -> bool:
    """Whether both frameworks make the same of the same values in this buffer."""
    return pair.kind is WeightKind.BUFFER and (is_converted or not is_variance(pair.candidate.weight))


def misfit_evidence(kind: CaptureKind, pair: WeightPair) -> Evidence:
    """Returns what is known of a pair that is a misfit; its rule is not applied, since it may not be."""
    specs = [owned.weight.spec for owned in pair.references]
    made = pair.rule.shape_or_none(*(spec.shape for spec in specs))
    wanted = pair.candidate.weight.spec
    shown: Optional[TensorSpec] = specs[0] if len(specs) == 1 else None
    if made is not None:
        shown = dataclasses.replace(specs[0], shape=made)
    misfit = Misfit(reference=shown, candidate=wanted, is_of_shape=made == wanted.shape)
    return Evidence(kind=kind, why=pair.reasons, misfit=misfit)
