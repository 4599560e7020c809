"""The conformance suite over Torch, and what only Torch has. Runs in Torch's environment."""

from __future__ import annotations

import functools
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_layers import LAYERS  # noqa: E402

from padiff_rpc.errors import InvalidRequestError  # noqa: E402
from padiff_rpc.tensors import HostTensor  # noqa: E402
from padiff_rpc.v1.records import OptimizerEntry  # noqa: E402
from padiff_worker.conformance import (  # noqa: E402
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
    raises,
)
from padiff_worker.conformance.kept import assert_hooks_put_back  # noqa: E402
from padiff_worker.conformance.known_layers import LAYERS as ALL_LAYERS  # noqa: E402
from padiff_worker.kept_state import KeptState  # noqa: E402
from padiff_worker_torch.adapter import TorchAdapter  # noqa: E402


class Numbers(torch.utils.data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.float32(index)


class TorchCase(AdapterCase):
    adapter = TorchAdapter()
    layer_class = torch.nn.Module
    suffixes = (".pt", ".pth", ".safetensors") if find_spec("safetensors") else (".pt", ".pth")
    recomputations = (
        lambda function, x: checkpoint(function, x, use_reentrant=True),
        lambda function, x: checkpoint(function, x, use_reentrant=False),
    )
    random_recomputations = recomputations
    nested_recomputations = recomputations

    def known_layers(self):
        return LAYERS

    def parameter(self, array):
        return torch.nn.Parameter(torch.from_numpy(array.copy()))

    def linear(self, inputs, outputs):
        return torch.nn.Linear(inputs, outputs)

    def scale_(self, tensor, factor):
        with torch.no_grad():
            tensor.mul_(factor)

    def scale_data(self, tensor, factor):
        tensor.data.mul_(factor)

    def relu_(self, tensor):
        return torch.relu_(tensor)

    def flat(self, tensor):
        return tensor.view(-1)

    def transposed(self, tensor):
        return tensor.t()

    def columns(self, tensor, start, end):
        return tensor[:, start:end]

    def halves(self, tensor):
        return tensor.split(tensor.shape[0] // 2)

    def add_buffer(self, layer, name, array, *, persistent):
        layer.register_buffer(name, torch.from_numpy(array), persistent=persistent)

    def batch_norm(self, features):
        return torch.nn.BatchNorm1d(features)

    def random(self, count):
        return torch.rand(count)

    def dropout(self, x, p, training=True):
        return torch.nn.functional.dropout(x, p, training)

    def rand(self, shape):
        return torch.rand(shape)

    def unshared(self):
        torch.multinomial(torch.ones(3), 2)
        return "multinomial"

    def hidden_drawing(self):
        return functools.partial(torch.rand, 1)

    def random_functions(self):
        functional = torch.nn.functional
        return [
            torch.dropout,
            torch._VF.dropout,
            torch.rand,
            torch.Tensor.bernoulli_,
            functional.scaled_dot_product_attention,
            torch.get_rng_state,
        ]

    def feature_dropout(self, x, p):
        return torch.nn.Dropout2d(p)(x)

    def alpha_dropout(self, x, p):
        return torch.nn.AlphaDropout(p)(x)

    def rrelu(self, x, lower, upper):
        return torch.nn.RReLU(lower, upper)(x)

    def dot_product_attention(self, query, key, value, p):
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, dropout_p=p)

    def randn(self, shape):
        return torch.randn(shape)

    def bernoulli(self, probability):
        return torch.bernoulli(probability)

    def bernoulli_(self, tensor, probability):
        return tensor.bernoulli_(probability)

    def floor(self, tensor):
        return tensor.floor()

    def sgd(self, model, rate):
        return torch.optim.SGD(model.parameters(), lr=rate)

    def momentum(self, model, rate):
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.5)

    def adam(self, model, rate):
        return torch.optim.Adam(model.parameters(), lr=rate, betas=(0.5, 0.75))

    def loader(self, count, workers):
        return torch.utils.data.DataLoader(Numbers(count), batch_size=2, num_workers=workers)


class TestTensors(TensorSuite):
    case = TorchCase()


class TestGradients(GradientSuite):
    case = TorchCase()
    # On a CPU every layer has one.
    test_a_layer_that_has_no_backward_in_eval_mode_is_found_where_the_loss_depends_on_it = None


