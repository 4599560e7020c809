"""Maps of where two kept tensors differ: along each axis, and over pairs of axes.

An error of one channel, of a border or of every other row shows at a glance there.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_client import wording
from padiff_rpc.errors import NotFoundError
from padiff_rpc.tensors import Array
from padiff_rpc.v1.records import Figures, Row

if TYPE_CHECKING:
    from padiff_client.report import Report

_Differences = npt.NDArray[np.float64]

# Rows that get maps, the most that one of their tensors may hold, and cells along an axis of a map.
_ROWS, _ELEMENTS, _CELLS, _PROFILE_CELLS = 40, 2**24, 48, 160
_WORST = 12
_PAIRS = 3
# Levels of a cell: from no difference, over the smallest that is told from it, to the largest.
_LEVELS, _DECADES = 99, 3


def of_report(report: Report, numbers: dict[int, int]) -> dict[str, Any]:
    """Returns maps of rows that fail and whose tensors were kept, by the row's number; faults come first."""
    if report.kept is None:
        return {}
    kept = report.kept.rows_with_tensors()
    failing = [row for row in report.all_rows if row.verdict in wording.FAILING and _fits(row.figures)]
    found: dict[str, Any] = {}
    for row in sorted(failing, key=lambda row: not row.counts):
        drawn = _of_row(report, row) if numbers[id(row)] in kept else {}
        if drawn:
            found[str(numbers[id(row)])] = drawn
        if len(found) == _ROWS:
            break
    return found


def _fits(figures: Optional[Figures]) -> bool:
    return figures is not None and 1 < figures.elements <= _ELEMENTS


def _of_row(report: Report, row: Row) -> dict[str, Any]:
    try:
        reference, candidate = report.tensors(row)
    except NotFoundError:
        return {}
    return of_tensors(reference, candidate)


def of_tensors(reference: Array, candidate: Array) -> dict[str, Any]:
    """Returns the largest difference along each axis and over pairs of axes, and the worst elements.

    Nothing of tensors without elements, or of unequal shape. Where one side is not finite and the other is
    otherwise, the difference is the largest there is.
    """
    if reference.shape != candidate.shape or not reference.size:
        return {}
    differences = _differences(reference, candidate)
    largest = float(differences.max())
    if not largest:
        return {}
    axes = [axis for axis, length in enumerate(reference.shape) if length > 1]
    shown = axes[-_PAIRS:]
    return {
        "shape": list(reference.shape),
        "largest": float(f"{largest:.6g}"),
        "along": [
            {"axis": axis, "levels": _levels(_over(differences, [axis], _PROFILE_CELLS), largest)}
            for axis in axes
        ],
        "over": [
            {"axes": [one, other], "levels": _levels(_over(differences, [one, other], _CELLS), largest)}
            for one, other in sorted(itertools.combinations(shown, 2), reverse=True)
        ],
        "worst": _worst(reference, candidate, differences),
    }


def _differences(reference: Array, candidate: Array) -> _Differences:
    kinds = (reference.dtype.kind, candidate.dtype.kind)
    wide = np.complex128 if "c" in kinds else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        found: _Differences = np.abs(candidate.astype(wide) - reference.astype(wide))
    same = (reference == candidate) | ((reference != reference) & (candidate != candidate))
    finite = found[np.isfinite(found) & ~same]
    furthest = 2 * float(finite.max()) if finite.size else 1.0
    return np.where(same, 0.0, np.where(np.isfinite(found), found, furthest))


def _over(differences: _Differences, axes: list[int], cells: int) -> _Differences:
    """Returns the largest difference over all other axes, in at most so many cells an axis."""
    others = tuple(axis for axis in range(differences.ndim) if axis not in axes)
    found: _Differences = differences.max(axis=others) if others else differences
    for axis, length in enumerate(found.shape):
        if length > cells:
            starts = np.arange(cells) * length // cells
            found = np.maximum.reduceat(found, starts, axis=axis)
    return found


def _levels(found: _Differences, largest: float) -> Any:
    """Returns 0 where nothing differs, else 1 to 99 by the logarithm, over three decades to the largest."""
    with np.errstate(divide="ignore"):
        decades = _DECADES + np.log10(found / largest)
    levels = np.clip(np.ceil(decades / _DECADES * _LEVELS), 1, _LEVELS).astype(int)
    levels[found == 0] = 0
    return levels.tolist()


def _worst(reference: Array, candidate: Array, differences: _Differences) -> list[list[Any]]:
    """Returns the elements that are furthest apart: index, both values, the difference."""
    flat = differences.reshape(-1)
    number = min(_WORST, flat.size)
    places = np.argpartition(flat, flat.size - number)[-number:]
    ordered = places[np.argsort(-flat[places], kind="stable")]
    return [
        [
            [int(one) for one in np.unravel_index(place, reference.shape)],
            wording.element(reference.reshape(-1)[place]),
            wording.element(candidate.reshape(-1)[place]),
            float(f"{flat[place]:.6g}"),
        ]
        for place in ordered
        if flat[place]
    ]
