"""Settings of a comparison: forced combinations are noted, impossible ones refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from padiff_compare.run import Settings
from padiff_compare.training_settings import check_sources, check_training, training_notes
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Note, Party, WorkerInfo
from padiff_rpc.v1.words import DiffPhase, NoteKind, Side, TraceMode

Workers = Mapping[Side, WorkerInfo]
NOBODY_ASKED: Workers = {}


def settle(start: CompareStart, workers: Workers = NOBODY_ASKED) -> Settings:
    """Returns the settings of a comparison. Raises InvalidRequestError for what cannot be meant.

    `workers` are what the workers say of themselves; without it, what they may have counts as had.
    """
    check_parties(start.reference, start.candidate, workers)
    check_sources(start.reference, start.candidate)
    if start.steps < 1:
        raise InvalidRequestError(
            f"{start.steps} is not allowed; allowed: a number of at least 1", field="steps"
        )
    parties = {Side.REFERENCE: start.reference, Side.CANDIDATE: start.candidate}
    has_optimizer = all(_may_have(party, "optimizer", workers.get(side)) for side, party in parties.items())
    check_training(start, has_optimizer=has_optimizer)
    settings = _settle(start, has_optimizer)
    more = training_notes(
        start, steps=settings.steps, optimizes=settings.optimize, goes_backward=settings.backward
    )
    return dataclasses.replace(settings, notes=(*settings.notes, *more))


def _settle(start: CompareStart, has_optimizer: bool) -> Settings:
    if start.options.diff_phase is DiffPhase.FORWARD:
        return _forward_only(start)
    if start.options.single_step:
        return _lockstep(start, has_optimizer)
    if start.reference.model.train_step:
        return Settings(steps=start.steps, backward=True, optimize=True)
    if start.steps > 1 and not has_optimizer:
        raise InvalidRequestError(
            f"{start.steps} steps need an optimizer on both sides: give one, or leave steps at 1",
            field="steps",
        )
    notes: tuple[Note, ...] = ()
    if start.options.diff_phase is DiffPhase.BACKWARD and not start.options.local_error:
        notes = (Note(kind=NoteKind.FORWARD_COUNTED),)
    return Settings(
        steps=start.steps,
        backward=True,
        optimize=has_optimizer,
        accumulate=start.options.accumulate,
        notes=notes,
    )


def _lockstep(start: CompareStart, has_optimizer: bool) -> Settings:
    notes, steps = [], _steps_without_optimizer(start)
    if has_optimizer:
        notes.append(Note(kind=NoteKind.LOCKSTEP_TAKES_NO_OPTIMIZER))
    if start.steps > steps:
        notes.append(Note(kind=NoteKind.LOCKSTEP_MAKES_ONE_STEP, numbers=(float(start.steps),)))
    return Settings(steps=steps, backward=True, optimize=False, notes=tuple(notes))


def _forward_only(start: CompareStart) -> Settings:
    notes, steps = [], _steps_without_optimizer(start)
    if start.reference.model.optimizer:
        notes.append(Note(kind=NoteKind.FORWARD_TAKES_NO_OPTIMIZER))
    if start.reference.model.loss:
        notes.append(Note(kind=NoteKind.FORWARD_COMPUTES_NO_LOSS))
    if start.steps > steps:
        notes.append(Note(kind=NoteKind.FORWARD_MAKES_ONE_STEP, numbers=(float(start.steps),)))
    return Settings(steps=steps, backward=False, optimize=False, notes=tuple(notes))


def _steps_without_optimizer(start: CompareStart) -> int:
    """Returns one step; as many as were asked for where the first is but the trace of those in lockstep."""
    options = start.options
    has_lockstep = options.single_step or options.local_error
    return start.steps if has_lockstep and options.trace is TraceMode.FIRST_STEP else 1


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
