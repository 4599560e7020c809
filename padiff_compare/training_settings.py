"""Combinations of training settings: a user's own step, loaders, accumulation, clipping, scaling."""

from __future__ import annotations

from collections.abc import Iterator

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Note, Party
from padiff_rpc.v1.words import NoteKind

_DEFAULTS = {
    "accumulate": 1,
    "clip_norm": None,
    "loss_scale": 1.0,
    "single_step": False,
}


def check_sources(reference: Party, candidate: Party) -> None:
    """Raises InvalidRequestError for a loader or a train step on one side only."""
    for field in ("loader", "train_step"):
        named = [bool(getattr(party.model, field)) for party in (reference, candidate)]
        if any(named) and not all(named):
            side = "candidate" if named[0] else "reference"
            raise InvalidRequestError("give one for both sides, or for neither", field=f"{side}.{field}")


def check_training(start: CompareStart, *, has_optimizer: bool) -> None:
    """Raises InvalidRequestError for what a step cannot do both of."""
    options = start.options
    if start.reference.model.train_step:
        for name, default in _DEFAULTS.items():
            if getattr(options, name) != default:
                raise InvalidRequestError(
                    "a train step is run as it is, and this is for the built-in one; leave one of them out",
                    field=f"options.{name}",
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
