"""Rows filled in with what was measured of their pairs."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_rpc.v1.records import Options, Place, Reason, Row, TensorSpec
from padiff_rpc.v1.words import Verdict
from padiff_server.judging.judge import Evidence, judge
from padiff_server.judging.measured import Measured
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

    What is below rounding does not count. `floor`: see `Evidence`; `notes`: what is known of the pair
    besides.
    """
    judgement = judge(Evidence(kind=frame.kind, measured=measured, floor=floor), options)
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
        omission=judgement.omission,
    )


def _with_spec(place: Optional[Place], spec: TensorSpec) -> Optional[Place]:
    return dataclasses.replace(place, spec=spec) if place is not None else None
