"""Measuring by compiled code, where this installation has it; kernel.c says what it does.

It is a library without anything of Python in it, loaded by ctypes, which gives Python's lock back during a
call. The records here are those of kernel.c, field by field.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import lru_cache
from typing import Optional

import numpy as np

from padiff_compare.judge.accumulator import BINS, Gathered, Yardstick
from padiff_compare.judge.outliers import KEPT, MOST_JUMPS, JumpFinder, JumpsOfStretch
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor
from padiff_rpc.v1.words import DType

_LIBRARY = "padiff_compare.judge._kernel"
# In the order of kernel.c.
_KINDS = (
    DType.FLOAT16,
    DType.BFLOAT16,
    DType.FLOAT32,
    DType.FLOAT64,
    DType.BOOL,
    DType.INT8,
    DType.INT16,
    DType.INT32,
    DType.INT64,
    DType.UINT8,
    DType.UINT16,
    DType.UINT32,
    DType.UINT64,
)
_REALS = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}
_MOST_KEPT = 2 * KEPT
_MOST_AXES = 8


class _Values(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_void_p),
        ("axes", ctypes.c_int64),
        ("sizes", ctypes.c_int64 * _MOST_AXES),
        ("strides", ctypes.c_int64 * _MOST_AXES),
    )


class _Task(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("reference_kind", "candidate_kind", "signedness", "kept")),
        *((name, ctypes.c_int64) for name in ("looks_for_jumps", "lowest")),
        *((name, ctypes.c_double) for name in ("atol", "rtol", "smallest_divisor")),
        *((name, ctypes.c_double) for name in ("jump_smallest", "jump_scale")),
    )


class _Element(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_double) for name in ("distance", "reference", "candidate")),
        ("position", ctypes.c_int64),
    )


class _Found(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("finite", "identical", "nan_reference", "nan_candidate")),
        *((name, ctypes.c_int64) for name in ("inf_reference", "inf_candidate", "nonfinite_mismatches")),
        *((name, ctypes.c_int64) for name in ("first_nonfinite", "mismatches", "differs_at_zero")),
        *((name, ctypes.c_int64) for name in ("jumps", "worst_count")),
        ("max_rel", ctypes.c_double),
        ("sums", ctypes.c_double * 8),
        *((name, ctypes.c_double) for name in ("others_squares", "others_max", "others_at_worst")),
        ("histogram", ctypes.c_int64 * BINS),
        ("worst", _Element * _MOST_KEPT),
    )


@lru_cache(maxsize=1)
def _library() -> Optional[ctypes.CDLL]:
    found = importlib.util.find_spec(_LIBRARY)
    if found is None or found.origin is None or sys.byteorder != "little":
        return None
    library = ctypes.CDLL(found.origin)
    if not _has_our_records(library):
        return None  # compiled from another kernel.c
    values = ctypes.POINTER(_Values)
    pair = (values, values, ctypes.c_int64, ctypes.POINTER(_Task))
    library.padiff_measure.argtypes = (*pair, ctypes.POINTER(_Found))
    library.padiff_measure.restype = None
    library.padiff_jumps.argtypes = (*pair, ctypes.c_void_p, ctypes.c_void_p)
    library.padiff_jumps.restype = None
    return library


def _has_our_records(library: ctypes.CDLL) -> bool:
    records = (_Values, _Task, _Found)
    try:
        sizes = (ctypes.c_int64 * len(records)).in_dll(library, "padiff_record_sizes")
    except ValueError:
        return False
    return tuple(sizes) == tuple(map(ctypes.sizeof, records))


def is_installed() -> bool:
    """Whether this installation has the compiled code: made of kernel.c as it is."""
    return _library() is not None


def gather(
    reference: HostTensor, candidate: HostTensor, yardstick: Yardstick, jumps: Optional[JumpFinder]
) -> Optional[Gathered]:
    """Returns what two tensors of one shape come to, and has `jumps` take theirs.

    None where the compiled code is not installed, or one of the two is complex and the other is not.
    """
    library = _library()
    if library is None or (reference.dtype in COMPLEX) != (candidate.dtype in COMPLEX):
        return None
    kinds = [_KINDS.index(_REALS.get(one.dtype, one.dtype)) for one in (reference, candidate)]
    task = _Task(
        reference_kind=kinds[0],
        candidate_kind=kinds[1],
        signedness=_signedness(reference, candidate),
        kept=KEPT * yardstick.parts,
        looks_for_jumps=jumps is not None,
        lowest=yardstick.lowest_exponent,
        atol=yardstick.atol,
        rtol=yardstick.rtol,
        smallest_divisor=yardstick.smallest_divisor,
        jump_smallest=jumps.smallest if jumps is not None else 0.0,
        jump_scale=jumps.scale if jumps is not None else 0.0,
    )
    # A complex one has one more axis, of its parts.
    arrays = [
        one.array if one.array.ndim < _MOST_AXES else np.ascontiguousarray(one.array)
        for one in (reference, candidate)
    ]
    ours, theirs = (_values(array, yardstick.parts) for array in arrays)
    elements = reference.array.size * yardstick.parts
    pair = ctypes.byref(ours), ctypes.byref(theirs), elements, ctypes.byref(task)
    found = _Found(identical=1, first_nonfinite=-1)
    library.padiff_measure(*pair, ctypes.byref(found))
    if jumps is not None:
        listed = found.jumps if found.jumps <= MOST_JUMPS else 0
        positions, sizes = np.empty(listed, np.int64), np.empty(listed, np.float64)
        if listed:
            library.padiff_jumps(*pair, positions.ctypes.data, sizes.ctypes.data)
        jumps.take(
            JumpsOfStretch(
                count=found.jumps,
                positions=positions,
                sizes=sizes,
                others_squares=found.others_squares,
                others_max=found.others_max,
                others_at_worst=found.others_at_worst,
            )
        )
    return _gathered(found, elements)


def _gathered(found: _Found, elements: int) -> Gathered:
    return Gathered(
        elements=elements,
        finite=found.finite,
        identical=bool(found.identical),
        nan_reference=found.nan_reference,
        nan_candidate=found.nan_candidate,
        inf_reference=found.inf_reference,
        inf_candidate=found.inf_candidate,
        nonfinite_mismatches=found.nonfinite_mismatches,
        first_nonfinite=found.first_nonfinite if found.first_nonfinite >= 0 else None,
        mismatches=found.mismatches,
        max_rel=found.max_rel,
        differs_at_zero=bool(found.differs_at_zero),
        worst=tuple(
            (one.distance, one.position, one.reference, one.candidate)
            for one in found.worst[: found.worst_count]
        ),
        sums=tuple(found.sums),
        histogram=tuple(found.histogram),
    )


def _values(array: Array, parts: int) -> _Values:
    """Returns where the reals of a tensor are, of which a complex element has two `parts`.

    The array must be kept as long as this is used.
    """
    if array.flags.c_contiguous:
        return _Values(first=array.ctypes.data, axes=0)
    axes: list[tuple[int, int]] = []
    for size, stride in (*zip(array.shape, array.strides), (parts, array.itemsize // parts)):
        if axes and axes[-1][1] == size * stride:
            axes[-1] = axes[-1][0] * size, stride
        elif size > 1:
            axes.append((size, stride))
    sizes, strides = zip(*axes)
    return _Values(first=array.ctypes.data, axes=len(axes), sizes=sizes, strides=strides)


def _signedness(reference: HostTensor, candidate: HostTensor) -> int:
    """Returns how the two are subtracted exactly: -1 as signed integers, 1 as unsigned; 0 as float64."""
    if {reference.dtype, candidate.dtype} & (FLOATING | COMPLEX):
        return 0
    # No integer type holds both int64 and uint64: NumPy's common type is then float64.
    common = np.result_type(reference.array.dtype, candidate.array.dtype).kind
    return {"i": -1, "u": 1, "b": 1}.get(common, 0)
