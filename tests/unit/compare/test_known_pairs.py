"""Pairs of tensors of which it is known whether they come of one computation: the judge alone.

Each is judged as what one call made of equal inputs, and as a value of a free run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional

import numpy as np
import pytest

from padiff_compare.judge.evidence import AGREEING, Evidence
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Terms, Tolerances, rounding_of_sums
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, DType, Phase

Pair = tuple[Any, Any]
DRAWN = np.random.default_rng(0)
X = DRAWN.standard_normal((16, 64)).astype(np.float32)
WEIGHT = DRAWN.standard_normal((64, 64)).astype(np.float32)
LONG = DRAWN.standard_normal((8, 4096)).astype(np.float32)
MILLION = DRAWN.standard_normal(1_000_000).astype(np.float32)
COMPLEX = (DRAWN.standard_normal((4, 32)) + 1j * DRAWN.standard_normal((4, 32))).astype(np.complex64)
IDS = np.array([3, 2**53, 2**60 + 1], np.int64)
MASK = DRAWN.random(10_000) < 0.5
TINY = DRAWN.standard_normal((64, 8)).astype(np.float32) * np.float32(1e-12)
SCORES = np.where(DRAWN.random((8, 16)) < 0.3, -1e9, DRAWN.standard_normal((8, 16))).astype(np.float32)
SQUARE = WEIGHT[:16, :16]


def in_halves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns x @ y, summed up in two parts."""
    middle = x.shape[1] // 2
    return x[:, :middle] @ y[:middle] + x[:, middle:] @ y[middle:]


def softmax(x: np.ndarray, shift: bool) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True) if shift else x)
    return powers / powers.sum(-1, keepdims=True)


def norm(x: np.ndarray, epsilon: float = 1e-5, by_squares: bool = False) -> np.ndarray:
    mean = x.mean(-1, keepdims=True)
    squares = (x * x).mean(-1, keepdims=True) - mean * mean if by_squares else x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(squares + np.float32(epsilon))


def gelu(x: np.ndarray, by_tanh: bool) -> np.ndarray:
    wide = x.astype(np.float64)
    if by_tanh:
        return (0.5 * wide * (1 + np.tanh((2 / math.pi) ** 0.5 * (wide + 0.044715 * wide**3)))).astype(
            x.dtype
        )
    return (0.5 * wide * (1 + np.vectorize(math.erf)(wide / 2**0.5))).astype(x.dtype)


def summed(x: np.ndarray) -> np.ndarray:
    """Returns the sums of the rows, added up one after the other."""
    return np.cumsum(x, -1, dtype=x.dtype)[:, -1]


def bits(x: np.ndarray) -> HostTensor:
    """Returns x rounded to bfloat16."""
    wide = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return HostTensor.from_array(
        ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype(np.uint16), DType.BFLOAT16
    )


def changed(x: np.ndarray, place: Any, value: Any) -> np.ndarray:
    made = x.copy()
    made[place] = value
    return made


def rounded(x: np.ndarray, bits_lost: int) -> np.ndarray:
    kept = np.ascontiguousarray(x, np.float32).view(np.uint32) >> bits_lost << bits_lost
    return kept.view(np.float32)


