"""Rows of an embedding table's gradient: what is one row's fault hides in no norm of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.judge.evidence import Evidence
from padiff_compare.judge.judged_row import blank_row, judged_row
from padiff_compare.judge.measure import worst_row
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_rpc.tensors import BLOCK_ELEMENTS, HostTensor
from padiff_rpc.v1.records import Options, Row
from padiff_rpc.v1.words import CaptureKind, DType, Phase, Verdict

ROWS, WIDTH = 8000, 16
STRICT = Options()
GRADIENT = Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT)
TABLE = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
TABLE[ROWS // 2 :] = 0.0  # numbers that nothing looked up


def judged(
    candidate: np.ndarray,
    reference: np.ndarray = TABLE,
    *,
    is_embedding: bool = True,
    sums: float = 0.0,
    options: Options = STRICT,
    dtype: DType = DType.FLOAT32,
) -> Row:
    ours, theirs = (HostTensor(array=array, dtype=dtype) for array in (reference, candidate))
    measured = measure_pair(GRADIENT, ours, theirs, tolerances=Tolerances(options), is_embedding=is_embedding)
    evidence = Evidence(kind=GRADIENT.kind, measured=measured, sums=sums)
    return judged_row(blank_row(GRADIENT.phase, GRADIENT.kind), evidence, options)


def with_row(row: int, values: object) -> np.ndarray:
    changed = TABLE.copy()
    changed[row] = values
    return changed


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (with_row(3, 0.0), "row 3: relative L2 1, allowed 0.224 for each row"),
        (with_row(3, 0.5 * TABLE[3]), "row 3: relative L2 0.5"),
        (with_row(3, 3.0 * TABLE[3]), "row 3: relative L2 0.667"),
        (with_row(3, TABLE[4]), "row 3"),
        (with_row(-1, TABLE[4]), "row 7999: relative L2 1"),
    ],
)
def test_one_wrong_row_fails_the_table_and_no_other_matrix(candidate: np.ndarray, said: str) -> None:
    row = judged(candidate)
    assert row.verdict is Verdict.MISMATCH
    assert said in reason(row)
    assert judged(candidate, is_embedding=False).verdict is Verdict.WITHIN_TOLERANCE


def test_a_reason_says_which_side_has_zeros() -> None:
    assert "(reference rms" in reason(judged(with_row(3, 0.0)))
    assert "candidate all zeros)" in reason(judged(with_row(3, 0.0)))
    assert "(reference all zeros, candidate rms" in reason(judged(with_row(-1, 1.0)))


@pytest.mark.parametrize("side", [0, 1])
def test_rows_that_are_rounding_of_what_came_back_fail_nothing(side: int) -> None:
    noisy, clean = with_row(3, 1e-7), with_row(3, 0.0)
    reference, candidate = (noisy, clean) if side else (clean, noisy)
    assert judged(candidate, reference, sums=1e-5).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(candidate, reference).verdict is Verdict.MISMATCH


def test_a_kink_in_one_row_fails_nothing() -> None:
    noise = np.random.default_rng(1).standard_normal(WIDTH)
    assert judged(with_row(3, TABLE[3] + 0.15 * noise)).verdict is Verdict.WITHIN_TOLERANCE


@pytest.mark.parametrize("options", [Options(rtol=0.1, atol=10.0), Options(compare_mode="mean")])
def test_the_users_bounds_and_the_mean_mode_know_no_rows(options: Options) -> None:
    candidate = with_row(3, 0.0)
    assert judged(candidate, options=options).verdict is Verdict.WITHIN_TOLERANCE


def test_a_wrong_row_is_found_in_any_block_and_dtype() -> None:
    width = BLOCK_ELEMENTS // 2 + 1  # a row for each block
    rows = np.random.default_rng(2).standard_normal((5, width)).astype(np.float32)
    for row in range(5):
        changed = rows.copy()
        changed[row] *= 0.5
        for dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
            ours, theirs = (_as(array, dtype) for array in (rows, changed))
            found = worst_row(ours, theirs, 0.3)
            assert found is not None
            assert found.index == row
            assert found.relative_l2 == pytest.approx(0.5, rel=1e-3)


def test_the_furthest_of_several_rows_is_named() -> None:
    changed = TABLE.copy()
    changed[2] *= 2.0
    changed[7] *= 4.0
    found = worst_row(HostTensor.from_array(TABLE), HostTensor.from_array(changed), 0.2)
    assert found is not None
    assert found.index == 7
    assert worst_row(HostTensor.from_array(TABLE), HostTensor.from_array(TABLE), 0.2) is None


def _as(array: np.ndarray, dtype: DType) -> HostTensor:
    if dtype is DType.BFLOAT16:
        return HostTensor(array=(array.view(np.uint32) >> 16).astype(np.uint16), dtype=dtype)
    return HostTensor(array=array.astype(np.float16 if dtype is DType.FLOAT16 else np.float32), dtype=dtype)
