"""Combinations of training settings: a user's own step, loaders, accumulation, clipping, scaling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Note, Options, Party, WorkerInfo
from padiff_rpc.v1.words import DiffPhase, NoteKind, Side

_DEFAULTS = {
    "accumulate": 1,
    "clip_norm": None,
    "loss_scale": 1.0,
    "single_step": False,
}

_OF_SCRIPTS = "scripts make their own steps, which are compared as they are; leave it out"


def check_sources(reference: Party, candidate: Party) -> None:
    """Raises InvalidRequestError for a loader or a train step on one side only."""
    for field in ("loader", "train_step"):
        named = [bool(getattr(party.model, field)) for party in (reference, candidate)]
        if any(named) and not all(named):
            side = "candidate" if named[0] else "reference"
            raise InvalidRequestError("give one for both sides, or for neither", field=f"{side}.{field}")


def check_scripts(start: CompareStart, workers: Mapping[Side, WorkerInfo]) -> bool:
    """Returns whether both workers watch scripts that make their own steps.

    Raises InvalidRequestError for a script on one side only, and for what cannot be had of scripts' steps.
    """
    watching = {side: worker is not None and worker.watches_script for side, worker in workers.items()}
    if not any(watching.values()):
        return False
    if not all(watching.values()):
        side = next(side for side, watches in watching.items() if not watches)
        raise InvalidRequestError(
            "the other side is a script, which makes its own steps; run one on this side too, by padiff run",
            field=f"{side}.worker",
        )
    if start.options.local_error:
        raise InvalidRequestError(_OF_SCRIPTS, field="options.local_error")
    if start.options.diff_phase not in (None, DiffPhase.BOTH):
        raise InvalidRequestError(_OF_SCRIPTS, field="options.diff_phase")
    _check_defaults(start.options, _OF_SCRIPTS)
    return True


def _check_defaults(options: Options, why: str) -> None:
    for name, default in _DEFAULTS.items():
        if getattr(options, name) != default:
            raise InvalidRequestError(why, field=f"options.{name}")


def check_training(start: CompareStart, *, has_optimizer: bool) -> None:
    """Raises InvalidRequestError for what a step cannot do both of."""
    options = start.options
    if start.reference.model.train_step:
        _check_defaults(
            options, "a train step is run as it is, and this is for the built-in one; leave one of them out"
        )
        for side, party in (("reference", start.reference), ("candidate", start.candidate)):
            for field in ("loss", "autocast"):
                if getattr(party.model, field):
                    raise InvalidRequestError(
                        "a train step brings its own; leave one of them out", field=f"{side}.{field}"
                    )
    if options.accumulate > 1 and not has_optimizer:
        raise InvalidRequestError(
            "gradients add up for an optimizer; give one on both sides, or leave it out",
            field="options.accumulate",
        )


def training_notes(
    start: CompareStart, *, steps: int, optimizes: bool, goes_backward: bool
) -> Iterator[Note]:
    """Yields what of the asked has no effect."""
    options = start.options
    left = steps % options.accumulate
    if optimizes and left:
        numbers = tuple(map(float, (steps, options.accumulate, left)))
        yield Note(kind=NoteKind.GRADIENTS_NOT_USED, numbers=numbers)
    if options.accumulate > 1 and not optimizes:
        yield Note(kind=NoteKind.NOTHING_ACCUMULATED)
    if options.clip_norm is not None and not optimizes:
        yield Note(kind=NoteKind.NOTHING_CLIPPED)
    if options.loss_scale != _DEFAULTS["loss_scale"] and not goes_backward:
        yield Note(kind=NoteKind.NOTHING_SCALED)
