"""Random operations of Paddle with the numbers that the other side has too. Runs in its environment."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Paddle warns of tools that it would like to have
    paddle = pytest.importorskip("paddle")

from paddle import _C_ops, nn
from paddle.nn import functional as F

from padiff_rpc.v1.words import Randomness
from padiff_worker.calls import CallLog
from padiff_worker.draws import Draw
from padiff_worker.randomness import OUTSIDE_PAIR, Decisions, DrawKeys
from padiff_worker_paddle.random_operations import random_operations

OLD = "before 3.0 Paddle has another dropout"
SHARED, OFF = Randomness.SHARED, Randomness.OFF


def deciding(function, mode=SHARED, *, is_thorough=True):
    """Returns what `function` returned, and (name, shared) of the operations that it made."""
    decisions = Decisions(CallLog(), mode, DrawKeys(seed=7), is_thorough=is_thorough)
    with random_operations(decisions):
        result = function()
    return result, [(one.name, one.shared) for one in decisions.operations]


def drawn(ordinal=0):
    return Draw(seed=7, step=0, pair=OUTSIDE_PAIR, call=0, ordinal=ordinal)


def kept(shape, p, ordinal=0):
    return drawn(ordinal).kept(tuple(shape), p)


def test_both_ways_to_scale_are_kept():
    x = paddle.ones([4, 5])
    for mode, factor in (("upscale_in_train", 2.0), ("downscale_in_infer", 1.0)):
        found, made = deciding(lambda mode=mode: F.dropout(x, 0.5, mode=mode))
        assert np.array_equal(found.numpy(), kept((4, 5), 0.5) * factor)
        assert made == [("dropout", True)]
        found, made = deciding(lambda mode=mode: F.dropout(x, 0.5, training=False, mode=mode))
        assert np.array_equal(found.numpy(), np.full((4, 5), 1.0 / (3 - factor)))
        assert made == []
        found, made = deciding(lambda mode=mode: F.dropout(x, 0.5, mode=mode), OFF)
        assert np.array_equal(found.numpy(), x.numpy())
        assert made == [("dropout", True)]


@pytest.mark.skipif("inplace" not in inspect.signature(F.dropout).parameters, reason=OLD)
def test_an_in_place_dropout_changes_its_input_and_keeps_its_gradient():
    leaf = paddle.ones([4, 5])
    leaf.stop_gradient = False
    given = leaf * 1
    found, made = deciding(lambda: F.dropout(given, 0.5, inplace=True))
    found.sum().backward()
    assert np.array_equal(given.numpy(), kept((4, 5), 0.5) * 2.0)
    assert np.array_equal(leaf.grad.numpy(), kept((4, 5), 0.5) * 2.0)
    assert made == [("dropout", True)]


def test_axes_channels_and_their_layouts_have_masks_of_their_own():
    x = paddle.ones([3, 4, 5, 6])
    for function, name, shape in (
        (lambda: F.dropout(x, 0.5, axis=1), "dropout", (1, 4, 1, 1)),
        (lambda: F.dropout(x, 0.5, axis=[0, 2]), "dropout", (3, 1, 5, 1)),
        (lambda: F.dropout2d(x, 0.5), "dropout2d", (3, 4, 1, 1)),
        (lambda: F.dropout2d(x, 0.5, data_format="NHWC"), "dropout2d", (3, 1, 1, 6)),
        (lambda: nn.Dropout3D(0.5)(x.unsqueeze(-1)).squeeze(-1), "dropout3d", (3, 4, 1, 1)),
    ):
        found, made = deciding(function)
        assert np.array_equal(found.numpy(), np.broadcast_to(kept(shape, 0.5) * 2.0, x.shape))
        assert made == [(name, True)]
        found, made = deciding(function, OFF)
        assert np.array_equal(found.numpy(), x.numpy())
        assert made == [(name, True)]


@pytest.mark.parametrize("layer", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropouts_are_switched_off(layer):
    if not hasattr(nn, layer):
        pytest.skip(OLD)
    x = paddle.randn([3, 4, 5])
    found, made = deciding(lambda: getattr(nn, layer)(0.5)(x), OFF)
    assert np.array_equal(found.numpy(), x.numpy())
    assert [shared for _, shared in made] == [True]


def test_half_precision_is_dropped_and_filled():
    x = paddle.ones([64], dtype="bfloat16")
    found, _ = deciding(lambda: F.dropout(x, 0.5))
    assert found.dtype == paddle.bfloat16
    assert np.array_equal(found.astype("float32").numpy(), kept((64,), 0.5) * 2.0)


def test_a_randomised_relu_is_switched_off_to_its_mean_slope():
    x = paddle.linspace(-2, 2, 12)
    found, made = deciding(lambda: nn.RReLU()(x), OFF)
    assert np.array_equal(found.numpy(), F.rrelu(x, training=False).numpy())
    assert made == [("rrelu", True)]


def flash(query, key, mask, causal):
    return _C_ops.flash_attn(query, key, key, None, mask, 0.5, causal, False, False, "")[0]


def efficient(query, key, mask, causal):
    rest = (mask, None, None, None, None, -1, -1, causal, 0.5, -1.0, False)
    return _C_ops.memory_efficient_attention(query, key, key, *rest)[0]


@pytest.mark.skipif(not hasattr(paddle.Tensor, "__dlpack__"), reason=OLD)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("fused", [flash, efficient])
def test_fused_attention_is_taken_apart_as_paddle_itself_does_on_a_cpu(fused, causal, masked):
    query, key = paddle.randn([2, 5, 4, 8]), paddle.randn([2, 5, 2, 8])
    mask = paddle.randn([2, 4, 5, 5]) if masked and not causal else None
    arguments = {"attn_mask": mask, "dropout_p": 0.5, "is_causal": causal}
    plain, _ = deciding(lambda: F.scaled_dot_product_attention(query, key, key, **arguments))
    found, made = deciding(lambda: fused(query, key, mask, causal))
    assert np.allclose(found.numpy(), plain.numpy(), atol=1e-6)
    assert [shared for _, shared in made] == [True]


def test_sequences_behind_each_other_are_left_to_paddle():
    query, starts = paddle.randn([1, 5, 4, 8]), paddle.to_tensor([0, 2, 5], dtype="int32")
    rest = (None, starts, starts, None, None, 3, 3, False, 0.5, -1.0, False)
    with pytest.raises(RuntimeError, match="kernel"):  # which a CPU has not
        deciding(lambda: _C_ops.memory_efficient_attention(query, query, query, *rest))


def test_multi_head_attention_and_its_layer_drop_and_are_switched_off():
    layer, x = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3), paddle.randn([5, 2, 8])
    _, made = deciding(lambda: layer(x))
    assert made == [("dropout", True)] * 4
    found, _ = deciding(lambda: layer(x), OFF)
    layer.eval()
    assert np.allclose(found.numpy(), layer(x).numpy(), atol=1e-6)


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("direction", ["forward", "bidirect"])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.SimpleRNN])
def test_recurrent_layers_drop_between_their_layers(kind, direction, time_major):
    whole = kind(3, 4, 2, dropout=0.5, direction=direction, time_major=time_major)
    ways = 2 if direction == "bidirect" else 1
    options = {"direction": direction, "time_major": True}
    first, second = kind(3, 4, **options), kind(4 * ways, 4, **options)
    for part, index in ((first, 0), (second, 1)):
        for name, weight in part.named_parameters():
            if "." not in name:
                weight.set_value(getattr(whole, name.replace("_l0", f"_l{index}")))
    x = paddle.randn([5, 2, 3])
    x.stop_gradient = False

    def run():
        return whole(x if time_major else x.transpose([1, 0, 2]))

    (found, last), made = deciding(run)
    hidden, ended = first(x)
    expected, end = second(hidden * paddle.to_tensor(kept(hidden.shape, 0.5) * 2.0, dtype="float32"))
    found = found if time_major else found.transpose([1, 0, 2])
    assert np.allclose(found.numpy(), expected.numpy(), atol=1e-6)
    pairs = zip(last, zip(ended, end)) if kind is nn.LSTM else [(last, (ended, end))]
    for state, parts in pairs:
        assert np.allclose(state.numpy(), paddle.concat(parts).numpy(), atol=1e-6)
    gradients = []
    for out in (found, expected):
        out.square().sum().backward()
        gradients.append(x.grad.numpy())
        x.clear_grad()
    assert np.allclose(*gradients, atol=1e-6)
    assert made == [("rnn", True)]
    off, _ = deciding(run, OFF)
    whole.eval()
    assert np.array_equal(off[0].numpy(), run()[0].numpy())


def test_numbers_are_of_the_shape_dtype_and_parameters_that_were_asked_for():
    uniform, normal = drawn().uniform((2, 3)), drawn().normal((2, 3))
    mean = paddle.arange(6, dtype="float32").reshape([2, 3])
    for function, expected in (
        (lambda: paddle.rand([2, 3]), uniform),
        (lambda: paddle.uniform([2, 3], "float64", -1, 3), -1 + 4 * uniform.astype(np.float64)),
        (lambda: paddle.empty([2, 3]).uniform_(-1, 3), -1 + 4 * uniform),
        (lambda: paddle.randn([2, 3]), normal.astype(np.float32)),
        (lambda: paddle.standard_normal([2, 3], "float64"), normal),
        (lambda: paddle.normal(1.0, 2.0, [2, 3]), (1 + 2 * normal).astype(np.float32)),
        (lambda: paddle.normal(mean, 2.0), (mean.numpy() + 2 * normal).astype(np.float32)),
        (lambda: paddle.empty([2, 3]).normal_(1.0, 2.0), (1 + 2 * normal).astype(np.float32)),
    ):
        found, made = deciding(function)
        assert found.numpy().dtype == expected.dtype
        assert np.allclose(found.numpy(), expected, atol=1e-6)
        assert [shared for _, shared in made] == [True]


def test_what_draws_with_a_seed_of_its_own_is_left_to_it():
    expected = paddle.uniform([3], seed=5).numpy()
    found, made = deciding(lambda: paddle.uniform([3], seed=5))
    assert np.array_equal(found.numpy(), expected)
    assert made == [("uniform", False)]


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("randint", lambda: paddle.randint(3, shape=[2])),
        ("randperm", lambda: paddle.randperm(3)),
        ("poisson", lambda: paddle.poisson(paddle.ones([2]))),
        ("exponential", lambda: paddle.ones([2]).exponential_()),
        ("gumbel_softmax", lambda: F.gumbel_softmax(paddle.ones([1, 3]))),
    ],
)
def test_other_operations_are_named(name, function):
    for mode in Randomness:
        assert deciding(function, mode, is_thorough=False)[1] == [(name, False)]
