"""The conformance suite over the NumPy fake, so that the tests that use the fake stand on firm ground."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fakes"))

import fake
from fake_adapter import FakeAdapter

from padiff_worker.conformance import (
    AdapterCase,
    CaptureSuite,
    FunctionSuite,
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


class FakeCase(AdapterCase):
    adapter = FakeAdapter()
    layer_class = fake.Layer
    suffixes = (".pt",)
    recomputations = (fake.checkpoint,)
    random_recomputations = recomputations
    nested_recomputations = recomputations

    def known_layers(self):
        return {
            "linear": lambda: fake.Linear(3, 4),
            "linear_without_bias": lambda: fake.Linear(3, 4, bias=False),
            "batch_norm1d": lambda: fake.BatchNorm1D(4),
            "relu": fake.ReLU,
            "dropout": lambda: fake.Dropout(0.25),
            "sequential": fake.Sequential,
        }

    def parameter(self, array):
        return fake.Parameter(array)

    def linear(self, inputs, outputs):
        return fake.Linear(inputs, outputs)

    def only_trained(self):
        return fake.Gate(4)

    def user_backward(self, loss):
        fake.run_backward(loss)

    def scale_(self, tensor, factor):
        tensor.array *= factor
        tensor.version[0] += 1

    def scale_data(self, tensor, factor):
        tensor.array *= factor

    def relu_(self, tensor):
        return fake.relu_(tensor)

    def flat(self, tensor):
        return tensor.view(-1)

    def transposed(self, tensor):
        return fake._result(tensor.array.T, (tensor,), lambda g: (g.T,))

    def columns(self, tensor, start, end):
        return fake.Tensor(tensor.array[:, start:end])

    def batch_norm(self, features):
        return fake.BatchNorm1D(features)

    def random(self, count):
        return fake.Tensor(fake.generator.random(count))

    def dropout(self, x, p, training=True):
        return fake.dropout(x, p, training)

    def rand(self, shape):
        return fake.rand(shape)

    def unshared(self):
        fake.permutation(3)
        return "permutation"

    def hidden_drawing(self):
        rand = fake.rand
        return lambda: rand((1,))

    def random_functions(self):
        return [fake.dropout, fake.rand, fake.random_state]

    def sgd(self, model, rate):
        return fake.SGD(model, rate)

    def momentum(self, model, rate):
        return fake.Momentum(model, rate, momentum=0.5)


class TestTensors(TensorSuite):
    case = FakeCase()


class TestGradients(GradientSuite):
    case = FakeCase()
    # The fake's arithmetic is NumPy's: it knows no complex losses, and widens gradients as it goes.
    test_a_complex_tensor_gets_a_complex_gradient = None
    test_both_parts_of_a_complex_output_are_projected = None
    test_a_gradient_keeps_the_dtype_of_its_tensor = None


class TestSpared(SparedSuite):
    case = FakeCase()


class TestKept(KeptSuite):
    case = FakeCase()


class TestModels(ModelSuite):
    case = FakeCase()


class TestOptimizers(OptimizerSuite):
    case = FakeCase()


class TestOverrides(OverrideSuite):
    case = FakeCase()


class TestTakers(TakerSuite):
    case = FakeCase()


class TestState(StateSuite):
    case = FakeCase()


class TestCaptures(CaptureSuite):
    case = FakeCase()


class TestRandomness(RandomnessSuite):
    case = FakeCase()


class TestTraining(TrainingSuite):
    case = FakeCase()


class TestRuns(RunSuite):
    case = FakeCase()


class TestVocabulary(VocabularySuite):
    case = FakeCase()


class TestFunctions(FunctionSuite):
    case = FakeCase()

    def owners(self):
        return (fake, fake.Tensor)
