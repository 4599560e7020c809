"""Probes: each planted mistake is named among the first two, and what is unrelated or healthy is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_compare.hints.clues import Clues, Product, Reals, Samples, looked_at, roundings_of
from padiff_compare.hints.functions import ACTIVATIONS
from padiff_compare.hints.norms import variance_of
from padiff_compare.hints.registry import PROBES, UNKNOWN, found, ranked
from padiff_compare.judge.evidence import Evidence
from padiff_rpc.tensors import HostTensor, cast, widen
from padiff_rpc.v1.words import CaptureKind, DType, HintKind, Side

RANDOM = np.random.default_rng(7)


def values(*shape: int) -> Reals:
    return RANDOM.standard_normal(shape)


def as_float32(array: Reals) -> Reals:
    return array.astype(np.float32).astype(np.float64)


def noisy(array: Reals, epsilons: float = 1.0) -> Reals:
    """Returns what another framework makes of the same: off by rounding."""
    return as_float32(array * (1.0 + epsilons * 2.0**-24 * RANDOM.standard_normal(array.shape)))


def clues(kind: CaptureKind = CaptureKind.OUTPUT, **known: Any) -> Clues:
    return Clues(evidence=Evidence(kind=kind), roundings=roundings_of(DType.FLOAT32), **known)


ANY = clues()


def hints(reference: Reals, candidate: Reals, known: Clues = ANY) -> tuple[HintKind, ...]:
    ours, theirs = (HostTensor.from_array(one.astype(np.float32)) for one in (reference, candidate))
    return tuple(hint.kind for hint in ranked(found(known, *looked_at(ours, theirs)), ()))


def gelu(x: Reals) -> Reals:
    return 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def gelu_by_tanh(x: Reals) -> Reals:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x: Reals, axis: int) -> Reals:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def rounded(x: Reals, dtype: DType) -> Reals:
    return widen(cast(HostTensor.from_array(x), dtype).array, dtype).astype(np.float64)


def one_channel(x: Reals, factor: float = 1.5) -> Reals:
    x = x.copy()
    x[:, 3] *= factor
    return x


def few_rows(x: Reals) -> Reals:
    x = x.copy()
    x[[5, 80, 411]] += values(3, 16)
    return x


def one_element(x: Reals, more: float = 1.0) -> Reals:
    x = x.copy()
    x.flat[17] += more
    return x


def at_border(x: Reals) -> Reals:
    x = x.copy()
    x[..., 0, :] *= 1.25
    x[..., -1, :] *= 1.25
    x[..., :, 0] *= 1.25
    x[..., :, -1] *= 1.25
    return x


def dropped(x: Reals, p: float, factor: float) -> Reals:
    return np.where(RANDOM.random(x.shape) < p, 0.0, x * factor)


def shifted(x: Reals, axis: int) -> Reals:
    moved = np.roll(x, 1, axis=axis)
    np.moveaxis(moved, axis, 0)[0] = 0.0
    return moved


SQUARE, WIDE, IMAGES, TOKENS = values(16, 16), values(12, 32), values(4, 8, 10, 10), values(4, 24, 32)
CAUSAL = np.tril(np.ones((12, 12)))
QKV = np.split(np.arange(24), 3)

# What was done to the reference's values, and how it is called.
PLANTED: dict[str, tuple[Reals, Callable[[Reals], Reals], HintKind]] = {
    "transposed": (SQUARE, lambda x: x.T, HintKind.TRANSPOSED),
    "transposed in batches": (values(3, 8, 8), lambda x: x.swapaxes(1, 2), HintKind.TRANSPOSED),
    "transposed into another shape": (WIDE, lambda x: x.T, HintKind.TRANSPOSED),
    "channels last": (IMAGES, lambda x: x.transpose(0, 2, 3, 1), HintKind.AXES),
    "first axes exchanged": (values(6, 6, 4), lambda x: x.swapaxes(0, 1), HintKind.AXES),
    "flattened in another order": (
        IMAGES,
        lambda x: x.transpose(0, 2, 3, 1).reshape(4, -1),
        HintKind.AXES,
    ),
    "reshaped": (TOKENS, lambda x: x.reshape(4, -1), HintKind.RESHAPED),
    "rows permuted": (WIDE, lambda x: x[[3, 0, 1, 2, 5, 4, 6, 7, 8, 11, 9, 10]], HintKind.PERMUTED),
    "channels permuted": (IMAGES, lambda x: x[:, [1, 0, 2, 5, 4, 3, 7, 6]], HintKind.PERMUTED),
    "key and value exchanged": (
        values(24, 8),
        lambda x: x[np.concatenate([QKV[0], QKV[2], QKV[1]])],
        HintKind.PARTS,
    ),
    "gates in another order": (
        values(32, 8),
        lambda x: x.reshape(4, 8, 8)[[0, 2, 1, 3]].reshape(32, 8),
        HintKind.PARTS,
    ),
    "heads permuted": (
        TOKENS,
        lambda x: x.reshape(4, 24, 8, 4)[:, :, ::-1].reshape(4, 24, 32),
        HintKind.PARTS,
    ),
    "heads inside": (
        TOKENS,
        lambda x: x.reshape(4, 24, 8, 4).swapaxes(2, 3).reshape(4, 24, 32),
        HintKind.INTERLEAVED,
    ),
    "reversed": (TOKENS, lambda x: x[:, ::-1], HintKind.FLIPPED),
    "a vector reversed": (values(20), lambda x: x[::-1], HintKind.FLIPPED),
    "rolled": (TOKENS, lambda x: np.roll(x, 1, axis=1), HintKind.ROLLED),
    "shifted": (TOKENS, lambda x: shifted(x, 1), HintKind.SHIFTED),
    "sign": (TOKENS, lambda x: -x, HintKind.SIGN),
    "scaled": (TOKENS, lambda x: 1.0001 * x, HintKind.SCALED),
    "scaled by a head's size": (TOKENS, lambda x: x / math.sqrt(8), HintKind.SCALED),
    "a sum for a mean": (values(1).reshape(()), lambda x: 16.0 * x, HintKind.SCALED),
    "constant added": (TOKENS, lambda x: x + 0.125, HintKind.OFFSET),
    "offset of each channel": (IMAGES, lambda x: x + values(8, 1, 1), HintKind.OFFSET_EACH),
    "factor of each channel": (IMAGES, lambda x: x * values(8, 1, 1), HintKind.SCALED_EACH),
    "factor and offset": (
        IMAGES,
        lambda x: x * values(8, 1, 1) + values(8, 1, 1),
        HintKind.AFFINE_EACH,
    ),
    "bfloat16": (TOKENS, lambda x: rounded(x, DType.BFLOAT16), HintKind.ROUNDED),
    "float16": (TOKENS, lambda x: rounded(x, DType.FLOAT16), HintKind.ROUNDED),
    "computed in bfloat16": (
        TOKENS,
        lambda x: rounded(x + 0.01 * values(*x.shape), DType.BFLOAT16),
        HintKind.ROUNDED,
    ),
    "relu": (TOKENS, lambda x: np.maximum(x, 0.0), HintKind.ACTIVATION),
    "no relu6": (8 * TOKENS, lambda x: np.clip(x, 0.0, 6.0), HintKind.ACTIVATION),
    "sigmoid": (TOKENS, lambda x: 1 / (1 + np.exp(-x)), HintKind.ACTIVATION),
    "softmax": (TOKENS, lambda x: softmax(x, -1), HintKind.ACTIVATION),
    "dropout": (TOKENS, lambda x: dropped(x, 0.1, 1 / 0.9), HintKind.DROPOUT),
    "dropout of the older mode": (TOKENS, lambda x: dropped(x, 0.3, 1.0), HintKind.DROPOUT),
    "one channel": (IMAGES, one_channel, HintKind.FEW_INDICES),
    "one element": (TOKENS, one_element, HintKind.FEW_ELEMENTS),
    "a channel slightly off": (IMAGES, lambda x: one_channel(x, 1 + 1e-5), HintKind.FEW_INDICES),
    "one channel of few numbers": (values(4, 10), lambda x: one_channel(x, 0.0), HintKind.FEW_INDICES),
    "a row of many": (values(512, 16), lambda x: few_rows(x), HintKind.FEW_INDICES),
    "an element slightly off": (TOKENS, lambda x: one_element(x, 1e-5), HintKind.FEW_ELEMENTS),
    "border": (IMAGES, at_border, HintKind.BORDER),
    "one more at the border": (
        IMAGES,
        lambda x: np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)]),
        HintKind.MORE_AT_BORDER,
    ),
    "padded": (IMAGES, lambda x: np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)]), HintKind.MORE_AT_BORDER),
    "mask inverted": (CAUSAL, lambda x: 1.0 - x, HintKind.MASK_INVERTED),
    "mask of marks inverted": (
        np.where(CAUSAL > 0, 0.0, -np.inf),
        lambda x: np.where(CAUSAL > 0, -np.inf, 0.0),
        HintKind.MASK_INVERTED,
    ),
    "mask one further": (CAUSAL, lambda x: np.tril(np.ones((12, 12)), -1), HintKind.MASK_SHIFTED),
    "attention one further": (
        softmax(np.where(CAUSAL > 0, values(12, 12), -np.inf), -1),
        lambda x: softmax(np.where(np.tril(CAUSAL, 1) + np.eye(12, k=1) > 0, values(12, 12), -np.inf), -1),
        HintKind.MASK_SHIFTED,
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_among_the_first_two(name: str) -> None:
    reference, mistake, kind = PLANTED[name]
    with np.errstate(invalid="ignore"):
        candidate = mistake(as_float32(reference))
        candidate = (
            candidate if kind is HintKind.ROUNDED or not np.isfinite(candidate).all() else noisy(candidate)
        )
    assert kind in hints(as_float32(reference), candidate)[:2]


def test_either_side_may_have_the_other_gelu() -> None:
    x = values(8, 64)
    for side, ours, theirs in ((Side.CANDIDATE, gelu, gelu_by_tanh), (Side.REFERENCE, gelu_by_tanh, gelu)):
        (first, *_) = found(clues(), as_float32(ours(x)), noisy(theirs(x)))
        assert (first.kind, first.side, first.verified) == (HintKind.GELU, side, True)


def test_a_softmax_or_a_norm_along_another_axis_is_told_by_what_it_makes() -> None:
    x = values(6, 8)
    assert HintKind.WRONG_AXIS in hints(softmax(x, 1), softmax(x, 0))[:2]
    centred = [(x - x.mean(axis=n, keepdims=True)) / x.std(axis=n, keepdims=True) for n in (0, 1)]
    assert HintKind.WRONG_AXIS in hints(*centred)[:2]


@pytest.mark.parametrize("side", Side)
def test_what_is_added_for_each_channel_may_be_the_bias_that_a_side_lacks(side: Side) -> None:
    bias = values(8)
    whole, lacking = IMAGES + bias.reshape(8, 1, 1), IMAGES
    pair = (whole, lacking) if side is Side.CANDIDATE else (lacking, whole)
    for known in (
        clues(vectors={"bias": bias}),
        clues(settings={"bias": (side is Side.CANDIDATE, side is Side.REFERENCE)}),
    ):
        first = found(known, as_float32(pair[0]), noisy(pair[1]))[0]
        assert (first.kind, first.side, first.verified) == (HintKind.MISSING_BIAS, side, True)
    other = found(clues(vectors={"bias": values(8)}), as_float32(pair[0]), noisy(pair[1]))[0]
    assert other.kind is HintKind.OFFSET_EACH


def test_other_statistics_of_a_batch_norm_are_told_by_their_mean() -> None:
    x, bias = values(16, 4, 6, 6) * 2 + 1, values(4)
    shape = (1, 4, 1, 1)
    own = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    kept = x * 0.9 - values(4).reshape(shape)
    in_train, in_eval = (one + bias.reshape(shape) for one in (own, kept))
    known = clues(kinds=("batch_norm", "batch_norm"), vectors={"bias": bias})
    for side, pair in ((Side.CANDIDATE, (in_eval, in_train)), (Side.REFERENCE, (in_train, in_eval))):
        first = found(known, as_float32(pair[0]), noisy(pair[1]))[0]
        assert (first.kind, first.side) == (HintKind.STATISTICS, side)


def normed(x: Reals, kind: str, epsilon: float, bias: Reals) -> Reals:
    if kind == "rms_norm":
        return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + epsilon)
    axes = {"layer_norm": (-1,), "batch_norm": (0, 2, 3), "instance_norm": (2, 3)}.get(kind)
    if axes is None:
        split = x.reshape(len(x), 2, -1)
        made = (split - split.mean(-1, keepdims=True)) / np.sqrt(split.var(-1, keepdims=True) + epsilon)
        return made.reshape(x.shape) + bias
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon) + bias


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm", "batch_norm", "instance_norm", "group_norm"])
def test_a_norms_epsilon_is_verified_from_what_it_was_given(kind: str) -> None:
    x = 0.1 * (TOKENS if kind in ("layer_norm", "rms_norm") else IMAGES)
    size = x.shape[-1] if kind in ("layer_norm", "rms_norm") else x.shape[1]
    bias = values(size)
    shaped = bias if size == x.shape[-1] else bias.reshape(-1, 1, 1)
    pair = as_float32(normed(x, kind, 1e-5, shaped)), noisy(normed(x, kind, 1e-6, shaped))
    settings = {"epsilon": (1e-5, 1e-6), "num_groups": (2, 2)}
    known = clues(
        kinds=(kind, kind),
        settings=settings,
        vectors={} if kind == "rms_norm" else {"bias": bias},
        variance=variance_of((kind, kind), settings, HostTensor.from_array(x.astype(np.float32))),
    )
    first = found(known, *pair)[0]
    assert (first.kind, first.numbers, first.verified) == (HintKind.EPSILON, (1e-5, 1e-6), True)
    # Another difference is not charged to it, though the setting differs.
    other = found(known, pair[0], noisy(values(*x.shape)))
    assert HintKind.EPSILON not in {hint.kind for hint in other}


def test_a_norms_epsilon_in_eval_mode_is_verified_from_the_running_variance() -> None:
    variance, x = np.abs(values(8)) + 1e-3, values(4, 8, 10, 10)
    pair = [x / np.sqrt(variance + one).reshape(8, 1, 1) for one in (1e-5, 1e-3)]
    known = clues(
        kinds=("batch_norm", "batch_norm"),
        settings={"epsilon": (1e-5, 1e-3)},
        vectors={"running_var": variance},
    )
    first = found(known, as_float32(pair[0]), noisy(pair[1]))[0]
    assert (first.kind, first.verified) == (HintKind.EPSILON, True)


def statistic(name: str, reference: Reals, candidate: Reals, before: Reals, **settings: Any) -> Clues:
    return clues(
        CaptureKind.BUFFER,
        name=name,
        settings={"momentum": (0.1, 0.1), **settings},
        now=Samples(reference=reference, candidate=candidate),
        before=Samples(reference=before, candidate=before),
    )


def test_the_share_of_the_new_value_taken_for_that_of_the_old_one_is_told() -> None:
    before, mean = values(16), values(16)
    pair = [before + share * (mean - before) for share in (0.1, 0.9)]
    first = found(statistic("running_mean", *pair, before), *pair)[0]
    assert (first.kind, first.numbers) == (HintKind.MOMENTUM, (0.1, 0.9))
    pair = [before + share * (mean - before) for share in (0.1, 0.03)]
    first = found(statistic("running_mean", *pair, before, momentum=(0.1, 0.03)), *pair)[0]
    assert (first.kind, first.numbers) == (HintKind.MOMENTUM, (0.1, 0.03))


def test_a_biased_variance_is_told_with_its_number() -> None:
    before, variance = np.ones(16), np.abs(values(16)) + 0.5
    biased, unbiased = (0.9 * before + 0.1 * variance * one for one in (1.0, 64 / 63))
    for side, pair in ((Side.CANDIDATE, (biased, unbiased)), (Side.REFERENCE, (unbiased, biased))):
        first = found(statistic("running_var", *pair, before), *pair)[0]
        assert (first.kind, first.side, first.numbers) == (HintKind.UNBIASED, side, (64.0,))


def test_a_weight_that_stood_still_and_a_gradient_that_was_added_to_are_told() -> None:
    before, after = values(64), values(64)
    known = clues(
        CaptureKind.PARAMETER,
        now=Samples(reference=after, candidate=before),
        before=Samples(reference=before, candidate=before),
    )
    assert found(known, after, before)[0].kind is HintKind.STALE
    known = clues(
        CaptureKind.PARAMETER_GRADIENT,
        now=Samples(reference=after, candidate=after + before),
        before=Samples(reference=before, candidate=before),
    )
    assert found(known, after, after + before)[0].kind is HintKind.ACCUMULATED


@pytest.mark.parametrize(
    ("own", "name", "other"),
    [("silu", "gelu", gelu), ("relu", "softplus", lambda x: np.logaddexp(x, 0.0)), ("gelu", "tanh", np.tanh)],
)
def test_an_activation_in_place_of_another_is_told(
    own: str, name: str, other: Callable[[Reals], Reals]
) -> None:
    x = as_float32(values(4, 20, 16))
    known = clues(kinds=(own, own), entered=x.reshape(-1, 16)[:64])
    (first, *_) = found(known, as_float32(ACTIVATIONS[own](x)), noisy(other(x)))
    assert (first.kind, first.names, first.verified) == (HintKind.ACTIVATION, (name, own), True)


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("kind", [HintKind.TRANSPOSED, HintKind.SWAPPED, HintKind.STALE, HintKind.ROUNDED])
def test_a_linear_layer_may_take_another_weight(kind: HintKind, is_turned: bool) -> None:
    """However it stores its weight, and whatever bias it adds."""
    x, bias, (own, other, before) = values(40, 16), values(16), (values(16, 16) for _ in range(3))
    known = clues(
        product=Product(
            entered=x[:32], name="fc.weight", weight=own, before=before, others={"o.weight": other}
        )
    )
    taken = {
        HintKind.TRANSPOSED: own.T,
        HintKind.SWAPPED: other,
        HintKind.STALE: before,
        HintKind.ROUNDED: rounded(own, DType.BFLOAT16),
    }[kind]
    pair = [as_float32(x @ (one.T if is_turned else one) + bias).reshape(4, 10, 16) for one in (own, taken)]
    (first, *_) = found(known, *pair)
    named = {HintKind.SWAPPED: ("o.weight",), HintKind.ROUNDED: ("bfloat16",)}
    names = (*named.get(kind, ()), "fc.weight")
    assert (first.kind, first.names, first.verified) == (kind, names, True)
    assert found(known, pair[0], as_float32(values(4, 10, 16))) == ()


SHAPES = [(), (1,), (5,), (300,), (2, 2), (3, 7), (16, 16), (4, 8, 10, 10), (4, 24, 32), (2, 4, 4, 4, 4)]
KINDS = [CaptureKind.OUTPUT, CaptureKind.PARAMETER_GRADIENT, CaptureKind.PARAMETER, CaptureKind.LOSS]


@pytest.mark.parametrize("shape", SHAPES)
def test_of_unrelated_tensors_nothing_is_said(shape: tuple[int, ...]) -> None:
    for kind in KINDS:
        makers = [np.asarray, np.abs, np.exp, lambda x: np.maximum(x, 0.0), lambda x: 1e-6 * x]
        if math.prod(shape) > 2:
            makers.append(np.sign)
        for make in makers:
            for _ in range(2):
                pair = as_float32(make(values(*shape))), as_float32(make(values(*shape)))
                if not np.array_equal(*pair):
                    assert hints(*pair, clues(kind)) == (HintKind.UNKNOWN,), (kind, pair)


def one_hot(*shape: int) -> Reals:
    return np.eye(shape[-1])[RANDOM.integers(shape[-1], size=shape[:-1])]


# Values of few numbers, where much agrees by chance.
PLAIN: dict[str, Callable[..., Reals]] = {
    "normal": values,
    "one hot": one_hot,
    "numbers": lambda *shape: RANDOM.integers(0, 50, size=shape).astype(float),
    "bits": lambda *shape: RANDOM.integers(0, 2, size=shape).astype(float),
    "sparse": lambda *shape: values(*shape) * (RANDOM.random(shape) < 0.02),
    "constant": lambda *shape: np.full(shape, values()),
    "products": lambda *shape: np.multiply.outer(values(*shape[:-1]), values(shape[-1])),
    "heavy": lambda *shape: values(*shape) ** 5,
}


@pytest.mark.parametrize("one", PLAIN)
@pytest.mark.parametrize("other", PLAIN)
def test_of_unrelated_tensors_of_few_numbers_nothing_is_said(one: str, other: str) -> None:
    for shape in ((64,), (4, 10), (16, 16), (2, 64), (8, 12, 16), (2, 3, 8, 8)):
        pair = as_float32(PLAIN[one](*shape)), as_float32(PLAIN[other](*shape))
        if not np.array_equal(*pair):
            assert hints(*pair) == (HintKind.UNKNOWN,), shape


@pytest.mark.parametrize("shape", SHAPES)
def test_of_rounding_nothing_is_said(shape: tuple[int, ...]) -> None:
    for kind in KINDS:
        for epsilons in (0.5, 1.0, 8.0, 200.0):
            reference = as_float32(values(*shape))
            assert hints(reference, noisy(reference, epsilons), clues(kind)) == (HintKind.UNKNOWN,)


def test_a_table_with_few_other_rows_has_no_border() -> None:
    reference = values(8, 12, 16)
    candidate = reference.copy()
    candidate[3, 0, 5] += 1.0
    candidate[5, 11, 2] += 1.0
    assert hints(reference, candidate) == (HintKind.FEW_ELEMENTS,)


def test_of_shapes_that_differ_nothing_is_said_without_evidence() -> None:
    for one, other in (((4, 6), (6, 4)), ((3, 8), (24,)), ((2, 3, 8, 8), (2, 3, 9, 9)), ((4,), (4, 1))):
        assert hints(values(*one), values(*other)) == (HintKind.UNKNOWN,)
    assert hints(np.zeros((4, 6)), np.zeros((6, 4))) == (HintKind.UNKNOWN,)


def test_a_pair_that_differs_by_noise_and_mistake_is_told_by_what_is_left() -> None:
    """In a free run the layers before have their part."""
    reference = as_float32(TOKENS)
    candidate = noisy(3.0 * TOKENS, epsilons=300.0)
    (first, *_) = found(clues(), reference, candidate)
    assert (first.kind, first.verified) == (HintKind.SCALED, False)
    assert first.numbers[0] == pytest.approx(3.0, rel=1e-3)


def test_no_probe_raises_whatever_it_is_given() -> None:
    odd = [np.zeros(()), np.zeros((0, 3)), np.full((4, 4), np.nan), np.full((2, 3), np.inf), values(3, 3)]
    for one in odd:
        for other in odd:
            for kind in CaptureKind:
                for probe in PROBES:
                    with np.errstate(all="ignore"):
                        probe(clues(kind), one, other)


def test_what_nothing_fits_is_unknown() -> None:
    assert ranked((), ()) == (UNKNOWN,)
