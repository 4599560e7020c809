"""Functions in Paddle: which are seen, however Python reaches them, and under which names.

Runs in Paddle's environment.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

paddle = pytest.importorskip("paddle")

import paddle.nn.functional as F  # noqa: E402
from paddle.distributed.fleet.utils import recompute  # noqa: E402
from test_paddle import PaddleCase  # noqa: E402

from padiff_rpc import trees  # noqa: E402
from padiff_rpc.v1.records import FunctionSelection  # noqa: E402
from padiff_worker.conformance import FingerprintSuite, FunctionSuite  # noqa: E402

IS_BEFORE_3 = paddle.__version__.startswith("2.")


class TestFingerprints(FingerprintSuite):
    case = PaddleCase()


class Times(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone() * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor


# What stands in a forward: its operation and its function, and arguments as they are to be read.
SEEN = {
    "operator": (lambda x: x - 2, "subtract", "__sub__", {"other": "2"}),
    "reflected": (lambda x: 2 - x, "subtract", "__rsub__", {"other": "2"}),
    "true division": (lambda x: x / 2, "divide", "__truediv__", {"other": "2"}),
    "floor division": (lambda x: x // 2, "floor_divide", "__floordiv__", {"other": "2"}),
    "remainder": (lambda x: x % 2, "remainder", "__mod__", {"other": "2"}),
    "power": (lambda x: x**2, "pow", "__pow__", {"other": "2"}),
    "reflected power": (lambda x: 2**x, "pow", "__rpow__", {"other": "2"}),
    "matmul": (lambda x: x @ x.detach().t(), "matmul", "__matmul__", {}),
    "negative": (lambda x: -x, "scale", "neg", {}),
    "invert": (lambda x: ~(x > 0), "bitwise_not", "bitwise_not", {}),
    "index": (lambda x: x[:, 0:2], "get_item", "__getitem__", {"index": "(:, 0:2)"}),
    "method": (lambda x: x.sum(1, keepdim=True), "sum", "sum", {"axis": "1", "keepdim": "True"}),
    "reshape": (lambda x: x.reshape([3, -1]), "reshape", "reshape", {"size": "[3, -1]"}),
    "attribute": (lambda x: x.T, "transpose", "T", {}),
    "clone": (lambda x: x.clone(), "clone", "clone", {}),
    "detach": (lambda x: x.detach(), "detach", "detach", {}),
    "function": (lambda x: F.softmax(x, axis=-2), "softmax", "softmax", {"axis": "-2"}),
    "paddle.*": (lambda x: paddle.concat([x, x], axis=1), "concat", "concat", {"axis": "1"}),
    "einsum": (lambda x: paddle.einsum("ij,kj->ik", x, x), "einsum", "einsum", {"equation": "'ij,kj->ik'"}),
    "where": (lambda x: paddle.where(x.detach() > 0, x, x), "where", "where", {}),
    "pylayer": (lambda x: Times.apply(x, 3.0), "Times", "Times", {"factor": "3.0"}),
    "cast": (lambda x: x.astype("float64"), "cast", "astype", {"dtype": "float64"}),
    "exp": (lambda x: x.exp(), "exp", "exp", {}),
    "transpose": (lambda x: x.transpose([1, 0]), "transpose", "transpose", {"axis": "[1, 0]"}),
}
for name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    word = {
        "__eq__": "equal",
        "__ne__": "not_equal",
        "__lt__": "less_than",
        "__le__": "less_equal",
        "__gt__": "greater_than",
        "__ge__": "greater_equal",
    }[name]
    SEEN[name] = (lambda x, name=name: getattr(x, name)(2.0), word, name, {"other": "2.0"})
# The same kernels by other names, of modules that took them from `_C_ops` when they were imported.
SECOND_NAMES = {
    "linalg.matmul": (lambda x: paddle.linalg.matmul(x, x, transpose_y=True), "matmul"),
    "activation.gelu": (lambda x: F.activation.gelu(x), "gelu"),
    "F.gelu": (lambda x: F.gelu(x), "gelu"),
    "math.exp": (lambda x: paddle.tensor.math.exp(x), "exp"),
    "ops.sigmoid": (lambda x: paddle.tensor.ops.sigmoid(x), "sigmoid"),
}
IN_PLACE = {
    "add_": lambda x: x.add_(paddle.ones([2, 3])),
    "x[0] =": lambda x: x.__setitem__(0, 1.0),
    "copy_": lambda x: x.copy_(paddle.zeros([2, 3]), True),
    "set_value": lambda x: x.set_value(np.zeros((2, 3), np.float32)),
    "fill_": lambda x: x.fill_(3.0),
    "zero_": lambda x: x.zero_(),
    "scale_": lambda x: x.scale_(2.0),
}
SOURCES = {
    "zeros": lambda: paddle.zeros([2, 3]),
    "to_tensor": lambda: paddle.to_tensor([1.0, 2.0]),
    "randn": lambda: paddle.randn([2]),
}


class TestFunctions(FunctionSuite):
    case = PaddleCase()

    def owners(self):
        modules = [one for path, one in list(sys.modules.items()) if path.split(".")[0] == "paddle" and one]
        return (*modules, paddle.Tensor, paddle.autograd.PyLayer)

    def only(self, function):
        """Returns the calls behind a first one that makes the tensor that `function` gets."""
        x = self.case.tensor(np.arange(1, 7, dtype=np.float32).reshape(2, 3), requires_grad=True)
        model = self.case.layer(lambda layer, x: function(x * 1))
        [trace] = self.traces(model, x, backward=False)
        assert trace.calls[0].function == "__mul__"
        return trace, trace.calls[1:]

    @pytest.mark.parametrize("kind", SEEN)
    def test_a_function_is_seen_with_its_arguments(self, kind):
        function, operation, name, arguments = SEEN[kind]
        _, calls = self.only(function)
        call = calls[-1]
        assert (call.operation, call.function) == (operation, name)
        assert {one.name: one.text for one in call.arguments if one.name in arguments} == arguments
        assert call.source is not None
        assert call.source.file == __file__
        before = {one.operation for one in calls[:-1]}
        assert before <= {"detach", "transpose", "greater_than"}, "what it is made of passes by"

    @pytest.mark.skipif(IS_BEFORE_3, reason="before 3.0 Paddle has no names of kernels but the first")
    @pytest.mark.parametrize("kind", SECOND_NAMES)
    def test_a_kernel_is_seen_by_its_other_names(self, kind):
        function, operation = SECOND_NAMES[kind]
        assert [call.operation for call in self.only(function)[1]] == [operation]

    @pytest.mark.parametrize("kind", IN_PLACE)
    def test_a_function_that_changes_its_tensor_makes_the_next_version(self, kind):
        with paddle.no_grad():
            trace, calls = self.only(IN_PLACE[kind])
        changing = calls[-1]
        after = trace.tensors[changing.outputs[-1] - 1]
        assert (after.replaces, after.producer) == (2, changing.number)
        assert after.fingerprint != trace.tensors[1].fingerprint
        assert changing.in_place

    @pytest.mark.parametrize("sign", ["//", "%", "+", "-", "*"])
    def test_an_augmented_assignment_shows_what_it_makes(self, sign):
        def forward(layer, x):
            count = x * 2
            scope = {"count": count}
            exec(f"count {sign}= 2", scope)
            return scope["count"] + 1

        [trace] = self.traces(self.case.layer(forward), self.case.tensor(np.array([7, 9])), backward=False)
        expected = eval(f"np.array([14, 18]) {sign} 2")
        made = trace.tensors[trace.calls[-1].inputs[0] - 1]
        assert trace.calls[-1].operation == "add"
        assert made.fingerprint == self.of(expected)
        assert made.producer == 2

    @pytest.mark.parametrize("kind", SOURCES)
    def test_what_is_made_of_nothing_is_a_source(self, kind):
        _, calls = self.only(lambda x: SOURCES[kind]() is None)
        assert [(call.is_source, call.inputs) for call in calls] == [(True, ())]

    def test_values_of_arguments_are_typed(self):
        _, [call] = self.only(lambda x: paddle.sum(x, axis=[0, 1], dtype="float64"))
        values = {one.name: (trees.unpack(one.value), one.is_default) for one in call.arguments}
        assert values["axis"] == ([0, 1], False)
        assert values["keepdim"] == (False, True)
        assert values["dtype"][0] == "float64"

    def test_what_one_line_called_is_one_group_by_its_name(self):
        _, calls = self.only(lambda x: F.normalize(F.normalize(x, axis=1), axis=0, epsilon=1e-6))
        names = {(call.group, call.function) for call in calls if not call.is_source}
        assert len(names) == 2
        assert {name for _, name in names} == {"normalize"}
        last = {one.name: one.text for one in calls[-1].arguments}
        assert (last["axis"], last["epsilon"]) == ("0", "1e-06")

    def test_einsum_shows_its_result_alone(self):
        trace, [call] = self.only(lambda x: paddle.einsum("ij->ji", x))
        assert len(call.outputs) == 1
        assert trace.tensors[call.outputs[0] - 1].spec.shape == (3, 2)

    def test_a_layer_of_paddles_own_shows_its_lines(self):
        attention = paddle.nn.MultiHeadAttention(4, 2)
        model = self.case.layer(lambda layer, x: layer.attention(x, x, x), attention=attention)
        [trace] = self.traces(
            model, paddle.randn([2, 3, 4]), selections=[FunctionSelection(path="attention", call=0)]
        )
        operations = [call.operation for call in trace.calls]
        assert operations.count("Linear") == 4
        assert operations.count("matmul") == 2
        softmax = next(call for call in trace.calls if call.operation == "softmax")
        assert softmax.source.file.endswith("transformer.py")

    def test_recomputation_is_no_function_and_what_it_runs_is_seen(self):
        x = self.case.tensor([1, 2], requires_grad=True)
        model = self.case.layer(lambda layer, x: recompute(lambda one: paddle.sin(one), x) * 2)
        model.train()
        [trace] = self.traces(model, x)
        assert [call.operation for call in trace.calls] == ["sin", "multiply"]
