"""Running means that are all rounding: of values that cancel, as between one batch norm and the next."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from padiff_compare.judge.tolerances import mean_tolerance
from padiff_rpc.v1.records import Reason, Row, Weight
from padiff_rpc.v1.words import CaptureKind, Cause, Phase, ToleranceSource, Verdict

_MEAN, _VARIANCE = "running_mean", "running_var"


def is_variance(weight: Weight) -> bool:
    """Whether a weight is a running variance, of which frameworks keep two kinds."""
    return weight.canonical == _VARIANCE


class Spreads:
    """By layer of the candidate: the standard deviation of the values whose running mean it keeps."""

    def __init__(self, rows: Iterable[tuple[Weight, Row]]) -> None:
        """`rows`: of the candidate's weights, all of one reading."""
        self._spreads = {
            row.candidate.path: math.sqrt(row.figures.rms_reference)
            for weight, row in rows
            if row.candidate is not None and row.figures is not None and is_variance(weight)
        }

    def settled(self, weight: Weight, row: Row, *, in_lockstep: bool) -> Row:
        """Returns the row of a mean, which agrees where it is no further off than its values may be."""
        place, figures = row.candidate, row.figures
        if row.verdict is not Verdict.MISMATCH or row.phase is not Phase.WEIGHTS or place is None:
            return row
        if row.kind is not CaptureKind.BUFFER or weight.canonical != _MEAN or figures is None:
            return row
        spread = self._spreads.get(place.path)
        if (
            spread is None
            or place.spec is None
            or (row.tolerance is not None and row.tolerance.source is ToleranceSource.USER)
        ):
            return row
        allowed = mean_tolerance(place.spec.dtype, in_lockstep=in_lockstep) * spread
        if not figures.max_abs <= allowed:
            return row
        reason = Reason(cause=Cause.MEAN_OF_SPREAD, numbers=(spread,))
        return dataclasses.replace(row, verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,))
