"""Settings of a comparison: forced combinations are noted, impossible ones refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from padiff_compare.run import Settings
from padiff_compare.training_settings import check_scripts, check_sources, check_training, training_notes
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Note, Party, Reason, WorkerInfo
from padiff_rpc.v1.words import Cause, DiffPhase, NoteKind, Pass, Side, TraceMode

Workers = Mapping[Side, WorkerInfo]
NOBODY_ASKED: Workers = {}


def settle(start: CompareStart, workers: Workers = NOBODY_ASKED) -> Settings:
    """Returns the settings of a comparison. Raises InvalidRequestError for what cannot be meant.

    `workers` are what the workers say of themselves; without it, what they may have counts as had.
    """
    of_scripts = check_scripts(start, workers)
    check_parties(start.reference, start.candidate, workers)
    check_sources(start.reference, start.candidate)
    if start.steps < 1:
        raise InvalidRequestError(
            f"{start.steps} is not allowed; allowed: a number of at least 1", field="steps"
        )
    parties = {Side.REFERENCE: start.reference, Side.CANDIDATE: start.candidate}
    has_optimizer = all(_may_have(party, "optimizer", workers.get(side)) for side, party in parties.items())
    check_training(start, has_optimizer=has_optimizer)
    why_free = _why_free(start, workers)
    passes = _passes(start, why_free)
    if of_scripts:
        settings = Settings(steps=start.steps, backward=True, optimize=has_optimizer, of_scripts=True)
    else:
        settings = _settle(start, has_optimizer, has_lockstep=Pass.LOCKSTEP in passes)
    more = training_notes(
        start, steps=settings.steps, optimizes=settings.optimize, goes_backward=settings.backward
    )
    notes = (*settings.notes, *more)
    if why_free is not None and start.options.local_error is None and Pass.LOCKSTEP not in passes:
        notes = (*notes, Note(kind=NoteKind.JUDGED_FREELY, reasons=(why_free,)))
    if start.options.oracle and Pass.LOCKSTEP not in passes:
        why = why_free or Reason(cause=Cause.NO_LOCKSTEP_ASKED)
        notes = (*notes, Note(kind=NoteKind.NO_ORACLE, reasons=(why,)))
    return dataclasses.replace(settings, passes=passes, notes=notes)


def _settle(start: CompareStart, has_optimizer: bool, *, has_lockstep: bool) -> Settings:
    has_free_trace = has_lockstep and start.options.trace is TraceMode.FIRST_STEP
    # Where the first step is but the trace of those in lockstep, as many are made as were asked for.
    steps = start.steps if has_free_trace else 1
    if start.options.diff_phase is DiffPhase.FORWARD:
        return _forward_only(start, steps)
    if start.options.single_step:
        return _lockstep(start, has_optimizer, steps)
    if start.reference.model.train_step:
        return Settings(steps=start.steps, backward=True, optimize=True)
    if start.steps > 1 and not has_optimizer:
        raise InvalidRequestError(
            f"{start.steps} steps need an optimizer on both sides: give one, or leave steps at 1",
            field="steps",
        )
    notes: tuple[Note, ...] = ()
    if start.options.diff_phase is DiffPhase.BACKWARD and not has_lockstep:
        notes = (Note(kind=NoteKind.FORWARD_COUNTED),)
    return Settings(
        steps=start.steps,
        backward=True,
        optimize=has_optimizer,
        accumulate=start.options.accumulate,
        notes=notes,
    )


def _passes(start: CompareStart, why_free: Optional[Reason]) -> tuple[Pass, ...]:
    """Returns the passes of a step: in lockstep and freely, unless one of them was asked for alone."""
    options = start.options
    if options.single_step:
        return (Pass.LOCKSTEP,)
    if options.local_error is False or (options.local_error is None and why_free is not None):
        return (Pass.FREE,)
    return Pass.LOCKSTEP, Pass.FREE


def _why_free(start: CompareStart, workers: Workers) -> Optional[Reason]:
    """Returns why no step can be made from the reference's state; None where one can.

    (Of a user's train step its optimizers tell: see `Steps`.)
    """
    candidate = workers.get(Side.CANDIDATE)
    if candidate is not None and candidate.watches_script:
        return Reason(cause=Cause.SCRIPTS_OWN_STEPS)
    if candidate is not None and candidate.recording is not None:
        return Reason(cause=Cause.CANDIDATE_IS_RECORDED)
    for side, worker in workers.items():
        if worker.recording is not None and worker.recording.statistics_only:
            return Reason(cause=Cause.STATISTICS_ONLY, side=side)
    if candidate is not None and not candidate.has_kept_state:
        return Reason(cause=Cause.WORKER_KEEPS_NO_STATE, side=Side.CANDIDATE)
    return None


def _lockstep(start: CompareStart, has_optimizer: bool, steps: int) -> Settings:
    notes = []
    if has_optimizer:
        notes.append(Note(kind=NoteKind.LOCKSTEP_TAKES_NO_OPTIMIZER))
    if start.steps > steps:
        notes.append(Note(kind=NoteKind.LOCKSTEP_MAKES_ONE_STEP, numbers=(float(start.steps),)))
    return Settings(steps=steps, backward=True, optimize=False, notes=tuple(notes))


def _forward_only(start: CompareStart, steps: int) -> Settings:
    notes = []
    if start.reference.model.optimizer:
        notes.append(Note(kind=NoteKind.FORWARD_TAKES_NO_OPTIMIZER))
    if start.reference.model.loss:
        notes.append(Note(kind=NoteKind.FORWARD_COMPUTES_NO_LOSS))
    if start.steps > steps:
        notes.append(Note(kind=NoteKind.FORWARD_MAKES_ONE_STEP, numbers=(float(start.steps),)))
    return Settings(steps=steps, backward=False, optimize=False, notes=tuple(notes))


def check_parties(reference: Party, candidate: Party, workers: Workers = NOBODY_ASKED) -> None:
    """Raises InvalidRequestError for a shared worker, and for a loss or optimizer on one side only."""
    if reference.worker.address == candidate.worker.address:
        raise InvalidRequestError(
            f"reference.worker and candidate.worker are both {reference.worker.address!r}: each side needs "
            "a worker of its own"
        )
    for field in ("loss", "optimizer"):
        parties = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
        named = [bool(getattr(party.model, field)) for party in parties.values()]
        able = [_may_have(party, field, workers.get(side)) for side, party in parties.items()]
        had = able if len(workers) == len(parties) else named
        if any(had) and not all(able):
            side = "candidate" if had[0] else "reference"
            raise InvalidRequestError("give one for both sides, or for neither", field=f"{side}.{field}")


def _may_have(party: Party, field: str, worker: Optional[WorkerInfo]) -> bool:
    """Whether the side names a loss or optimizer, or serves its own model with one, as far as is known."""
    if getattr(party.model, field):
        return True
    if worker is not None and worker.served_model:
        return bool(getattr(worker, f"serves_{field}"))
    return not party.model.model
