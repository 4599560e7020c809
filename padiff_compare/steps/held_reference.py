"""Reference held: what it shows of a pass, and what its runs in float64 make of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import chain
from typing import Optional

from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import StepCaptures
from padiff_compare.judge.evidence import LARGEST_SCORE, may_be_ties
from padiff_compare.lockstep.override_feed import InputNoise
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.run import Run
from padiff_compare.steps.gold import Asked, Gold, GoldRun
from padiff_compare.steps.own_errors import BothFromGold, OwnErrors, StepErrors, larger
from padiff_compare.steps.step_run import PassStart
from padiff_rpc.v1.records import Note, StepNoise, WeightNoise
from padiff_rpc.v1.words import NoteKind, Side

# What the rounding of a call's inputs comes to; twice where nothing else tells what rounding does.
_ROUNDING = (InputNoise(epsilons=0.5), InputNoise(epsilons=0.5, draw=7))
# Of these, as many as a recording measures.
_RECORDED_DRAWS = 2
# Of the noise that a free run in float64 begins with.
_DRAWS = (0, 7)
# What tips decisions whose margin is as small as a score allows: opposite noise tips each to one side.
_TIPPING = tuple(
    tuple(InputNoise(epsilons=sign * LARGEST_SCORE * 0.5, draw=draw, tips=True) for sign in (1, -1))
    for draw in range(1, 9)
)


class HeldReference:
    """What the reference shows of a pass, held for its runs in float64 and for the candidate's free run.

    Attributes:
        shown: the pass, as often as it is still to be shown.
        from_gold: how far both sides were from gold in lockstep; None where nobody asks, or it cannot be had.
    """

    def __init__(
        self,
        run: Run,
        gold_of: Optional[Callable[[JoinedCalls], Gold]],
        shown: Optional[HeldPass] = None,
    ) -> None:
        """`gold_of`: returns what runs the reference once more, by the calls that it made.

        `shown`: a pass that is held already.
        """
        asks = gold_of is not None and run.options.oracle
        self.shown = HeldPass(run.store) if shown is None else shown
        self._candidate = HeldPass(run.store) if asks else None
        self.from_gold: Optional[BothFromGold] = None
        self._run = run
        self._gold_of = gold_of
        # Of the pass, which is shown alike however often; known once it is asked for.
        self._digest = ""
        self._has_run = False
        self._gold: Optional[Gold] = None

    @property
    def has_run_gold(self) -> bool:
        """Whether the reference ran in float64, and no earlier comparison's runs served alone."""
        return self._has_run and self._gold is not None and self._gold.is_wide

    def holds(self, *, in_lockstep: bool) -> Mapping[Side, HeldPass]:
        """Returns what is to hold what the sides show of a pass."""
        if self._candidate is None or not in_lockstep:
            return {Side.REFERENCE: self.shown}
        return {Side.REFERENCE: self.shown, Side.CANDIDATE: self._candidate}

    def _settle_gold(self, captures: StepCaptures) -> Optional[Gold]:
        if self._gold is None and self._gold_of is not None:
            self._gold = self._gold_of(captures.joined)
        return self._gold

    def own_errors(
        self, start: PassStart, captures: StepCaptures, floors: RoundingFloors
    ) -> Optional[OwnErrors]:
        """Returns how far the reference is from gold; None where nobody asks, or it has no say.

        Where the reference happens to be nearer to gold than the rounding of what its calls were given
        allows, gold runs once more, on values with noise of that size. Where it does not run in float64, what
        such noise does to its own calls is all that tells.
        """
        if self._run.recorded_errors is not None:
            return self._recorded(start).in_lockstep
        gold = self._settle_gold(captures)
        asked = gold.asked(captures, floors) if gold is not None else None
        if gold is None or asked is None:
            return None
        errors = self._of_gold(gold, start, asked) if gold.is_wide else None
        if not gold.has_a_say:
            return None
        if gold.is_wide and (errors is None or not any(gold.questions(captures, floors, errors))):
            return errors
        for noise in _ROUNDING:
            with_noise = self._measured(gold, start, GoldRun(asked=asked, noise=noise))
            errors = larger(errors, with_noise)
            if gold.is_wide or with_noise is None:
                break
        return None if errors is None else self._with_ties(start, captures, floors, asked, errors)

    def _of_gold(self, gold: Gold, start: PassStart, asked: Asked) -> Optional[OwnErrors]:
        if self._candidate is None:
            return self._measured(gold, start, GoldRun(asked=asked))
        with closing(HeldPass(self._run.store)) as shown:
            errors = self._measured(gold, start, GoldRun(asked=asked, shown=shown))
            if errors is not None:
                theirs = gold.candidates_errors(start, shown, self._candidate)
                self.from_gold = BothFromGold(reference=errors, candidate=theirs)
            return errors

    def _with_ties(
        self,
        start: PassStart,
        captures: StepCaptures,
        floors: RoundingFloors,
        asked: Asked,
        errors: OwnErrors,
    ) -> OwnErrors:
        """Returns `errors` with what more noise decides otherwise, where the candidate may have as well."""
        gold = self._gold
        undecided: list[int] = []
        assert gold is not None
        for draw in _TIPPING:
            left = [one for one in gold.questions(captures, floors, errors) if may_be_ties(*one)]
            undecided.append(sum(own.undecided.positions.size for _, own in left if own.undecided))
            # What the first draw tips in no part is no decision. Of others one draw may miss what is left.
            patience = 1 if len(undecided) == 2 else 2
            is_idle = len(undecided) > patience and undecided[-1] == undecided[-1 - patience]
            if not left or is_idle:
                break
            for noise in draw:
                tipped = self._measured(gold, start, GoldRun(asked=asked, noise=noise))
                if tipped is None:
                    return errors
                errors = errors.with_undecided(tipped)
        return errors

    def all_errors(self, gold: Gold, start: PassStart) -> StepErrors:
        """Returns all that comparisons to come may ask: noise, decisions that tip, and a free run with it."""
        asked = Asked(backward=start.starts[Side.REFERENCE].backward)
        errors = self._measured(gold, start, GoldRun(asked=asked))
        for noise in _ROUNDING[:1] if errors is not None else _ROUNDING:
            errors = larger(errors, self._measured(gold, start, GoldRun(asked=asked, noise=noise)))
        for noise in chain.from_iterable(_TIPPING[:_RECORDED_DRAWS] if errors is not None else ()):
            tipped = self._measured(gold, start, GoldRun(asked=asked, noise=noise))
            if errors is not None and tipped is not None:
                errors = errors.with_undecided(tipped)
        freely: Optional[OwnErrors] = None
        for draw in _DRAWS:
            how = GoldRun(asked=asked, freely=StepNoise(relative=gold.rounding, weights=(), draw=draw))
            freely = larger(freely, self._measured(gold, start, how))
        return StepErrors(in_lockstep=errors, freely=freely)

    def _recorded(self, start: PassStart) -> StepErrors:
        step = start.starts[Side.REFERENCE].step
        find = self._run.recorded_errors
        found = find(step) if find is not None else None
        if found is None:
            return StepErrors()
        self._run.report.note(Note(kind=NoteKind.RECORDED_FLOORS, numbers=(float(step),)))
        return found

    def taken(self) -> HeldPass:
        """Returns what is held, which is the caller's from now on; what comes is held anew."""
        taken, self.shown = self.shown, HeldPass(self._run.store)
        return taken

    def drifts(self, start: PassStart, captures: StepCaptures, noise: StepNoise) -> Optional[bool]:
        """Whether a free run drifts further than the reference's own; None where that cannot be told.

        The reference's own drift is that of its free float32 run from gold, which runs freely too, and begins
        with `noise`.
        """
        gold = self._settle_gold(captures)
        if gold is None or not (gold.is_wide and gold.has_a_say):
            return None
        asked = gold.adrift(captures)
        if asked is None:
            return False
        own = self._measured(gold, start, GoldRun(asked=asked, freely=noise))
        return None if own is None else gold.drifts_further(captures, own)

    def own_drift(
        self,
        start: PassStart,
        captures: StepCaptures,
        floors: RoundingFloors,
        parted: tuple[WeightNoise, ...],
    ) -> Optional[OwnErrors]:
        """Returns how far a free run of the reference is from gold, which runs freely too.

        Gold begins with noise as large as the rounding of the batch and of the weights, which are `parted`
        besides; where questions are left, once more with another. Where the reference does not run in
        float64, what such noise does to it in its own dtypes is all that tells. None as `own_errors`.
        """
        if self._run.recorded_errors is not None:
            # Of weights that have parted since, nobody knew.
            return None if parted else self._recorded(start).freely
        gold = self._settle_gold(captures)
        asked = gold.asked(captures, floors, freely=True) if gold is not None else None
        if gold is None or asked is None or not gold.has_a_say:
            return None
        errors: Optional[OwnErrors] = None
        for draw in _DRAWS:
            noise = StepNoise(relative=gold.rounding, weights=parted, draw=draw)
            how, was_wide = GoldRun(asked=asked, freely=noise), gold.is_wide
            found = self._measured(gold, start, how)
            if found is None and was_wide:
                found = self._measured(gold, start, how)
            if found is None:
                break
            errors = larger(errors, found)
            assert errors is not None
            if not gold.leaves_questions(captures, floors, errors):
                break
        return errors

    def _measured(self, gold: Gold, start: PassStart, how: GoldRun) -> Optional[OwnErrors]:
        """Returns what a run has measured, or what one like it did in an earlier comparison."""
        floors = self._run.floors
        if floors is None or how.shown is not None:
            return self._run_gold(gold, start, how)
        if not self._digest:
            self._digest = self.shown.digest()
        key = gold.key(start, self._digest, how)
        errors = floors.get(key)
        if errors is not None:
            step = float(start.starts[Side.REFERENCE].step)
            self._run.report.note(Note(kind=NoteKind.KEPT_FLOORS, numbers=(step,)))
            return errors
        errors = self._run_gold(gold, start, how)
        if errors is not None:
            floors.put(key, errors)
        return errors

    def _run_gold(self, gold: Gold, start: PassStart, how: GoldRun) -> Optional[OwnErrors]:
        self._has_run = True
        with closing(self.taken()) as held:
            return gold.run(start, held, self.shown, how)

    def close(self) -> None:
        """Releases what nobody was shown; may be called twice."""
        self.shown.close()
        if self._candidate is not None:
            self._candidate.close()
