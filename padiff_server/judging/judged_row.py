"""Rows filled in with what was measured of their pairs."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_rpc.v1.records import Options, Place, Reason, Row, TensorSpec
from padiff_rpc.v1.words import CaptureKind, Omission, Verdict
from padiff_server.judging.judge import Judgement, judge
from padiff_server.judging.measured import Measured
from padiff_server.judging.tolerances import GRADIENTS
from padiff_server.layout_rules import IDENTITY, Rule


def judged_row(
    frame: Row,
    measured: Measured,
    *,
    options: Options,
    rule: Rule = IDENTITY,
    floor: float = 0.0,
    notes: tuple[Reason, ...] = (),
) -> Row:
    """Returns `frame` with verdict, figures, tolerance and the specs that were compared.

    What is below rounding does not count. `floor`: see `judge`; `notes`: what is known of the pair
    besides.
    """
    judgement = judge(
        measured.reference,
        measured.candidate,
        measured.figures,
        measured.tolerance,
        options=options,
        floor=floor,
        is_of_gradient=frame.kind in GRADIENTS or frame.kind is CaptureKind.OPTIMIZER_STATE,
    )
    return dataclasses.replace(
        frame,
        verdict=judgement.verdict,
        reference=_with_spec(frame.reference, measured.reference),
        candidate=_with_spec(frame.candidate, measured.candidate),
        figures=measured.figures,
        tolerance=measured.tolerance,
        reasons=(*judgement.reasons, *measured.notes, *notes),
        rule="" if rule == IDENTITY else rule.name,
        counts=frame.counts and (judgement.omission is None or judgement.verdict is not Verdict.NOT_COMPARED),
        omission=_omission(frame, judgement),
    )


def _omission(frame: Row, judgement: Judgement) -> Optional[Omission]:
    if judgement.omission is Omission.BELOW_ROUNDING and frame.kind is CaptureKind.OPTIMIZER_STATE:
        return Omission.MADE_OF_ROUNDING
    return judgement.omission


def _with_spec(place: Optional[Place], spec: TensorSpec) -> Optional[Place]:
    return dataclasses.replace(place, spec=spec) if place is not None else None