PRODUCT, WIDE = X @ WEIGHT, LONG @ LONG.T
CENTRED = (LONG.T - LONG.mean(-1)).T
# Means that cancel, which nothing but the size of their terms can be held against.
CANCELLING = CENTRED.mean(-1), summed(CENTRED) / np.float32(4096)
SUMS = rounding_of_sums(Terms(scale=float(CENTRED.std()) / 4096**0.5, count=4096), DType.FLOAT32)
HEALTHY: Mapping[str, Pair] = {
    "a product summed in two parts": (PRODUCT, in_halves(X, WEIGHT)),
    "a long product summed in two parts": (WIDE, in_halves(LONG, LONG.T.copy())),
    "a product of float64, rounded": ((X.astype(np.float64) @ WEIGHT).astype(np.float32), PRODUCT),
    "a product of values around 1e-20": (
        PRODUCT * np.float32(1e-20),
        in_halves(X * np.float32(1e-20), WEIGHT),
    ),
    "a product of values around 1e20": (PRODUCT * np.float32(1e20), in_halves(X * np.float32(1e20), WEIGHT)),
    "a product in float64": (
        X.astype(np.float64) @ WEIGHT,
        in_halves(X.astype(np.float64), WEIGHT.astype(np.float64)),
    ),
    "a product in float16, rounded in the middle": (
        PRODUCT.astype(np.float16),
        (X[:, :32] @ WEIGHT[:32]).astype(np.float16) + (X[:, 32:] @ WEIGHT[32:]).astype(np.float16),
    ),
    "a product in bfloat16": (bits(PRODUCT), bits(in_halves(X, WEIGHT))),
    "a softmax without the shift": (softmax(X, True), softmax(X, False)),
    "a norm by the mean of squares": (norm(X), norm(X, by_squares=True)),
    "values of both sizes of which the small ones are rounded": (
        np.concatenate([X * np.float32(1e6), X]),
        np.concatenate([X * np.float32(1e6), X + np.float32(1e6) - np.float32(1e6)]),
    ),
    "marks of a mask beside rounded scores": (SCORES, np.where(SCORES < -1e8, SCORES, SCORES * (1 + 2e-7))),
    "infinite marks on both sides": (changed(X, 0, -np.inf), changed(X * np.float32(1 + 1e-7), 0, -np.inf)),
    "zeros of either sign": (np.zeros(8, np.float32), np.full(8, -0.0, np.float32)),
    "equal numbers beyond 2**53": (IDS, IDS.copy()),
    "a transform by way of its inverse": (COMPLEX, np.fft.ifft(np.fft.fft(COMPLEX)).astype(np.complex64)),
    "rows summed one by one": (LONG[:, :1024].sum(-1), summed(LONG[:, :1024])),
    "nothing": (np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)),
}
FAULTY: Mapping[str, Pair] = {
    "permuted elements": (X, DRAWN.permutation(X.ravel()).reshape(X.shape)),
    "rolled rows": (X, np.roll(X, 1, 0)),
    "two channels that are swapped": (X, X[:, [1, 0, *range(2, 64)]]),
    "another sign": (X, -X),
    "one channel of another sign": (X, X * np.where(np.arange(64) == 5, -1, 1).astype(np.float32)),
    "times 1.05": (X, X * np.float32(1.05)),
    "times 1.0001": (X, X * np.float32(1.0001)),
    "an offset of 1e-3": (X, X + np.float32(1e-3)),
    "an offset of one channel": (X, X + np.where(np.arange(64) == 5, 1e-2, 0).astype(np.float32)),
    "one in a million": (MILLION, changed(MILLION, 333_333, MILLION[333_333] + 1)),
    "one in a million, off by a thousandth": (
        MILLION,
        changed(MILLION, 333_333, MILLION[333_333] + np.float32(1e-3)),
    ),
    "infinities of the other sign": (changed(X, (3, 4), np.inf), changed(X, (3, 4), -np.inf)),
    "NaN on one side": (X, changed(X, (3, 4), np.nan)),
    "NaN on both sides": (changed(X, (3, 4), np.nan), changed(X, (3, 4), np.nan)),
    "an infinity against the largest number": (
        changed(X, (3, 4), np.inf),
        changed(X, (3, 4), np.finfo(np.float32).max),
    ),
    "one apart beyond 2**53": (IDS, IDS + np.array([0, 1, 0])),
    "bytes that ran over": (np.array([250, 3], np.uint8), np.array([4, 3], np.uint8)),
    "the conjugate": (COMPLEX, COMPLEX.conj()),
    "no imaginary part": (COMPLEX, COMPLEX.real.astype(np.complex64)),
    "tiny gradients against zeros": (TINY, np.zeros_like(TINY)),
    "zeros against tiny gradients": (np.zeros_like(TINY), TINY),
    "a row of zeros among tiny gradients": (TINY, changed(TINY, 5, 0)),
    "a mask inverted by one in a hundred": (MASK, MASK ^ (np.arange(10_000) % 100 == 0)),
    "a square that is transposed": (SQUARE, np.ascontiguousarray(SQUARE.T)),
    "values rounded to bfloat16": (X, rounded(X, 16)),
    "values rounded to ten bits": (X, rounded(X, 13)),
    "a fault beside marks of a mask": (SCORES, np.where(SCORES < -1e8, SCORES, SCORES * 1.01)),
    "marks that are missing": (SCORES, np.where(SCORES < -1e8, 0, SCORES).astype(np.float32)),
    "one mark that is missing": (
        SCORES,
        changed(SCORES, np.unravel_index(SCORES.argmin(), SCORES.shape), 0.5),
    ),
    "another shape of the same elements": (X, X.reshape(64, 16)),
    "another dtype": (X, X.astype(np.float64)),
    "a norm's epsilon of 1e-6": (norm(X * np.float32(0.1)), norm(X * np.float32(0.1), 1e-6)),
    "a norm's epsilon of 2e-5": (norm(X), norm(X, 2e-5)),
    "a GELU by tanh": (gelu(X, False), gelu(X, True)),
    "a softmax over the other axis": (softmax(X, True), softmax(X.T, True).T.copy()),
    "the last half missing": (X, changed(X, (slice(None), slice(32, None)), 0)),
    "small values lost beside large ones": (
        np.concatenate([X * np.float32(1e3), X]),
        np.concatenate([X * np.float32(1e3), 0 * X]),
    ),
    "elements of a dropout": (X, X * (np.random.default_rng(1).random(X.shape) > 0.01)),
    "a product in float64 by way of float32": (X.astype(np.float64) @ WEIGHT, PRODUCT.astype(np.float64)),
}
GRADIENT_SCALES = {"a gradient times 3": 3.0, "a gradient times 1.01": 1.01, "a gradient times 1.001": 1.001}
# What the rules do not see today, by whether the pair is judged as what one call made.
WRONG: Mapping[tuple[str, bool], str] = {
    ("times 1.0001", False): "the bound of a free run is 1e-4",
    ("a norm's epsilon of 2e-5", False): "the bound of a free run is 1e-4",
    ("a gradient times 1.01", False): "the bound of a free run's gradients is 5e-2, for kinks",
    ("a gradient times 1.001", False): "the bound of a free run's gradients is 5e-2, for kinks",
}


