"""Measures the comparison of two tensors: compiled code, NumPy, and a pass that only reads the same bytes.

Gigabytes of both tensors a second, in processor time of one core; the best of several rounds.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np

from padiff_compare.judge.kernel import is_installed
from padiff_compare.judge.measure import measure
from padiff_compare.judge.outliers import JumpFinder
from padiff_rpc.tensors import BLOCK_ELEMENTS, HostTensor, cast, epsilon
from padiff_rpc.v1.records import Tolerance
from padiff_rpc.v1.words import DType, ToleranceSource

ELEMENTS = 1 << 24
ROUNDS = 5
_MEMCMP = ctypes.CDLL(None).memcmp
_MEMCMP.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_BOUNDS = Tolerance(atol=1e-5, rtol=1e-5, source=ToleranceSource.USER)


def main() -> int:
    """Prints a row for each dtype."""
    print(f"{'dtype':<10}{'compiled':>10}{'NumPy':>8}{'reading':>9}  GB/s{'of reading':>13}")
    for dtype in (DType.FLOAT32, DType.FLOAT64, DType.BFLOAT16, DType.FLOAT16):
        pair = _pair(dtype)
        total = 2 * pair[0].byte_count
        equal = pair[0].array, pair[0].array.copy()
        reading = total / _seconds(lambda equal=equal: _read(*equal))
        plain = total / _seconds(lambda pair=pair: _measure(pair, BLOCK_ELEMENTS))
        compiled = total / _seconds(lambda pair=pair: _measure(pair, None)) if is_installed() else 0.0
        print(
            f"{dtype.value:<10}{compiled / 1e9:>10.2f}{plain / 1e9:>8.2f}{reading / 1e9:>9.2f}"
            f"{compiled / reading:>19.2f}",
            flush=True,
        )
    return 0


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
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least


if __name__ == "__main__":
    raise SystemExit(main())
