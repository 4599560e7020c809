"""Rows of an embedding table's gradient, each held against its partner.

Each row is the sum of what came back from the places where its number stood. One that is cut off, as a
padding index does, or scaled, as by a frequency, hardly shows in the norm of the whole.
"""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.tensors import BLOCK_ELEMENTS, FLOATING, HostTensor, widen
from padiff_rpc.v1.records import TableRow

Reals = npt.NDArray[np.float64]


def worst_row(reference: HostTensor, candidate: HostTensor, bound: float) -> Optional[TableRow]:
    """Returns, of the rows whose relative L2 is larger than `bound`, the one that is furthest apart."""
    if reference.array.ndim != 2 or not {reference.dtype, candidate.dtype} <= FLOATING:
        return None
    rows, width = reference.array.shape
    step = max(1, BLOCK_ELEMENTS // max(width, 1))
    found: Optional[TableRow] = None
    for start in range(0, rows, step):
        ours, theirs = (_reals(tensor, start, start + step) for tensor in (reference, candidate))
        with np.errstate(all="ignore"):
            distances, norms = _norms(theirs - ours), (_norms(ours), _norms(theirs))
            outside = np.flatnonzero(distances > bound * np.maximum(*norms))
        if not outside.size:
            continue
        row = int(outside[np.argmax(distances[outside])])
        distance, ours_norm, theirs_norm = (float(one[row]) for one in (distances, *norms))
        if found is None or distance > found.rmse * math.sqrt(width):
            found = TableRow(
                index=start + row,
                relative_l2=distance / max(ours_norm, theirs_norm),
                rmse=distance / math.sqrt(width),
                rms_reference=ours_norm / math.sqrt(width),
                rms_candidate=theirs_norm / math.sqrt(width),
            )
    return found


def _reals(tensor: HostTensor, start: int, stop: int) -> Reals:
    return widen(tensor.array[start:stop], tensor.dtype).astype(np.float64, copy=False)


def _norms(block: Reals) -> Reals:
    norms: Reals = np.sqrt(np.einsum("ij,ij->i", block, block))
    return norms