def agrees(pair: Pair, in_lockstep: bool, kind: CaptureKind = CaptureKind.OUTPUT, sums: float = 0.0) -> bool:
    reference, candidate = (_tensor(one) for one in pair)
    phase = Phase.FORWARD if kind is CaptureKind.OUTPUT else Phase.BACKWARD
    measured = measure_pair(
        Aspect(phase=phase, kind=kind),
        reference,
        candidate,
        tolerances=Tolerances(Options(), in_lockstep=in_lockstep),
    )
    return judge(Evidence(kind=kind, measured=measured, sums=sums), Options()).verdict in AGREEING


def _tensor(value: Any) -> HostTensor:
    return value if isinstance(value, HostTensor) else HostTensor.from_array(value)


def cases(names: Any) -> list[Any]:
    """Returns each name judged in both ways; what the rules get wrong has to be so until they change."""
    return [
        pytest.param(
            name, local, id=f"{name}, {'one call' if local else 'free run'}", marks=_marks(name, local)
        )
        for name in names
        for local in (True, False)
    ]


def _marks(name: str, local: bool) -> list[Any]:
    why: Optional[str] = WRONG.get((name, local))
    return [] if why is None else [pytest.mark.xfail(strict=True, reason=why)]


@pytest.mark.parametrize(("name", "in_lockstep"), cases(HEALTHY))
def test_one_computation_in_two_ways_agrees(name: str, in_lockstep: bool) -> None:
    assert agrees(HEALTHY[name], in_lockstep)


@pytest.mark.parametrize(("name", "in_lockstep"), cases(FAULTY))
def test_two_computations_differ(name: str, in_lockstep: bool) -> None:
    assert not agrees(FAULTY[name], in_lockstep)


@pytest.mark.parametrize(("name", "in_lockstep"), cases(GRADIENT_SCALES))
def test_a_gradient_of_another_size_differs(name: str, in_lockstep: bool) -> None:
    pair = X, X * np.float32(GRADIENT_SCALES[name])
    assert not agrees(pair, in_lockstep, CaptureKind.INPUT_GRADIENT)


def test_means_that_cancel_are_held_against_their_terms() -> None:
    for pair in (CANCELLING, CANCELLING[::-1]):
        assert agrees(pair, True, CaptureKind.PARAMETER_GRADIENT, SUMS)


def test_a_mean_that_should_cancel_and_does_not_differs() -> None:
    for reference in CANCELLING:
        wrong = reference + np.float32(2 * SUMS)
        assert not agrees((reference, wrong), True, CaptureKind.PARAMETER_GRADIENT, SUMS)
