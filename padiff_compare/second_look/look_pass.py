"""Pass of a second look: a step once more in lockstep, with the functions inside chosen calls of layers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES
from padiff_compare.functions.locate import Spot
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations, own_inputs
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.lockstep.lockstep_plan import LockstepPlan, plan_lockstep
from padiff_compare.lockstep.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.run import Run
from padiff_compare.second_look.suspects import Suspect
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.step_reader import PassMeter
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_rpc.records import record
from padiff_rpc.v1.records import StepStart
from padiff_rpc.v1.words import DefaultLoss, Pass, Phase, Side


@record
class StepLook:
    """What is looked at: a step that has run, and the calls of layers in which a phase of it goes wrong."""

    step: int
    batch: StepBatch
    phase: Phase
    joined: JoinedCalls
    suspects: tuple[Suspect, ...]

    @property
    def is_backward(self) -> bool:
        return self.phase is Phase.BACKWARD


def replaced_gradients(joined: JoinedCalls) -> frozenset[Spot]:
    """Returns the candidate's slots whose whole gradients such a pass replaces."""
    return frozenset(
        Spot(place.path, place.call, place.moment, place.slot)
        for place in plan_lockstep(joined).places
        if not (place.keeps_gradient or place.own_gradient)
    )


class LookPass:
    """Runs such passes. Both models are as they were then."""

    def __init__(
        self, run: Run, sources: SourcePair, aligned: AlignedModels, decisions: RandomDecisions
    ) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._decisions = decisions

    def run(self, look: StepLook) -> Mapping[Side, SideEnd]:
        """Runs the step, in backward with the reference's gradients too; returns how each side ended."""
        overrides = plan_lockstep(look.joined)
        running = StepRun(
            self._sources.sides,
            PassStart(starts=self._starts(look, overrides), batch=look.batch),
            self._run.store,
            Tolerances(self._run.options, in_lockstep=True),
            PassMeter(self._run.report, look.step, "the functions between the layers"),
        )
        feed = OverrideFeed(
            overrides,
            gradients=look.is_backward,
            window_bytes=min(WINDOW_BYTES, self._run.store.limit_bytes),
        )
        known = PassPlan(
            plan=self._aligned.plan,
            weights=self._aligned.weight_plan,
            expectations=Expectations(look.joined),
        )
        with closing(StepCaptures(known, self._run.store, running.ready, feed)) as captures:
            return running.run(captures, feed)

    def _starts(self, look: StepLook, overrides: LockstepPlan) -> Mapping[Side, StepStart]:
        settings, options = self._run.settings, self._run.options
        starts = {
            side: StepStart(
                lease="",
                step=look.step,
                batch=look.batch.batches[side],
                batch_from_loader=look.batch.from_loader,
                pass_kind=Pass.LOCKSTEP if side is Side.CANDIDATE else Pass.FREE,
                overrides=overrides.places if side is Side.CANDIDATE else (),
                override_gradients=look.is_backward and side is Side.CANDIDATE,
                backward=look.is_backward,
                optimize=False,
                loss_divisor=settings.accumulate,
                loss_scale=options.loss_scale,
                mean_loss=options.loss is DefaultLoss.MEAN,
                loss_slots=self._aligned.loss_slots[side],
                own_gradients=own_inputs(look.joined.traces[side]) if look.is_backward else (),
                skip_paths=self._aligned.plan.skip_paths(side),
                functions=tuple(suspect.selection(side) for suspect in look.suspects),
            )
            for side in SIDES
        }
        return {side: self._decisions.told(start, side) for side, start in starts.items()}
