"""Random operations of Torch with the numbers that the other side has too. Runs in its environment."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from padiff_rpc.v1.words import Randomness  # noqa: E402
from padiff_worker.calls import CallLog  # noqa: E402
from padiff_worker.draws import Draw  # noqa: E402
from padiff_worker.randomness import OUTSIDE_PAIR, Decisions, DrawKeys  # noqa: E402
from padiff_worker_torch.random_operations import random_operations  # noqa: E402

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
    return torch.from_numpy(drawn(ordinal).kept(tuple(shape), p))


def test_in_place_forms_change_their_input_and_keep_its_gradient():
    for function in (
        lambda x: F.dropout(x, 0.5, inplace=True),
        lambda x: nn.Dropout(0.5, inplace=True)(x),
        lambda x: torch.dropout_(x, 0.5, True),
    ):
        leaf = torch.ones(4, 5, requires_grad=True)
        given = leaf * 1
        result, made = deciding(lambda function=function, given=given: function(given))
        result.sum().backward()
        assert result is given
        assert made == [("dropout", True)]
        assert torch.equal(leaf.grad, kept((4, 5), 0.5) * 2.0)


def test_channels_of_unbatched_inputs_are_channels():
    found, made = deciding(lambda: F.dropout1d(torch.ones(5, 6), 0.5))
    assert torch.equal(found, (kept((1, 5, 1), 0.5) * 2.0).expand(1, 5, 6)[0])
    assert made == [("feature_dropout", True)]
    for layer, shape in ((nn.Dropout1d(0.5), (2, 5, 6)), (nn.Dropout3d(0.5), (2, 5, 2, 2, 2))):
        found, _ = deciding(lambda layer=layer, shape=shape: layer(torch.ones(shape)))
        mask = kept((2, 5, *(1 for _ in shape[2:])), 0.5)
        assert torch.equal(found, (mask * 2.0).expand(shape))


def test_a_feature_alpha_dropout_sets_channels_to_one_value():
    found, _ = deciding(lambda: nn.FeatureAlphaDropout(0.5)(torch.ones(3, 4, 5)))
    mask = kept((3, 4, 1), 0.5).expand(3, 4, 5)
    assert len(found[mask].unique()) == len(found[~mask].unique()) == 1
    assert found[~mask].max() < -0.7


def test_half_precision_is_scaled_as_torch_scales_it():
    x = torch.randn(64, dtype=torch.bfloat16)
    found, _ = deciding(lambda: F.dropout(x, 0.1))
    factor = torch.ones((), dtype=torch.bfloat16).div_(0.9)
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, x * kept((64,), 0.1) * factor)


def test_a_randomised_relu_in_place_and_its_mean_slope():
    x = torch.linspace(-2, 2, 12)
    slopes = torch.from_numpy(0.125 + (1 / 3 - 0.125) * drawn().uniform((12,)))
    for function in (lambda y: F.rrelu_(y, training=True), nn.RReLU(inplace=True), torch.rrelu):
        given = x.clone()
        call = (lambda y: torch.rrelu(y, training=True)) if function is torch.rrelu else function
        found, made = deciding(lambda call=call, given=given: call(given))
        assert torch.allclose(found, torch.where(x <= 0, x * slopes, x))
        assert made == [("rrelu", True)]
    found, made = deciding(lambda: nn.RReLU()(x), OFF)
    assert torch.equal(found, nn.RReLU().eval()(x))
    assert made == [("rrelu", True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attn_mask": torch.rand(5, 7) > 0.3},
        {"attn_mask": torch.randn(2, 4, 5, 7)},
        {"is_causal": True},
        {"scale": 0.7},
    ],
    ids=["plain", "boolean mask", "added mask", "causal", "scale"],
)
def test_attention_taken_apart_is_torchs_own(options):
    heads = {"enable_gqa": True}
    query, key, value = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 7, 8), torch.randn(2, 2, 7, 8)

    def attend(p):
        return F.scaled_dot_product_attention(query, key, value, dropout_p=p, **heads, **options)

    expected = attend(0.0)
    found, made = deciding(lambda: attend(1e-9))  # too little to drop anything
    assert torch.allclose(found, expected, atol=1e-6)
    assert made == [("scaled_dot_product_attention", True)]
    found, made = deciding(lambda: attend(0.5), OFF)
    assert torch.allclose(found, expected, atol=1e-6)


def test_multi_head_attention_drops_the_same_with_and_without_its_weights():
    attention, x = nn.MultiheadAttention(8, 2, dropout=0.5), torch.randn(5, 3, 8)
    found = [
        deciding(lambda needed=needed: attention(x, x, x, need_weights=needed)[0], is_thorough=False)
        for needed in (True, False)
    ]
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert [made for _, made in found] == [[("dropout", True)], [("scaled_dot_product_attention", True)]]
    assert not torch.allclose(found[0][0], attention.eval()(x, x, x)[0], atol=1e-2)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_drop_between_their_layers(kind, both_ways, batch_first):
    torch.manual_seed(0)
    shape = {"bidirectional": both_ways}
    whole = kind(3, 4, 2, dropout=0.5, batch_first=batch_first, **shape)
    first, second = kind(3, 4, **shape), kind(8 if both_ways else 4, 4, **shape)
    for part, index in ((first, 0), (second, 1)):
        for name, weight in part.named_parameters():
            weight.data.copy_(getattr(whole, name.replace("_l0", f"_l{index}")).data)
    x = torch.randn(5, 2, 3, requires_grad=True)
    (found, last), made = deciding(lambda: whole(x.transpose(0, 1) if batch_first else x))
    hidden, ended = first(x)
    expected, end = second(hidden * kept(hidden.shape, 0.5) * 2.0)
    found = found.transpose(0, 1) if batch_first else found
    assert torch.allclose(found, expected, atol=1e-6)
    pairs = zip(last, zip(ended, end)) if kind is nn.LSTM else [(last, (ended, end))]
    for state, parts in pairs:
        assert torch.allclose(state, torch.cat(parts), atol=1e-6)
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out in (found, expected)]
    assert torch.allclose(*gradients, atol=1e-6)
    assert made == [(made[0][0], True)]
    off, _ = deciding(lambda: whole(x.transpose(0, 1) if batch_first else x)[0], OFF)
    assert torch.equal(off, whole.eval()(x.transpose(0, 1) if batch_first else x)[0])


def test_a_packed_sequence_keeps_torchs_own_dropout_and_is_named():
    lstm = nn.LSTM(3, 4, 3, dropout=0.5)
    packed = nn.utils.rnn.pack_padded_sequence(torch.ones(4, 2, 3), [4, 2])
    _, made = deciding(lambda: lstm(packed))
    assert made == [("lstm", False), ("lstm", False)]


def test_numbers_are_of_the_shape_dtype_and_parameters_that_were_asked_for():
    uniform, normal = (torch.from_numpy(one) for one in (drawn().uniform((2, 3)), drawn().normal((2, 3))))
    mean, std = torch.arange(6.0).reshape(2, 3), torch.full((2, 3), 0.5)
    for function, expected in (
        (lambda: torch.rand(2, 3), uniform),
        (lambda: torch.rand((2, 3), dtype=torch.float64), uniform.double()),
        (lambda: torch.rand_like(mean), uniform),
        (lambda: torch.empty(2, 3).uniform_(-1, 3), -1 + 4 * uniform),
        (lambda: torch.empty(2, 3).uniform_(to=3), 3 * uniform),
        (lambda: torch.empty(3, 2).t().uniform_(), uniform),
        (lambda: torch.randn(2, 3), normal.float()),
        (lambda: torch.randn_like(mean.double()), normal),
        (lambda: torch.normal(mean, std), (mean + std * normal).float()),
        (lambda: torch.normal(mean, 2.0), (mean + 2 * normal).float()),
        (lambda: torch.normal(1.0, std), (1 + std * normal).float()),
        (lambda: torch.normal(1.0, 2.0, (2, 3)), (1 + 2 * normal).float()),
        (lambda: torch.empty(2, 3).normal_(1, 2), (1 + 2 * normal).float()),
    ):
        found, made = deciding(function)
        assert found.dtype is expected.dtype
        assert torch.allclose(found, expected)
        assert [shared for _, shared in made] == [True]


def test_what_was_asked_of_a_new_tensor_stays_asked():
    leaf, _ = deciding(lambda: torch.rand(3, requires_grad=True))
    assert leaf.is_leaf
    assert leaf.requires_grad
    out = torch.empty(3)
    found, _ = deciding(lambda: torch.rand(3, out=out))
    assert found is out
    assert out.tolist() == drawn().uniform((3,)).tolist()


def test_trials_of_every_spelling_succeed_alike():
    ones = torch.from_numpy(drawn().ones((2, 3), 0.3))
    probability = torch.full((2, 3), 0.3)
    for function in (
        lambda: torch.bernoulli(probability),
        lambda: torch.bernoulli(torch.zeros(2, 3), 0.3),
        lambda: probability.bernoulli(),
        lambda: torch.zeros(2, 3).bernoulli_(0.3),
        lambda: torch.zeros(2, 3).bernoulli_(probability),
        lambda: torch.zeros(2, 3, dtype=torch.int64).bernoulli_(0.3),
    ):
        found, made = deciding(function)
        assert torch.equal(found.bool(), ones)
        assert [shared for _, shared in made] == [True]


def test_what_draws_from_a_generator_of_its_own_is_left_to_it():
    for function in (
        lambda own: torch.rand(3, generator=own),
        lambda own: torch.empty(3).bernoulli_(0.5, generator=own),
        lambda own: torch.empty(3).normal_(generator=own),
    ):
        expected = function(torch.Generator().manual_seed(3))
        found, made = deciding(lambda function=function: function(torch.Generator().manual_seed(3)))
        assert torch.equal(found, expected)
        assert [shared for _, shared in made] == [False]


def test_complex_numbers_are_left_to_torch_and_named():
    found, made = deciding(lambda: torch.randn(3, dtype=torch.complex64))
    assert found.is_complex()
    assert made == [("randn", False)]


def test_a_builtin_imported_by_name_is_named_by_a_trace():
    from torch.nn.functional import scaled_dot_product_attention  # as a user's module would, before any step

    x = torch.randn(1, 2, 3, 4)
    for p, names in ((0.5, ["bernoulli"]), (0.0, [])):
        _, made = deciding(lambda p=p: scaled_dot_product_attention(x, x, x, dropout_p=p))
        assert made == [(name, False) for name in names]


def test_a_mapped_function_is_left_to_torch_and_named():
    mapped = torch.func.vmap(lambda row: F.dropout(row, 0.5), randomness="different")
    _, made = deciding(lambda: mapped(torch.ones(3, 4)))
    assert made == [("dropout", False)]


def test_a_transformer_layer_is_switched_off_as_in_eval_mode():
    layer, x = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3), torch.randn(5, 2, 8)
    found, made = deciding(lambda: layer(x), OFF, is_thorough=False)
    assert len(made) == 4
    assert torch.allclose(found, layer.eval()(x), atol=1e-6)


def test_dropped_infinities_are_what_torch_makes_of_them():
    found, _ = deciding(lambda: F.dropout(torch.full((64,), math.inf), 0.5))
    assert np.array_equal(found.isnan().numpy(), ~drawn().kept((64,), 0.5))
