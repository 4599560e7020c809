"""Rows of the report: blank, judged, of what one side alone has; their numbers, and what they say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from padiff_compare.judge.evidence import AGREEING, UNTOLD, Evidence, from_gold
from padiff_compare.judge.judge import judge
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_rpc.v1.records import Options, Place, Reason, Row, TensorSpec
from padiff_rpc.v1.words import CaptureKind, Cause, DecidedBy, Omission, Pass, Phase, Side, Verdict

_COMPARED = AGREEING | {
    Verdict.MISMATCH,
    Verdict.SHAPE_MISMATCH,
    Verdict.DTYPE_MISMATCH,
    Verdict.NONFINITE,
    Verdict.INCONCLUSIVE,
}

# No rule for what has no values asks them.
_ANY = Options()


def blank_row(
    phase: Phase,
    kind: CaptureKind,
    reference: Optional[Place] = None,
    candidate: Optional[Place] = None,
    *,
    step: int = 0,
    pass_kind: Pass = Pass.FREE,
) -> Row:
    """Returns the row of a pair of which nothing is known yet."""
    return Row(
        step=step,
        phase=phase,
        kind=kind,
        order=0,
        verdict=Verdict.NOT_COMPARED,
        reference=reference,
        candidate=candidate,
        pass_kind=pass_kind,
    )


def judged_row(frame: Row, evidence: Evidence, options: Options = _ANY, rule: Rule = IDENTITY) -> Row:
    """Returns `frame` with its judgement, and with figures, tolerance and the specs that were compared.

    Of what one side alone has the other side's place is left out. Options are asked only of values.
    """
    judgement = judge(evidence, options)
    measured, misfit, known = evidence.measured, evidence.misfit, evidence.known
    # A report has very many rows, and making a record of this size takes longer than all that is here.
    found: dict[str, Any] = {
        "verdict": judgement.verdict,
        "reasons": (*judgement.reasons, *known.notes),
        "counts": frame.counts and judgement.counts,
        "omission": judgement.omission,
        "decided_by": None if judgement.verdict is Verdict.NOT_COMPARED else judgement.by,
        "rule": None if rule == IDENTITY else rule.told,
    }
    if judgement.verdict is Verdict.UNMATCHED:
        found["candidate" if evidence.only is Side.REFERENCE else "reference"] = None
    elif misfit is not None:
        found.update(_with_specs(frame, misfit.reference, misfit.candidate))
    elif measured is not None:
        found.update(_with_specs(frame, measured.reference, measured.candidate))
        found["reasons"] = (*judgement.reasons, *measured.notes, *known.notes)
        found["hints"] = measured.hints if judgement.differs else ()
        # What chance decides is not looked at.
        is_by_chance = judgement.omission is Omission.RANDOM and known.chance is not None
        found["figures"] = None if is_by_chance else measured.figures
        found["tolerance"] = None if is_by_chance else measured.tolerance
        found["from_gold"] = None if is_by_chance else from_gold(evidence)
    return dataclasses.replace(frame, **found)


def lone_row(frame: Row, side: Side, *why: Reason, is_needed: bool = True) -> Row:
    """Returns the row of what only one side has; no `why` says no more than that."""
    return judged_row(frame, Evidence(kind=frame.kind, only=side, why=why, is_needed=is_needed))


def unmeasured_row(
    frame: Row, *why: Reason, is_needed: bool = False, omission: Optional[Omission] = None
) -> Row:
    """Returns the row of a pair that was not measured, and says why."""
    return judged_row(frame, Evidence(kind=frame.kind, why=why, is_needed=is_needed, omission=omission))


def _with_specs(frame: Row, reference: Optional[TensorSpec], candidate: TensorSpec) -> dict[str, Any]:
    """Returns both places of a row with the specs that were compared, by their fields."""
    return {
        "reference": _with_spec(frame.reference, reference),
        "candidate": _with_spec(frame.candidate, candidate),
    }


def _with_spec(place: Optional[Place], spec: Optional[TensorSpec]) -> Optional[Place]:
    # The very spec, not an equal one: by it a kept pair knows its row.
    return place if place is None or place.spec is spec else dataclasses.replace(place, spec=spec)


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the rows with their `order` counted from 0 within each phase."""
    counts: Counter[Phase] = Counter()
    for row in rows:
        yield dataclasses.replace(row, order=counts[row.phase])
        counts[row.phase] += 1


def is_compared(row: Row) -> bool:
    """Whether the row's two tensors were held against each other."""
    return row.verdict in _COMPARED


def is_agreement(row: Row) -> bool:
    """Whether the row's two tensors were compared and do not differ."""
    return row.verdict in AGREEING


def is_held_against_gold(row: Row) -> bool:
    """Whether the reference's own rounding has decided the row."""
    return row.decided_by is DecidedBy.GOLD


def has_ties(row: Row) -> bool:
    """Whether a decision between values that are equal but for rounding came out otherwise in the row."""
    return any(reason.cause is Cause.TIE for reason in row.reasons)


def exceeds_rounding(row: Row) -> bool:
    """Whether the row agrees under the user's own bounds alone."""
    return any(reason.cause is Cause.BY_OWN_BOUNDS for reason in row.reasons)


def differs(row: Row) -> bool:
    """Whether the row says that its two sides are not the same."""
    return row.verdict not in AGREEING and row.verdict not in UNTOLD


def fails(row: Row) -> bool:
    """Whether the row alone makes its report fail."""
    return row.counts and row.verdict not in AGREEING and not is_inconclusive(row)


def is_inconclusive(row: Row) -> bool:
    """Whether the row's two tensors were compared, and nothing can be told of them."""
    return row.verdict is Verdict.INCONCLUSIVE
