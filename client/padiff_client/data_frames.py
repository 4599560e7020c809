"""The rows of a report as a table of pandas, which is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from padiff_client import hint_sentences, sentences
from padiff_client.extras import imported
from padiff_rpc.v1.records import Place, Row

if TYPE_CHECKING:
    import pandas

_FIGURES = (
    *("elements", "relative_l2", "max_abs", "max_rel", "cosine", "scale", "bias", "rmse", "rms_reference"),
    *("mismatches", "nan_reference", "nan_candidate"),
)


def data_frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """Returns a line for each row, in their order; figures of what was not compared are NaN.

    Raises InvalidRequestError where pandas is missing.
    """
    return imported("pandas", "to_pandas").DataFrame([_line(row) for row in rows])


def _line(row: Row) -> dict[str, Any]:
    place = row.reference or row.candidate
    return {
        "step": row.step,
        "phase": str(row.phase),
        "pass_kind": str(row.pass_kind),
        "order": row.order,
        "kind": str(row.kind),
        "reference": _path(row.reference),
        "candidate": _path(row.candidate),
        "class_name": place.class_name if place is not None else "",
        "call": place.call if place is not None else 0,
        "slot": place.slot if place is not None else "",
        "verdict": str(row.verdict),
        "counts": row.counts,
        **{name: getattr(row.figures, name, None) for name in _FIGURES},
        "allowed_relative_l2": row.tolerance.relative_l2 or None if row.tolerance is not None else None,
        "decided_by": str(row.decided_by) if row.decided_by is not None else "",
        "reason": sentences.reason(row),
        "probably": hint_sentences.probably(row),
    }


def _path(place: Optional[Place]) -> Optional[str]:
    return place.path if place is not None else None
