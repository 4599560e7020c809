"""Comparison with a recording: what of the request the recording decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import CompareStart, Note, Options, Recording
from padiff_rpc.v1.words import CompareMode, DefaultLoss, DiffPhase, NoteKind, Randomness, Side


def as_shown(start: CompareStart, shown: Mapping[Side, Recording]) -> CompareStart:
    """Returns the request with what recordings decide: their models, and how far a step goes.

    Raises InvalidRequestError for what was not recorded, and for settings under which it was not.
    """
    options = start.options
    for side, recording in shown.items():
        party = getattr(start, str(side))
        model = recording.shown_model
        start = dataclasses.replace(start, **{str(side): dataclasses.replace(party, model=model)})
        _check(side, recording, start)
        if not recording.settings.backward:
            options = dataclasses.replace(options, diff_phase=DiffPhase.FORWARD)
        if recording.statistics_only:
            _check_sketches(side, options)
    if Side.CANDIDATE in shown:
        if options.single_step or options.local_error:
            field = "single_step" if options.single_step else "local_error"
            raise InvalidRequestError(
                "nothing can be put in place of what a recorded candidate computed; leave it out, or let the "
                "candidate run",
                field=f"options.{field}",
            )
        # Each side was given its own.
        options = dataclasses.replace(options, randomness=Randomness.REPORT)
        start = dataclasses.replace(start, auto_weights=False)
    elif Side.REFERENCE in shown:
        had = shown[Side.REFERENCE].settings.randomness
        # The default stands for whatever was recorded.
        if options.randomness not in (had, Randomness.SHARED):
            raise InvalidRequestError(
                f"the reference was recorded with {had}; ask for the same, or record it again",
                field="options.randomness",
            )
        options = dataclasses.replace(options, randomness=had)
    return dataclasses.replace(start, options=options)


def _check_sketches(side: Side, options: Options) -> None:
    """Raises InvalidRequestError for what needs elements, where sketches were recorded."""
    asked = {
        "single_step": options.single_step,
        "local_error": bool(options.local_error),
        "compare_mode": options.compare_mode is CompareMode.MEAN,
    }
    for field, is_asked in asked.items():
        if is_asked:
            raise InvalidRequestError(
                f"the {side}'s recording holds statistics only; leave it out, or record the tensors",
                field=f"options.{field}",
            )


def notes(start: CompareStart, shown: Mapping[Side, Recording]) -> Iterator[Note]:
    """Yields what a reader should know of the recordings; `start` is as it was asked."""
    for side, recording in shown.items():
        yield Note(kind=NoteKind.SHOWN, side=side, names=(recording.made_at,))
        if recording.cut_short:
            yield Note(kind=NoteKind.RECORDING_CUT_SHORT, side=side, numbers=(float(recording.steps),))
        if recording.left_out:
            numbers = (float(len(recording.left_out)),)
            yield Note(kind=NoteKind.LEFT_OUT_OF_RECORDING, side=side, numbers=numbers)
        if not recording.settings.backward and start.options.diff_phase is not DiffPhase.FORWARD:
            yield Note(kind=NoteKind.RECORDED_FORWARD, side=side)
    if Side.CANDIDATE in shown and start.auto_weights:
        yield Note(kind=NoteKind.WEIGHTS_AS_RECORDED)


def _check(side: Side, recording: Recording, start: CompareStart) -> None:
    options, settings = start.options, recording.settings
    if start.steps > recording.steps:
        raise InvalidRequestError(
            f"{start.steps} is not allowed: the {side}'s recording has {recording.steps}; ask for as many, "
            "or record more",
            field="steps",
        )
    if options.diff_phase in (DiffPhase.BOTH, DiffPhase.BACKWARD) and not settings.backward:
        raise InvalidRequestError(
            f"{options.diff_phase} is not allowed: the {side} was recorded without backward; "
            "allowed: forward",
            field="options.diff_phase",
        )
    if options.diff_phase is DiffPhase.FORWARD:
        return
    asked: dict[str, tuple[Any, Any]] = {
        "loss": (options.loss is DefaultLoss.MEAN, settings.mean_loss),
        "accumulate": (options.accumulate, settings.accumulate),
        "clip_norm": (options.clip_norm or 0.0, settings.clip_norm),
        "loss_scale": (options.loss_scale, settings.loss_scale),
    }
    for field, (wanted, had) in asked.items():
        if wanted != had and settings.backward:
            was = {"loss": str(DefaultLoss.MEAN if had else DefaultLoss.PROJECTION)}.get(field, f"{had:g}")
            raise InvalidRequestError(
                f"the {side} was recorded with {was}; ask for the same, or record it again",
                field=f"options.{field}",
            )
