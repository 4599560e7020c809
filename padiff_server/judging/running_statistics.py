"""Running means that are all rounding: of values that cancel, as between one batch norm and the next."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from padiff_rpc.v1.records import Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, Phase, ToleranceSource, Verdict
from padiff_server.judging.tolerances import mean_tolerance

_MEANS = frozenset({"running_mean", "_mean"})
_VARIANCES = frozenset({"running_var", "_variance"})


def is_variance(name: str) -> bool:
    """Whether a weight of this own name is a running variance, of which frameworks keep two kinds."""
    return name in _VARIANCES


class Spreads:
    """By layer of the candidate: the standard deviation of the values whose running mean it keeps."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """`rows`: of weights, all of one reading."""
        self._spreads = {
            row.candidate.path: math.sqrt(row.figures.rms_reference)
            for row in rows
            if row.candidate is not None and row.figures is not None and is_variance(row.candidate.slot)
        }

    def settled(self, row: Row, *, in_lockstep: bool) -> Row:
        """Returns the row of a mean, which agrees where it is no further off than its values may be."""
        place, figures = row.candidate, row.figures
        if row.verdict is not Verdict.MISMATCH or row.phase is not Phase.WEIGHTS or place is None:
            return row
        if row.kind is not CaptureKind.BUFFER or place.slot not in _MEANS or figures is None:
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
