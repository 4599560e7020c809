"""The likely mistake behind the first divergence: causes, the operation that shows it, patterns of values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from padiff_client import function_sentences, hint_sentences, mending
from padiff_rpc.records import record
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import HintKind, Phase, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_MOST_HINTS = 2


@record
class Likely:
    """Sentences on the first divergence, the likeliest of each kind first.

    Attributes:
        causes: mistakes that would make it.
        operation: the function between the layers that makes it; "" where none was found.
        code: the lines of that function on both sides.
        patterns: how the values differ, where that alone tells no mistake.
        is_unknown: nothing that is known here fits.
    """

    causes: tuple[str, ...] = ()
    operation: str = ""
    code: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    is_unknown: bool = False


def likely(report: Report) -> Likely:
    """Returns what the first divergence probably is; nothing where there is none."""
    if report.first_divergence is None:
        return Likely()
    row = report.first_divergence.row
    findings = [one for one in report.findings if function_sentences.is_of(one, row)][:1]
    hints = [one for one in hint_sentences.ordered(row) if one.kind is not HintKind.UNKNOWN][:_MOST_HINTS]
    return Likely(
        causes=(
            *_sizes(row),
            *(hint_sentences.sentence(one) for one in hints if one.kind not in hint_sentences.PATTERNS),
        ),
        operation="".join(map(function_sentences.sentence, findings)),
        code=tuple(line for one in findings for line in function_sentences.code(one)),
        patterns=tuple(hint_sentences.sentence(one) for one in hints if one.kind in hint_sentences.PATTERNS),
        is_unknown=bool(row.hints) and not hints and not findings,
    )


def _sizes(row: Row) -> list[str]:
    """Returns in which sizes the weights of two layers differ."""
    if row.verdict is not Verdict.SHAPE_MISMATCH or row.phase is not Phase.INITIAL_WEIGHTS:
        return []
    shapes = mending.shapes_of(row)
    if shapes is None:
        return []
    ours, theirs = shapes
    if math.prod(ours) == math.prod(theirs):
        return ["the two layers store this weight in different layouts"]
    apart = [axis for axis, (one, other) in enumerate(zip(ours, theirs)) if one != other]
    if len(ours) != len(theirs) or len(apart) != 1:
        return ["the two layers are made with different sizes"]
    axis = apart[0]
    return [f"the candidate's layer is made with {theirs[axis]} in place of {ours[axis]} on axis {axis}"]