class TestSpared(SparedSuite):
    case = TorchCase()


class TestKept(KeptSuite):
    case = TorchCase()


class TestModels(ModelSuite):
    case = TorchCase()


class TestOptimizers(OptimizerSuite):
    case = TorchCase()


class TestOverrides(OverrideSuite):
    case = TorchCase()


class TestTakers(TakerSuite):
    case = TorchCase()


class TestState(StateSuite):
    case = TorchCase()


class TestCaptures(CaptureSuite):
    case = TorchCase()


class TestRandomness(RandomnessSuite):
    case = TorchCase()


class TestTraining(TrainingSuite):
    case = TorchCase()


class TestRuns(RunSuite):
    case = TorchCase()


class TestVocabulary(VocabularySuite):
    case = TorchCase()

    def test_no_layer_is_left_out(self):
        assert set(LAYERS) == set(ALL_LAYERS)


ADAPTER = TorchCase.adapter


def test_layouts_without_a_plain_block_of_memory_are_no_tensors():
    assert not ADAPTER.is_tensor(torch.eye(2).to_sparse())


def test_a_conjugate_is_copied_as_what_it_means():
    tensor = torch.tensor([1 + 2j]).conj()
    assert ADAPTER.host_copy(tensor).array.tolist() == [1 - 2j]
    assert ADAPTER.host_copy(tensor.imag).array.tolist() == [-2]


def test_a_tensor_in_channels_last_order_is_copied_in_its_logical_order():
    tensor = torch.arange(24.0).reshape(1, 2, 3, 4)
    copy = ADAPTER.host_copy(tensor.to(memory_format=torch.channels_last))
    assert copy.array.tobytes() == tensor.numpy().tobytes()


def test_a_tensor_of_inference_mode_has_an_identity():
    with torch.inference_mode():
        tensor = torch.ones(2)
        assert ADAPTER.identity(tensor) == ADAPTER.identity(tensor)


def test_a_view_changed_in_place_leaves_its_gradient_to_its_base():
    seen = []
    base = torch.ones(2, 2, requires_grad=True) * 2
    view = base.view(4)
    for name, tensor in (("base", base), ("view before", view)):
        ADAPTER.watch_gradient(tensor, lambda gradient, name=name: seen.append(name))
    torch.relu_(view)
    ADAPTER.watch_gradient(view, lambda gradient: seen.append("view after"))
    ADAPTER.backward((view * 3).sum())
    assert seen == ["view after", "base"]


@pytest.mark.parametrize("changed", ["view", "base"])
def test_a_view_that_was_taken_and_then_changed_in_place_tells_no_part_of_its_gradient(changed):
    seen = []
    base = torch.ones(2, 2, requires_grad=True) * 2
    view, bystander = base.view(4), base.view(4)
    whole = (base * 1).view(4)
    for name, tensor in (("view", view), ("whole", whole)):
        ADAPTER.watch_gradient(tensor, lambda gradient, name=name: seen.append((name, gradient.tolist())))
    taken = view * 3 + whole * 2
    (view if changed == "view" else base).add_(1)
    ADAPTER.backward((taken + view * 5).sum() + bystander.sum())
    assert seen == [("whole", [2, 2, 2, 2])]


