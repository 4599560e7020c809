"""Rows filled in with what was measured of their pairs."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_compare.judge.judge import Evidence, judge
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_compare.rows import one_sided
from padiff_rpc.v1.records import Options, Place, Row, TensorSpec
from padiff_rpc.v1.words import Omission, Verdict


def judged_row(frame: Row, evidence: Evidence, options: Options, rule: Rule = IDENTITY) -> Row:
    """Returns `frame` with its judgement, and with figures, tolerance and the specs that were compared."""
    judgement = judge(evidence, options)
    measured, notes = evidence.measured, evidence.known.notes
    row = dataclasses.replace(
        frame,
        verdict=judgement.verdict,
        reasons=(*judgement.reasons, *notes),
        counts=frame.counts and judgement.counts,
        omission=judgement.omission,
    )
    if evidence.only is not None and judgement.verdict is Verdict.UNMATCHED:
        return one_sided(row, evidence.only, *row.reasons, counts=row.counts)
    if measured is None:
        return row
    is_by_chance = judgement.omission is Omission.RANDOM
    return dataclasses.replace(
        row,
        reference=_with_spec(frame.reference, measured.reference),
        candidate=_with_spec(frame.candidate, measured.candidate),
        figures=None if is_by_chance else measured.figures,
        tolerance=None if is_by_chance else measured.tolerance,
        reasons=(*judgement.reasons, *measured.notes, *notes),
        rule="" if rule == IDENTITY else rule.name,
    )


def _with_spec(place: Optional[Place], spec: TensorSpec) -> Optional[Place]:
    return dataclasses.replace(place, spec=spec) if place is not None else None
