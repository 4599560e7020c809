"""A plan as two columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from padiff_client import sentences
from padiff_client.wording import plain, words
from padiff_rpc.v1.records import Place, PlanPair
from padiff_rpc.v1.words import PairedBy

_GAP = "-"
# Wider columns than this break no line: what follows just moves to the right.
_WIDEST = 60


def plan_text(plan: Sequence[PlanPair]) -> str:
    """Returns a line for each pair and each gap: both layers, how they were paired, how sure it is."""
    rows = [("reference", "candidate", "paired by")]
    rows += [(_layer(pair.reference), _layer(pair.candidate), _how(pair)) for pair in plan]
    widths = [min(max(len(row[n]) for row in rows), _WIDEST) for n in (0, 1)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip() for row in rows]
    return "\n".join([*lines, "", _summary(plan)])


def _layer(place: Optional[Place]) -> str:
    if place is None:
        return _GAP
    shape = f" {place.spec}" if place.spec is not None else ""
    return f"{plain(place.path) or '(root)'}  {plain(place.class_name)}{shape}"


def _how(pair: PlanPair) -> str:
    if pair.reference is None or pair.candidate is None:
        return words(pair.how)
    unit = ", as one unit" if pair.unit else ""
    why = plain(sentences.reason(pair))
    reason = f" ({why})" if pair.is_doubtful and why else ""
    return f"{words(pair.how)}{unit} {pair.confidence:.2f}{' LOW' if pair.is_doubtful else ''}{reason}"


def _summary(plan: Sequence[PlanPair]) -> str:
    paired = [pair for pair in plan if len(pair.paths) == 2]
    low = sum(pair.is_doubtful for pair in paired)
    gaps = [
        sum(getattr(pair, other) is None and pair.how is PairedBy.UNMATCHED for pair in plan)
        for other in ("candidate", "reference")
    ]
    return (
        f"{len(paired)} pairs, {low} of low confidence; without a counterpart: {gaps[0]} of the reference's "
        f"layers, {gaps[1]} of the candidate's"
    )