def test_a_sparse_embeddings_gradient_has_every_element():
    embedding = torch.nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1, 1, 3])).sum().backward()
    gradient = ADAPTER.host_copy(ADAPTER.gradient(embedding.weight)).array
    assert gradient.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_a_scheduler_steps_its_optimizer_and_itself():
    model = TorchCase().scale(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    assert ADAPTER.is_optimizer(scheduler)
    for expected in (0.0, -0.5):
        model(torch.ones(1)).sum().backward()
        ADAPTER.step(scheduler)
        assert model.factor.item() == expected
        assert model.factor.grad is None


def test_arguments_are_seen_as_the_layers_own_hooks_left_them():
    seen = []
    layer = torch.nn.Identity()
    layer.register_forward_pre_hook(lambda _, args: (args[0] * 2,))
    ADAPTER.watch(layer, lambda args, kwargs: seen.append(args[0].item()), lambda output: None)
    layer(torch.tensor(3.0))
    assert seen == [6]


def test_files_in_which_older_versions_run_code_are_refused(tmp_path):
    path = tmp_path / "state.pt"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    with raises(InvalidRequestError, str(path), "tar archive"):
        ADAPTER.load_weights(torch.nn.Linear(1, 1), str(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state/constants.pkl", b"")
    with raises(InvalidRequestError, str(path), "state_dict alone"):
        ADAPTER.load_weights(torch.nn.Linear(1, 1), str(path))


@pytest.mark.skipif(find_spec("safetensors") is not None, reason="safetensors is installed")
def test_safetensors_without_its_package_say_how_to_get_it(tmp_path):
    for verb in (ADAPTER.load_weights, ADAPTER.save_weights):
        with raises(InvalidRequestError, "pip install safetensors"):
            verb(torch.nn.Linear(1, 1), str(tmp_path / "state.safetensors"))


class Driven(torch.optim.SGD):
    """Steps its own scheduler."""

    def __init__(self, parameters, **given):
        super().__init__(parameters, **given)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self, 0.5)

    def step(self, closure=None):
        super().step(closure)
        self.scheduler.step()


def _sequence(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    schedule = torch.optim.lr_scheduler
    parts = [schedule.LinearLR(optimizer, 0.5, total_iters=1), schedule.StepLR(optimizer, 1, 0.5)]
    return schedule.SequentialLR(optimizer, parts, milestones=[2])


OPTIMIZERS = {
    "step": lambda model: torch.optim.lr_scheduler.StepLR(
        torch.optim.AdamW(model.parameters(), lr=0.1), step_size=2, gamma=0.5
    ),
    "lambda": lambda model: torch.optim.lr_scheduler.LambdaLR(
        torch.optim.NAdam(model.parameters(), lr=0.1), lambda epoch: 0.5**epoch
    ),
    "cycle": lambda model: torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), max_lr=0.2, total_steps=9
    ),
    "sequence": _sequence,
    "driven": lambda model: Driven(model.parameters(), lr=0.1, momentum=0.5),
    "rprop": lambda model: torch.optim.Rprop(model.parameters(), lr=0.1),
    "two_groups": lambda model: torch.optim.Adam(
        [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "amsgrad": True}]
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_and_its_scheduler_are_put_back(name, steps_before):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = OPTIMIZERS[name](model)

    def states(count):
        reached = []
        for _ in range(count):
            model(torch.ones(4, 3)).square().sum().backward()
            ADAPTER.step(optimizer)
            settings = viewed(optimizer, model).settings
            weights = [ADAPTER.host_copy(weight).array.tolist() for weight in model.parameters()]
            reached.append((weights, settings))
        return reached

    states(steps_before)
    kept = KeptState(ADAPTER, model, [optimizer])
    first = states(3)
    kept.put_back()
    assert states(3) == first


class WithData(torch.nn.Module):
    """Keeps a cache that grows by its `data`, a generator, and what its first call makes."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))
        self.cache = torch.zeros(1, 3)
        self.generator = torch.Generator().manual_seed(1)
        self.fresh = None

    def forward(self, x):
        self.cache.data = torch.cat([self.cache, torch.rand(1, 3, generator=self.generator)])
        if self.fresh is None:
            self.register_buffer("late", torch.ones(3))
            self.extra = torch.nn.Linear(3, 3)
            self.fresh = (self.late, self.extra)
        return x * self.scale + self.cache.sum(0)


class Recurrent(torch.nn.Module):
    """An LSTM that goes on from its last state."""

    def __init__(self):
        super().__init__()
        self.lstm, self.state = torch.nn.LSTM(3, 3), None

    def forward(self, x):
        out, self.state = self.lstm(x, self.state)
        return out


def _normed(wrap):
    return torch.nn.Sequential(wrap(torch.nn.Linear(3, 3)), torch.nn.BatchNorm1d(3))


KEEPING = {
    "data": WithData,
    "recurrent": Recurrent,
    "weight_norm": lambda: _normed(torch.nn.utils.weight_norm),
    "spectral_norm": lambda: _normed(torch.nn.utils.spectral_norm),
    "parametrized": lambda: _normed(torch.nn.utils.parametrizations.spectral_norm),
    "scripted": lambda: torch.jit.script(_normed(lambda layer: layer)),
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", KEEPING)
def test_what_a_model_keeps_is_put_back(name):
    torch.manual_seed(0)
    model, x = KEEPING[name](), torch.randn(4, 3)
    model(x)

    def runs():
        kept, made = KeptState(ADAPTER, model), []
        for _ in range(2):
            made.append(model(x))
            made[-1].sum().backward(retain_graph=True)
        kept.put_back()
        return [one.tolist() for one in made]

    def state():
        return [(name, tensor.dtype, tensor.tolist()) for name, tensor in model.state_dict().items()]

    before, first = state(), runs()
    kept = KeptState(ADAPTER, model)
    with ADAPTER.in_float64(kept.tensors):
        assert model(x.double()).dtype is torch.float64
    kept.put_back()
    assert runs() == first
    assert state() == before


def test_what_hooks_keep_is_put_back():
    model, x = torch.nn.Linear(3, 3), torch.ones(2, 3)
    assert_hooks_put_back(ADAPTER, model, x, model.register_forward_hook)


def test_what_a_first_call_makes_is_made_again():
    model, x = WithData(), torch.ones(2, 3)
    kept = KeptState(ADAPTER, model)
    model(x)
    assert dict(model.named_buffers())
    kept.put_back()
    assert (dict(model.named_buffers()), dict(model.named_children()), model.fresh) == ({}, {}, None)
    assert model.cache.shape == (1, 3)
    model(x)
    assert model.fresh[0] is model.late


def test_a_buffer_whose_elements_share_memory_takes_what_is_one_value_for_them():
    model = torch.nn.Linear(3, 2)
    positions = torch.arange(3.0).expand(2, 3)
    model.register_buffer("positions", positions)
    KeptState(ADAPTER, model).put_back()
    ADAPTER.write_weight(positions, HostTensor.from_array(np.array([[7, 8, 9]] * 2, np.float64)))
    assert model.positions is positions
    assert positions.tolist() == [[7, 8, 9]] * 2
    with raises(InvalidRequestError, "[2, 3]", "share memory", "clone"):
        ADAPTER.write_weight(positions, HostTensor.from_array(np.array([[7, 8, 9], [7, 8, 0]], np.float32)))
    assert positions.tolist() == [[7, 8, 9]] * 2


def test_windows_that_overlap_are_put_back_and_take_nothing_else():
    windows = torch.arange(4.0).unfold(0, 2, 1)
    assert not ADAPTER.overwrite(windows, HostTensor.from_array(np.ones((3, 2), np.float32)))
    ADAPTER.write_weight(windows, ADAPTER.host_copy(windows))
    with raises(InvalidRequestError, "[3, 2]", "share memory"):
        ADAPTER.write_weight(windows, HostTensor.from_array(np.ones((3, 2), np.float32)))


def viewed(optimizer, model):
    return ADAPTER.view_optimizer(optimizer, ADAPTER.weights(model))


def state_of(optimizer, model):
    view = viewed(optimizer, model)
    return {entry: view.read(entry) for entry in view.state}


@pytest.mark.parametrize(
    "make",
    [
        lambda of: torch.optim.SGD(of, lr=0.1, momentum=0.9, nesterov=True),
        lambda of: torch.optim.Adam(of, lr=0.1, amsgrad=True),
        lambda of: torch.optim.AdamW(of, lr=0.1),
        lambda of: torch.optim.RMSprop(of, lr=0.1, momentum=0.5, centered=True),
        lambda of: torch.optim.Adagrad(of, lr=0.1, lr_decay=0.1),
        lambda of: torch.optim.Adadelta(of, lr=0.1),
        lambda of: torch.optim.Adamax(of, lr=0.1),
        lambda of: torch.optim.NAdam(of, lr=0.1),
        lambda of: torch.optim.RAdam(of, lr=0.1),
        lambda of: torch.optim.Rprop(of, lr=0.1),
    ],
)
def test_an_optimizer_goes_on_from_another_ones_state(make):
    models = [torch.nn.Linear(2, 3) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [make(model.parameters()) for model in models]
    for gradient in (0.5, -2.0, 3.0):
        for parameter in models[0].parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizers[0].step()
    state = state_of(optimizers[0], models[0])
    assert state
    for entry, value in state.items():
        assert ADAPTER.write_optimizer_state(optimizers[1], ADAPTER.weights(models[1]), entry, value)
    models[1].load_state_dict(models[0].state_dict())
    for model, optimizer in zip(models, optimizers):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, -1.0)
        optimizer.step()
    assert [p.tolist() for p in models[0].parameters()] == [p.tolist() for p in models[1].parameters()]


def test_a_scheduler_shows_its_optimizer_with_the_rate_of_the_next_step():
    model = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for expected in (1.0, 0.5, 0.25):
        view = viewed(scheduler, model)
        assert view.class_name == "torch.optim.sgd.SGD"
        assert {settings["learning_rate"] for settings in view.settings.values()} == {expected}
        ADAPTER.step(scheduler)


def test_settings_have_the_common_words_and_no_more():
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.5), betas=(0.8, 0.9))
    settings = viewed(optimizer, model).settings["weight"]
    assert (settings["learning_rate"], settings["beta1"], settings["beta2"]) == (0.5, 0.8, 0.9)
    assert set(settings) == {
        *("learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "amsgrad", "maximize"),
        *("gradient_clipping", "l1_decay"),
    }


def test_decay_of_adam_goes_into_the_gradient_and_that_of_adamw_does_not():
    model = torch.nn.Linear(1, 1)
    words = [
        viewed(kind(model.parameters()), model).conventions["weight_decay"]
        for kind in (torch.optim.Adam, torch.optim.AdamW)
    ]
    assert words[0] == "added to the gradient"
    assert words[1] != words[0]


def test_a_users_own_optimizer_shows_state_of_known_names_and_others_under_their_own():
    class Own(torch.optim.Optimizer):
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    self.state[parameter].update(
                        exp_avg=torch.ones_like(parameter), mine=torch.zeros_like(parameter), odd=3, step=7
                    )

    model = torch.nn.Linear(2, 1)
    optimizer = Own(model.parameters(), {"lr": 0.5, "trust": 0.1})
    optimizer.step()
    view = viewed(optimizer, model)
    assert {entry.state for entry in view.state} == {"first_moment", "mine", "step"}
    entry = OptimizerEntry(parameter="bias", state="step")
    assert view.read(entry).array.tolist() == 7
    nine = HostTensor.from_array(np.array(9))
    assert ADAPTER.write_optimizer_state(optimizer, ADAPTER.weights(model), entry, nine)
    assert optimizer.state[model.bias]["step"] == 9
    assert (view.settings["bias"]["learning_rate"], view.settings["bias"]["trust"]) == (0.5, 0.1)
    assert view.conventions == {}


@pytest.mark.parametrize("train", [True, False])
def test_a_gpus_recurrent_layer_has_no_backward_in_eval_mode(train):
    # The node that a GPU would make, whose class is there without one.
    name = "CudnnRnnBackward0"
    assert "_saved_train" in vars(getattr(torch._C._functions, name))
    model = torch.nn.ModuleDict({"before": torch.nn.Linear(2, 3), "lstm": torch.nn.LSTM(3, 4)})
    weights = [(weight.sum().grad_fn.next_functions[0][0], 0) for weight in model["lstm"].parameters()]
    node = type(name, (), {"_saved_train": train, "next_functions": ((None, 0), *weights)})()
    loss = SimpleNamespace(grad_fn=SimpleNamespace(next_functions=((node, 0),)))
    assert ADAPTER.layers_without_backward(model, loss) == (() if train else ("lstm",))


NORMS = {
    "new weight norm": lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4)),
    "old weight norm": lambda: torch.nn.utils.weight_norm(torch.nn.Linear(3, 4)),
    "new spectral norm": lambda: torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(3, 4)),
    "old spectral norm": lambda: torch.nn.utils.spectral_norm(torch.nn.Linear(3, 4)),
    "orthogonal": lambda: torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 4)),
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("make", NORMS.values(), ids=list(NORMS))
def test_a_computed_weight_is_a_buffer_of_its_layer_as_it_would_be_now(make):
    layer = make()
    model = torch.nn.Sequential(layer).train()
    [_, handle] = ADAPTER.layers(model)
    assert handle.paths == ("0",), "what makes the weight is no layer"
    assert {f"0.{weight.name}" for weight in handle.weights} >= set(model.state_dict())
    [computed] = [weight for weight in handle.weights if weight.name == "weight"]
    assert (computed.kind, computed.unsaved, computed.tied_to) == ("buffer", True, "")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        next(one for one in model.parameters() if one.ndim == 2).mul_(2)
        changed = ADAPTER.weights(model)["0.weight"].clone()
    assert layer.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.named_buffers())
    model.eval()
    model(torch.ones(1, 3))
    assert torch.allclose(changed, layer.weight.detach(), atol=1e-6)


def test_what_a_first_call_will_make_is_empty_until_then():
    adapter, model = TorchAdapter(), torch.nn.Sequential(torch.nn.LazyLinear(3), torch.nn.LazyBatchNorm1d())
    assert adapter.empty_weights(model)[:2] == ["0.weight", "0.bias"]
    model(torch.zeros(2, 2))
    assert adapter.empty_weights(model) == []
    assert adapter.empty_weights(torch.nn.Linear(2, 3, device="meta")) == ["weight", "bias"]
    assert adapter.empty_weights(torch.nn.Embedding(0, 3)) == []


def test_a_compressed_state_file_is_refused_unread(tmp_path):
    stored, packed = tmp_path / "stored.pt", tmp_path / "packed.pt"
    torch.save({"weight": torch.zeros(1 << 20)}, stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    with pytest.raises(InvalidRequestError, match=r"packed\.pt is compressed \(\d+ bytes unpacked"):
        ADAPTER.load_weights(torch.nn.Linear(2, 2), str(packed))


@pytest.mark.parametrize(
    ("make", "is_one"),
    [
        (lambda x: x.amax(1), True),
        (lambda x: x.amin(1).unsqueeze(0)[0], True),
        (lambda x: x.max(), True),
        (lambda x: x.max(1).values, False),
        (lambda x: x.amax(1) * 2, False),
        (lambda x: x, False),
    ],
)
def test_a_result_that_backward_looks_for_is_known(make, is_one):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    made = make(x)
    assert ADAPTER.is_extremum(made) is is_one
    assert not ADAPTER.is_extremum(make(x.detach()))
    other = ADAPTER.host_copy(made)
    other.array[...] += 1
    passed = ADAPTER.pass_through(made, other)
    ADAPTER.backward(passed.sum())
    assert x.grad.isfinite().all()


def test_torchs_compiler_is_not_imported_for_models_that_do_not_use_it():
    told = """
import sys, torch
from padiff_rpc.v1.words import Randomness
from padiff_worker.calls import CallLog
from padiff_worker.randomness import Decisions
from padiff_worker_torch.adapter import TorchAdapter
adapter = TorchAdapter()
adapter.set_up("cpu", deterministic=True, threads=1)
print(torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
with adapter.random_operations(Decisions(CallLog(), Randomness.REPORT, is_thorough=True)):
    torch.nn.Dropout()(torch.nn.Linear(3, 3)(torch.ones(2, 3))).sum().backward()
print("torch._inductor" in sys.modules, "torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert run.stdout.split() == ["True", "True", "False", "False"], run.stderr


# Torch frees a graph by recursion, once Python has seen its operations.
DEEP = """
import resource
import torch
from padiff_rpc.v1.words import Randomness
from padiff_worker.model_thread import ModelThread
from padiff_worker.tracing import trace
from padiff_worker_torch.adapter import TorchAdapter

resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(6_000)))
thread = ModelThread()
work = lambda: trace(
    TorchAdapter(), model, lambda recorder: model(torch.zeros(1, 2)), Randomness.SHARED, repeat=False
)
job = thread.submit(work)
job.add_done_callback(lambda job: thread.stop())
thread.serve_forever()
print(len(job.result().calls), resource.getrlimit(resource.RLIMIT_STACK)[0] >> 20)
"""


def test_a_model_may_be_deeper_than_a_stack_usually_allows():
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(2 * 6_001), "1"]


def test_a_block_computes_with_threads_of_its_own():
    before = torch.get_num_threads()
    with TorchAdapter().threads(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
