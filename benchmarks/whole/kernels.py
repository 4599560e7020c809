"""The comparison of two tensors by compiled code, against a pass that only reads the same bytes.

Both in processor time of one core.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.whole.commands import working
from benchmarks.whole.rows import Goal, Row
from padiff_compare.judge.kernel import is_installed
from padiff_compare.judge.measure import measure
from padiff_compare.judge.outliers import JumpFinder
from padiff_rpc.tensors import BLOCK_ELEMENTS, HostTensor, cast, epsilon
from padiff_rpc.v1.records import Tolerance
from padiff_rpc.v1.words import DType, ToleranceSource

GROUP = "kernel"
ELEMENTS = 1 << 24
# Of the speed of reading, at least.
GOALS = {DType.FLOAT32: 0.5, DType.FLOAT64: None, DType.BFLOAT16: 0.25, DType.FLOAT16: None}
_MEMCMP = ctypes.CDLL(None).memcmp
_MEMCMP.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_BOUNDS = Tolerance(atol=1e-5, rtol=1e-5, source=ToleranceSource.USER)


def measured(rounds: int) -> list[Row]:
    """Returns a row for each dtype, in shares of the speed of reading; none without compiled code."""
    if not is_installed():
        sys.exit("there is no compiled code to measure: install padiff-rpc where there is a C compiler")
    rows = {
        dtype: Row(GROUP, f"compare {dtype}", "of the speed of reading", Goal(least=least))
        for dtype, least in GOALS.items()
    }
    for dtype, row in rows.items():
        pair = _pair(dtype)
        equal = pair[0].array, pair[0].array.copy()
        total = 2 * pair[0].byte_count / 1e9
        for _ in range(rounds):
            with working() as work:
                reading = total / _seconds(lambda equal=equal: _read(*equal))
                compiled = total / _seconds(lambda pair=pair: _measure(pair, None))
                plain = total / _seconds(lambda pair=pair: _measure(pair, BLOCK_ELEMENTS))
            row.add(compiled / reading, work.strangers, compiled=compiled, NumPy=plain, reading_GB_s=reading)
    return list(rows.values())


def _pair(dtype: DType) -> tuple[HostTensor, HostTensor]:
    generator = np.random.default_rng(0)
    exact = generator.normal(size=ELEMENTS)
    rounded = exact * (1 + generator.normal(size=ELEMENTS) * epsilon(dtype))
    one, other = (cast(HostTensor.from_array(values), dtype) for values in (exact, rounded))
    return one, other


def _measure(pair: tuple[HostTensor, HostTensor], block: int | None) -> None:
    # An eighth of an element: no rounding jumps.
    jumps = JumpFinder(0.125, 1.0)
    measure(*pair, _BOUNDS, sum_squares=float(ELEMENTS), jumps=jumps, block_elements=block)


def _read(one: np.ndarray, equal: np.ndarray) -> None:
    assert not _MEMCMP(one.ctypes.data, equal.ctypes.data, one.nbytes)


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
