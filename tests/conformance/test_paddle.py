"""The conformance suite over Paddle, and what only Paddle has. Runs in Paddle's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Paddle warns of tools that it would like to have
    paddle = pytest.importorskip("paddle")
    from paddle.base.layer_helper import LayerHelper
    from paddle.distributed.fleet.utils import recompute

from paddle_layers import LAYERS

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OptimizerEntry
from padiff_rpc.v1.words import DType
from padiff_worker.conformance import (
    AdapterCase,
    CaptureSuite,
    GradientSuite,
    KeptSuite,
    ModelSuite,
    OptimizerSuite,
    OverrideSuite,
    RandomnessSuite,
    RunSuite,
    SparedSuite,
    StateSuite,
    TakerSuite,
    TensorSuite,
    TrainingSuite,
    VocabularySuite,
)
from padiff_worker.conformance.kept import assert_hooks_put_back
from padiff_worker.conformance.known_layers import LAYERS as ALL_LAYERS
from padiff_worker.kept_state import KeptState
from padiff_worker_paddle import adapter as adapter_module
from padiff_worker_paddle import watching
from padiff_worker_paddle.adapter import PaddleAdapter

# Said by every batch norm in train mode.
pytestmark = [
    pytest.mark.filterwarnings("ignore:When training, we now always track"),
    # Of Paddle 2.6, about its own Adagrad.
    pytest.mark.filterwarnings("ignore:Op .* is executed through `append_op`:DeprecationWarning"),
]


needs_paddle_3 = pytest.mark.skipif(
    not hasattr(paddle.Tensor, "__dlpack__"), reason="before 3.0 Paddle can do little with no elements"
)


class Numbers(paddle.io.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.float32(index)


# Not so in 2.6, on a CPU.
KEEPS_STATE = int(paddle.__version__.split(".")[0]) >= 3


class OutputAlone(paddle.nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


class PaddleCase(AdapterCase):
    adapter = PaddleAdapter()
    layer_class = paddle.nn.Layer
    batch_norm_names = ("weight", "bias", "_mean", "_variance")
    suffixes = (".pdparams", ".safetensors")
    recomputations = (
        lambda function, x: recompute(function, x, use_reentrant=True),
        # Paddle 2.6 keeps no random state on a CPU in this mode, and refuses to.
        lambda function, x: recompute(function, x, use_reentrant=False, preserve_rng_state=False),
    )
    nested_recomputations = recomputations[:1]
    random_recomputations = (
        recomputations[0],
        *((lambda function, x: recompute(function, x, use_reentrant=False),) if KEEPS_STATE else ()),
    )

    def known_layers(self):
        return LAYERS

    def parameter(self, array):
        parameter = paddle.create_parameter(list(array.shape), str(array.dtype))
        parameter.set_value(array)
        return parameter

    def linear(self, inputs, outputs):
        return paddle.nn.Linear(inputs, outputs)

    def scale_(self, tensor, factor):
        with paddle.no_grad():
            tensor.scale_(factor)

    def scale_data(self, tensor, factor):
        # Before 3.0 `data` is the tensor itself, which no operation may overwrite where gradients are made.
        with paddle.no_grad():
            tensor.data.scale_(factor)

    def relu_(self, tensor):
        return paddle.nn.functional.relu_(tensor)

    def flat(self, tensor):
        return tensor.reshape([-1])

    def transposed(self, tensor):
        return tensor.transpose([1, 0])

    def columns(self, tensor, start, end):
        return tensor[:, start:end]

    def halves(self, tensor):
        return tuple(paddle.split(tensor, 2))

    def add_buffer(self, layer, name, array, *, persistent):
        layer.register_buffer(name, paddle.to_tensor(array), persistable=persistent)

    def batch_norm(self, features):
        return paddle.nn.BatchNorm1D(features)

    def random(self, count):
        return paddle.rand([count])

    def dropout(self, x, p, training=True):
        return paddle.nn.functional.dropout(x, p, training=training)

    def rand(self, shape):
        return paddle.rand(shape)

    def unshared(self):
        paddle.multinomial(paddle.ones([3]), 2)
        return "multinomial"

    def hidden_drawing(self):
        uniform = paddle._C_ops.uniform
        return lambda: uniform([1], paddle.float32, 0.0, 1.0, 0, paddle.CPUPlace())

    def only_trained(self):
        return OutputAlone(4, 4)

    def random_functions(self):
        functional = paddle.nn.functional
        return [
            paddle._C_ops.dropout,
            paddle._C_ops.uniform,
            functional.dropout2d,
            paddle.get_rng_state,
        ]

    def feature_dropout(self, x, p):
        return paddle.nn.Dropout2D(p)(x)

    def alpha_dropout(self, x, p):
        return paddle.nn.AlphaDropout(p)(x)

    def rrelu(self, x, lower, upper):
        return paddle.nn.RReLU(lower, upper)(x)

    def dot_product_attention(self, query, key, value, p):
        given = [one.transpose([0, 2, 1, 3]) for one in (query, key, value)]
        return paddle.nn.functional.scaled_dot_product_attention(*given, dropout_p=p).transpose([0, 2, 1, 3])

    def randn(self, shape):
        return paddle.randn(shape)

    def bernoulli(self, probability):
        return paddle.bernoulli(probability)

    def bernoulli_(self, tensor, probability):
        if not hasattr(tensor, "bernoulli_"):
            pytest.skip("before 3.0 Paddle has another dropout")
        return tensor.bernoulli_(probability)

    def floor(self, tensor):
        return tensor.floor()

    def sgd(self, model, rate):
        return paddle.optimizer.SGD(rate, parameters=model.parameters())

    def momentum(self, model, rate):
        return paddle.optimizer.Momentum(rate, momentum=0.5, parameters=model.parameters())

    def adam(self, model, rate):
        return paddle.optimizer.Adam(rate, 0.5, 0.75, parameters=model.parameters())

    def loader(self, count, workers):
        return paddle.io.DataLoader(Numbers(count), batch_size=2, num_workers=workers)


class TestTensors(TensorSuite):
    case = PaddleCase()


class TestGradients(GradientSuite):
    case = PaddleCase()
    test_gradients_of_any_shape_arrive = needs_paddle_3(GradientSuite.test_gradients_of_any_shape_arrive)


class TestSpared(SparedSuite):
    case = PaddleCase()


class TestKept(KeptSuite):
    case = PaddleCase()


class TestModels(ModelSuite):
    case = PaddleCase()
    test_weights_without_axes_or_elements_are_written = needs_paddle_3(
        ModelSuite.test_weights_without_axes_or_elements_are_written
    )


class TestOptimizers(OptimizerSuite):
    case = PaddleCase()


class TestOverrides(OverrideSuite):
    case = PaddleCase()


class TestTakers(TakerSuite):
    case = PaddleCase()


class TestState(StateSuite):
    case = PaddleCase()


class TestCaptures(CaptureSuite):
    case = PaddleCase()


class TestRandomness(RandomnessSuite):
    case = PaddleCase()


class TestTraining(TrainingSuite):
    case = PaddleCase()


class TestRuns(RunSuite):
    case = PaddleCase()

    test_tensors_of_any_shape_and_dtype_are_captured = needs_paddle_3(
        RunSuite.test_tensors_of_any_shape_and_dtype_are_captured
    )


class TestVocabulary(VocabularySuite):
    case = PaddleCase()

    def test_no_layer_is_left_out(self):
        assert set(LAYERS) == set(ALL_LAYERS)


ADAPTER = PaddleCase.adapter


def test_tensors_without_a_plain_block_of_memory_are_no_tensors():
    sparse = paddle.sparse.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 2])
    assert not ADAPTER.is_tensor(sparse)


def test_an_integer_that_claims_a_gradient_gets_none():
    tensor = paddle.arange(3)
    tensor.stop_gradient = False
    assert not ADAPTER.requires_gradient(tensor * 2)


@pytest.mark.parametrize("turned", [False, True])
def test_a_gradient_that_is_replaced_flows_on_from_what_a_pylayer_made(turned):
    class Same(paddle.autograd.PyLayer):
        @staticmethod
        def forward(context, x):
            return x * 1

        @staticmethod
        def backward(context, gradient):
            return gradient * 1

    given = paddle.ones([2, 3])
    given.stop_gradient = False
    other = paddle.ones([3, 2] if turned else [2, 3])
    other.stop_gradient = False
    made = Same.apply(given.transpose([1, 0]) if turned else given)
    value = np.arange(6, dtype=np.float32).reshape(made.shape)
    ADAPTER.watch_gradient(made, lambda gradient: paddle.to_tensor(value))
    # What another tensor is added to may have its gradient in the same memory.
    total = made + other
    (total.transpose([1, 0]) if turned else total).sum().backward()
    assert given.grad.tolist() == (value.T if turned else value).tolist()
    assert other.grad.tolist() == np.ones_like(value).tolist()


def test_a_sparse_embeddings_gradient_has_every_element():
    embedding = paddle.nn.Embedding(4, 2, sparse=True)
    embedding(paddle.to_tensor([1, 1, 3])).sum().backward()
    gradient = ADAPTER.host_copy(ADAPTER.gradient(embedding.weight)).array
    assert gradient.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_a_scheduler_inside_an_optimizer_is_stepped_with_it():
    model = PaddleCase().scale(1.0)
    scheduler = paddle.optimizer.lr.StepDecay(1.0, step_size=1, gamma=0.5)
    optimizer = paddle.optimizer.SGD(scheduler, parameters=model.parameters())
    for expected in (0.0, -0.5):
        model(paddle.ones([1])).sum().backward()
        ADAPTER.step(optimizer)
        assert model.factor.item() == expected
        assert model.factor.grad is None


def test_a_recurrent_layers_dropout_state_without_memory_is_left_out():
    (layer, *_) = ADAPTER.layers(paddle.nn.LSTM(3, 4))
    assert [weight.name for weight in layer.weights] == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
    ]


class Growing(paddle.nn.Layer):
    """Keeps a cache that grows in place, and what its first call makes."""

    def __init__(self):
        super().__init__()
        self.scale = self.create_parameter([3])
        self.cache, self.pages = paddle.zeros([1, 3]), [paddle.ones([3])]
        self.fresh = None

    def forward(self, x):
        grown = paddle.concat([self.cache, paddle.rand([1, 3])])
        self.cache.get_tensor()._share_data_with(grown.get_tensor())
        self.pages.append(self.pages[-1] * 2)
        if self.fresh is None:
            self.register_buffer("late", paddle.ones([3]))
            self.extra = paddle.nn.Linear(3, 3)
            self.fresh = (self.late, self.extra)
        return x * self.scale + self.cache.sum(0) + self.pages[-1]


class Recurrent(paddle.nn.Layer):
    """An LSTM that goes on from its last state."""

    def __init__(self):
        super().__init__()
        self.lstm, self.state = paddle.nn.LSTM(3, 3), None

    def forward(self, x):
        out, (hidden, cell) = self.lstm(x.unsqueeze(0), self.state)
        self.state = (hidden.detach(), cell.detach())
        return out


def _normed(wrap):
    return paddle.nn.Sequential(wrap(paddle.nn.Linear(3, 3)), paddle.nn.BatchNorm1D(3))


KEEPING = {
    "growing": Growing,
    "recurrent": Recurrent,
    "weight_norm": lambda: _normed(paddle.nn.utils.weight_norm),
    "spectral_norm": lambda: _normed(paddle.nn.utils.spectral_norm),
    "static": lambda: paddle.jit.to_static(_normed(lambda layer: layer)),
}


@pytest.mark.parametrize("name", KEEPING)
def test_what_a_model_keeps_is_put_back(name):
    paddle.seed(0)
    model, x = KEEPING[name](), paddle.randn([4, 3])
    model(x)

    def runs():
        kept, made = KeptState(ADAPTER, model), []
        for _ in range(2):
            made.append(model(x))
            made[-1].sum().backward()
        kept.put_back()
        return [one.tolist() for one in made]

    def state():
        return [(name, tensor.dtype, tensor.tolist()) for name, tensor in model.state_dict().items()]

    before, first = state(), runs()
    kept = KeptState(ADAPTER, model)
    with ADAPTER.in_float64(kept.tensors):
        if name != "static":  # what is compiled is so for the dtypes of its first call
            assert ADAPTER.spec(model(x.astype("float64"))).dtype is DType.FLOAT64
    kept.put_back()
    assert runs() == first
    assert state() == before


def test_what_hooks_keep_is_put_back():
    model, x = paddle.nn.Linear(3, 3), paddle.ones([2, 3])
    assert_hooks_put_back(ADAPTER, model, x, model.register_forward_post_hook)


def test_what_a_first_call_makes_is_made_again():
    model, x = Growing(), paddle.ones([2, 3])
    names = [name for name, _ in model.named_buffers()]
    kept = KeptState(ADAPTER, model)
    model(x)
    kept.put_back()
    assert [name for name, _ in model.named_buffers()] == names
    assert (dict(model.named_children()), model.fresh, len(model.pages)) == ({}, None, 1)
    assert tuple(model.cache.shape) == (1, 3)
    model(x)
    assert model.fresh[0] is model.late


def test_copying_a_strided_tensor_leaves_it_as_it_is():
    strided = paddle.arange(24, dtype="float32").reshape([2, 3, 4]).transpose([1, 0, 2])
    before = ADAPTER.identity(strided), strided.strides
    assert ADAPTER.host_copy(strided).array.tolist() == strided.numpy().tolist()
    assert (ADAPTER.identity(strided), strided.strides) == before


def test_private_hyper_parameters_are_named_as_paddle_names_them():
    conv = ADAPTER.layers(paddle.nn.Conv2D(3, 4, 2, stride=2))[0].hyper_parameters
    assert conv["_stride"] == [2, 2]
    assert ADAPTER.layers(paddle.nn.LayerNorm(4, epsilon=0.25))[0].hyper_parameters["_epsilon"] == 0.25


def test_a_written_weight_of_an_lstm_reaches_its_one_block_of_memory():
    lstm = paddle.nn.LSTM(2, 3)
    given = paddle.ones([1, 2, 2])
    weight = ADAPTER.weights(lstm)["weight_ih_l0"]
    address, before = weight.data_ptr(), lstm(given)[0].numpy()
    ADAPTER.write_weight(weight, HostTensor.from_array(np.zeros((12, 2), np.float32)))
    assert weight.data_ptr() == address
    assert not np.array_equal(lstm(given)[0].numpy(), before)


def test_a_layer_keeps_its_dtype_when_its_weights_move():
    model = paddle.nn.Sequential(paddle.nn.Linear(2, 2))
    adapter_module._move(model, "cpu")
    assert [layer._dtype for layer in model.sublayers(include_self=True)] == ["float32", "float32"]


def test_an_older_paddle_whose_hooks_see_no_keywords_shows_them_all_the_same(monkeypatch):
    monkeypatch.setattr(watching, "_HOOKS_SEE_KEYWORDS", False)
    TestModels().test_a_watched_call_shows_its_arguments_and_its_output()
    TestModels().test_the_exit_of_a_call_that_raises_is_not_seen()
    TestCaptures().test_a_keyword_argument_is_named_by_its_keyword()
    TestRuns().test_a_layer_that_raises_leaves_no_hook_behind()


def test_an_older_paddle_without_dlpack_copies_the_same_bytes(monkeypatch):
    monkeypatch.setattr("padiff_worker_paddle.tensors._HAS_DLPACK", False)
    TestTensors().test_every_dtype_and_shape_comes_back_bit_by_bit()
    TestTensors().test_a_host_copy_of_a_transposed_view_holds_its_elements_in_order()
    TestTensors().test_a_host_copy_does_not_follow_the_tensor()


def test_bfloat16_weights_are_written_as_such():
    parameter = paddle.ones([2], dtype="bfloat16")
    ADAPTER.write_weight(
        parameter, HostTensor(array=np.array([0x3F80, 0xC000], np.uint16), dtype=DType.BFLOAT16)
    )
    assert parameter.astype("float32").tolist() == [1, -2]


def _warmed(decay):
    return paddle.optimizer.lr.LinearWarmup(decay, warmup_steps=2, start_lr=0.01, end_lr=0.1)


OPTIMIZERS = {
    "step": lambda model: paddle.optimizer.AdamW(
        paddle.optimizer.lr.StepDecay(0.1, step_size=2, gamma=0.5), parameters=model.parameters()
    ),
    "warmed": lambda model: paddle.optimizer.Momentum(
        _warmed(paddle.optimizer.lr.StepDecay(0.1, step_size=1, gamma=0.5)), parameters=model.parameters()
    ),
    "lambda": lambda model: paddle.optimizer.Adamax(
        paddle.optimizer.lr.LambdaDecay(0.1, lambda epoch: 0.5**epoch), parameters=model.parameters()
    ),
    "cycle": lambda model: paddle.optimizer.SGD(
        paddle.optimizer.lr.OneCycleLR(0.2, total_steps=9), parameters=model.parameters()
    ),
    "groups": lambda model: paddle.optimizer.Adam(
        0.1, parameters=[{"params": [model.weight]}, {"params": [model.bias], "learning_rate": 0.5}]
    ),
    "look_ahead": lambda model: paddle.incubate.LookAhead(
        paddle.optimizer.SGD(0.1, parameters=model.parameters()), alpha=0.5, k=2
    ),
}


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_and_its_scheduler_are_put_back(name, steps_before):
    paddle.seed(0)
    model = paddle.nn.Linear(3, 2)
    optimizer = OPTIMIZERS[name](model)

    def states(count):
        reached = []
        for _ in range(count):
            (model(paddle.ones([4, 3])) ** 2).sum().backward()
            ADAPTER.step(optimizer)
            weights = [ADAPTER.host_copy(weight).array.tolist() for weight in model.parameters()]
            reached.append((weights, optimizer.get_lr()))
        return reached

    states(steps_before)
    kept = KeptState(ADAPTER, model, [optimizer])
    first = states(3)
    kept.put_back()
    assert states(3) == first


def viewed(optimizer, model):
    return ADAPTER.view_optimizer(optimizer, ADAPTER.weights(model))


def step_by(optimizer, model, gradient):
    sum((parameter * gradient).sum() for parameter in model.parameters()).backward()
    ADAPTER.step(optimizer)


def state_of(optimizer, model):
    view = viewed(optimizer, model)
    return {entry: view.read(entry) for entry in view.state}


@pytest.mark.parametrize(
    "make",
    [
        lambda of: paddle.optimizer.Momentum(0.1, 0.9, of, use_nesterov=True),
        pytest.param(
            lambda of: paddle.optimizer.Adam(0.1, parameters=of, amsgrad=True),
            marks=pytest.mark.skipif(
                not hasattr(paddle.Tensor, "__dlpack__"), reason="before 3.0 Paddle has no AMSGrad"
            ),
        ),
        lambda of: paddle.optimizer.AdamW(0.1, parameters=of, name="mine"),
        lambda of: paddle.optimizer.RMSProp(0.1, momentum=0.5, centered=True, parameters=of),
        lambda of: paddle.optimizer.Adagrad(0.1, parameters=of),
        lambda of: paddle.optimizer.Adadelta(0.1, parameters=of),
        lambda of: paddle.optimizer.Adamax(0.1, parameters=of),
        lambda of: paddle.optimizer.Lamb(0.1, parameters=of),
        *(
            lambda of, name=name: getattr(paddle.optimizer, name)(0.1, parameters=of)
            for name in ("NAdam", "RAdam", "Rprop")
            if hasattr(paddle.optimizer, name)
        ),
        lambda of: paddle.optimizer.AdamW(
            0.1, parameters=[{"params": of[:1], "beta1": 0.5}, {"params": of[1:], "beta1": 0.8}]
        ),
    ],
)
def test_an_optimizer_goes_on_from_another_ones_state(make):
    models = [paddle.nn.Linear(2, 3) for _ in range(2)]
    optimizers = [make(model.parameters()) for model in models]
    for gradient in (0.5, -2.0, 3.0):
        step_by(optimizers[0], models[0], gradient)
    state = state_of(optimizers[0], models[0])
    assert state
    for entry, value in state.items():
        assert ADAPTER.write_optimizer_state(optimizers[1], ADAPTER.weights(models[1]), entry, value)
    models[1].set_state_dict(models[0].state_dict())
    for model, optimizer in zip(models, optimizers):
        step_by(optimizer, model, -1.0)
    for one, other in zip(*(model.parameters() for model in models)):
        # A power of beta is written as one number, where steps round it many times.
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)


def test_a_scheduler_inside_an_optimizer_shows_the_rate_of_the_next_step():
    model = paddle.nn.Linear(2, 3)
    scheduler = paddle.optimizer.lr.StepDecay(1.0, step_size=1, gamma=0.5)
    optimizer = paddle.optimizer.SGD(scheduler, model.parameters())
    for expected in (1.0, 0.5, 0.25):
        assert {one["learning_rate"] for one in viewed(optimizer, model).settings.values()} == {expected}
        step_by(optimizer, model, 1.0)


def test_a_parameters_own_attributes_come_before_the_optimizers_settings():
    decay = paddle.regularizer.L2Decay(0.25)
    attributes = paddle.ParamAttr(learning_rate=0.5, regularizer=decay)
    model = paddle.nn.Linear(2, 3, weight_attr=attributes)
    for optimizer in (
        paddle.optimizer.SGD(0.1, model.parameters(), weight_decay=0.125),
        paddle.optimizer.Momentum(0.1, 0.9, model.parameters(), weight_decay=0.125),
    ):
        settings = viewed(optimizer, model).settings
        assert settings["weight"]["learning_rate"] == 0.05
        assert settings["bias"]["learning_rate"] == 0.1
        assert settings["weight"]["weight_decay"] == 0.25
        assert settings["bias"]["weight_decay"] == 0.125


def test_a_groups_settings_stay_its_own_after_a_step():
    model = paddle.nn.Linear(2, 3)
    groups = [{"params": [model.weight], "beta1": 0.5}, {"params": [model.bias], "weight_decay": 0.5}]
    optimizer = paddle.optimizer.AdamW(0.1, parameters=groups, weight_decay=0.25)
    for _ in range(2):
        settings = viewed(optimizer, model).settings
        assert [settings[name]["beta1"] for name in ("weight", "bias")] == [0.5, 0.9]
        assert [settings[name]["weight_decay"] for name in ("weight", "bias")] == [0.25, 0.5]
        step_by(optimizer, model, 1.0)


def test_decay_of_the_absolute_value_and_clipping_are_seen():
    model = paddle.nn.Linear(2, 3)
    for clip, text in (
        (paddle.nn.ClipGradByGlobalNorm(0.5), "all to the norm 0.5"),
        (paddle.nn.ClipGradByNorm(2.0), "each to the norm 2"),
        (paddle.nn.ClipGradByValue(1.0), "values to [-1, 1]"),
    ):
        optimizer = paddle.optimizer.SGD(
            0.1, model.parameters(), weight_decay=paddle.regularizer.L1Decay(0.5), grad_clip=clip
        )
        settings = viewed(optimizer, model).settings["bias"]
        assert settings["gradient_clipping"] == text
        assert (settings["l1_decay"], settings["weight_decay"]) == (0.5, 0.0)


def test_state_of_half_precision_parameters_is_that_of_their_float32_copies():
    model = paddle.nn.Linear(2, 3)
    ADAPTER.prepare(model, device="cpu", dtype=DType.BFLOAT16, train=True)
    optimizer = paddle.optimizer.AdamW(0.1, parameters=model.parameters(), multi_precision=True)
    # A CPU has no kernel that steps them.
    entry = OptimizerEntry(parameter="bias", state="first_moment")
    value = HostTensor.from_array(np.array([1, 2, 0.1], np.float32))
    assert ADAPTER.write_optimizer_state(optimizer, ADAPTER.weights(model), entry, value)
    assert state_of(optimizer, model)[entry].array.tolist() == value.array.tolist()


def test_a_subclass_is_known_by_its_base_and_other_accumulators_by_their_names():
    class Mine(paddle.optimizer.Momentum):
        pass

    class Own(paddle.optimizer.Optimizer):
        def step(self):
            for parameter in self._parameter_list:
                self._add_accumulator("mine", parameter, fill_value=2.0)

    model = paddle.nn.Linear(2, 3)
    optimizer = Mine(0.1, 0.9, model.parameters())
    step_by(optimizer, model, 1.0)
    view = viewed(optimizer, model)
    assert view.conventions["algorithm"] == "sgd"
    assert {entry.state for entry in view.state} == {"momentum"}
    own = Own(0.1, model.parameters())
    own.helper = LayerHelper("own")  # Paddle 2.6 makes it in the step that this class has not
    own.step()
    assert {entry.state for entry in viewed(own, model).state} == {"mine"}


@pytest.mark.parametrize("kind", [paddle.nn.LSTM, paddle.nn.GRU, paddle.nn.SimpleRNN])
@pytest.mark.parametrize("frozen", [True, False])
def test_recurrent_layers_of_the_rnn_kernel_have_no_backward_in_eval_mode(kind, frozen):
    model = paddle.nn.LayerDict({"trained": kind(3, 4), "plain": paddle.nn.RNN(paddle.nn.GRUCell(4, 4))})
    model["evaluated"] = kind(4, 5, num_layers=2, direction="bidirect")
    model["evaluated"].eval()
    model["plain"].eval()
    for parameter in model["evaluated"].parameters():
        parameter.stop_gradient = frozen
    hidden = model["plain"](model["trained"](paddle.ones([2, 3, 3]))[0])[0]
    assert ADAPTER.layers_without_backward(model, hidden.sum()) == ()
    assert ADAPTER.layers_without_backward(model, model["evaluated"](hidden)[0].sum()) == ("evaluated",)


@pytest.mark.parametrize("norm", [paddle.nn.utils.weight_norm, paddle.nn.utils.spectral_norm])
def test_a_computed_weight_is_a_buffer_of_its_layer_as_it_would_be_now(norm):
    layer = norm(paddle.nn.Linear(3, 4))
    model = paddle.nn.Sequential(layer)
    model.train()
    [_, handle] = ADAPTER.layers(model)
    [computed] = [weight for weight in handle.weights if weight.name == "weight"]
    assert (computed.kind, computed.tied_to) == ("buffer", "")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if name.endswith("_u")}
    with paddle.no_grad():
        original = next(one for one in model.parameters() if len(one.shape) == 2)
        original.set_value(original * 2 + 0.1)
        changed = ADAPTER.weights(model)["0.weight"].clone()
    assert all(paddle.equal_all(tensor, model.state_dict()[name]) for name, tensor in before.items())
    model.eval()
    model(paddle.ones([1, 3]))
    assert paddle.allclose(changed, layer.weight.detach(), atol=1e-6)


def test_a_tensor_that_is_laid_out_anew_keeps_its_identity():
    part = (paddle.ones([2, 6]) * 2)[:, :3]
    before, address = ADAPTER.identity(part), part.data_ptr()
    assert part.contiguous() is part
    assert part.data_ptr() != address
    assert ADAPTER.identity(part) == before


def test_what_a_lazy_guard_made_is_empty_until_it_is_initialized():
    adapter = PaddleAdapter()
    with paddle.LazyGuard():
        layer = paddle.nn.BatchNorm1D(3)
    assert "weight" in adapter.empty_weights(layer)
    for weight in layer.parameters():
        weight.initialize()
    assert adapter.empty_weights(layer) == []
    assert adapter.empty_weights(paddle.nn.LSTM(2, 2, dropout=0.5)) == []


@pytest.mark.parametrize(
    ("make", "is_one"),
    [
        (lambda x: x.max(1), True),
        (lambda x: x.amin(1).unsqueeze(0).reshape([2, 1]), True),
        (lambda x: paddle.topk(x, 1)[0], False),
        (lambda x: x.max(1) * 2, False),
        (lambda x: x, False),
    ],
)
def test_a_result_that_backward_looks_for_is_known(make, is_one):
    x = paddle.arange(6, dtype="float32").reshape([2, 3])
    assert not ADAPTER.is_extremum(make(x))
    x.stop_gradient = False
    made = make(x)
    assert ADAPTER.is_extremum(made) is is_one
    other = ADAPTER.host_copy(made)
    other.array[...] += 1
    ADAPTER.backward(ADAPTER.pass_through(made, other).sum())
    assert bool(paddle.isfinite(x.grad).all())


def test_an_optimizer_that_calls_no_constructor_of_its_base_has_a_line_too():
    with ADAPTER.making_lines() as lines:
        made = paddle.optimizer.AdamW(0.1, parameters=paddle.nn.Linear(2, 2).parameters())
    line = lines.of(made)
    assert line is not None
    assert "AdamW(0.1" in line.text


def test_what_a_graph_keeps_for_backward_goes_with_its_tensors():
    def held():
        return paddle.base.core.host_memory_stat_current_value("Allocated", 0)

    adapter, layer = PaddleAdapter(), paddle.nn.Linear(2, 4)
    layer(paddle.ones([3, 2]))
    before = held()
    for _ in range(3):
        output = paddle.tanh(layer(paddle.ones([1000, 2])).max(axis=1))
        assert adapter.graph_place(output) == adapter.graph_place(output)
        assert [*adapter.graph_edges([output])]
        assert not adapter.is_extremum(output)
        assert not adapter.layers_without_backward(layer, output.sum())
        del output
        assert held() == before


# Which prints by how many threads the process grows: with one, in a block with two, and behind it.
THREADS = """
import os, paddle
from padiff_worker_paddle.adapter import PaddleAdapter
adapter, square = PaddleAdapter(), paddle.ones([512, 512])

def grown():
    before = len(os.listdir("/proc/self/task"))
    paddle.matmul(square, square).numpy()
    return len(os.listdir("/proc/self/task")) - before

paddle.matmul(square, square).numpy()
counts = [grown()]
with adapter.threads(2):
    counts.append(grown())
counts.append(grown())
print(*counts)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="the threads of a process are told there")
@pytest.mark.skipif(os.cpu_count() == 1, reason="MKL takes no more threads than there are cores")
def test_a_block_computes_with_threads_of_its_own():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment)
    assert run.stdout.split() == ["0", "1", "0"], run.stderr
