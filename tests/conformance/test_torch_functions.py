"""Functions in Torch: which are seen, under which names, and which are not. Runs in Torch's environment."""

from __future__ import annotations

import functools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from test_torch import TorchCase  # noqa: E402

from padiff_rpc import trees  # noqa: E402
from padiff_rpc.v1.records import FunctionSelection  # noqa: E402
from padiff_worker.conformance import FingerprintSuite, FunctionSuite  # noqa: E402


class TestFingerprints(FingerprintSuite):
    case = TorchCase()


class Times(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone() * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


# What stands in a forward, its operation in the common vocabulary, and arguments as they are to be read.
SEEN = {
    "operator": (lambda x: x - 2, "subtract", {"other": "2"}),
    "reflected": (lambda x: 2 - x, "subtract", {"other": "2"}),
    "true division": (lambda x: x / 2, "divide", {"other": "2"}),
    "comparison": (lambda x: x > 0, "greater_than", {"other": "0"}),
    "matmul": (lambda x: x @ x.data.mT, "matmul", {}),
    "index": (lambda x: x[:, 0:2], "get_item", {"index": "(:, 0:2)"}),
    "method": (lambda x: x.sum(1, keepdim=True), "sum", {"axis": "1", "keepdim": "True"}),
    "sizes one by one": (lambda x: x.view(3, -1), "reshape", {"size": "(3, -1)"}),
    "attribute": (lambda x: x.T, "transpose", {}),
    "function": (lambda x: F.softmax(x, dim=-1), "softmax", {"axis": "-1"}),
    "composite": (lambda x: F.normalize(x, eps=1e-6), "normalize", {"epsilon": "1e-06", "p": "2.0"}),
    "torch.*": (lambda x: torch.cat([x, x], dim=1), "concat", {"axis": "1"}),
    "linalg": (lambda x: torch.linalg.vector_norm(x), "linalg_vector_norm", {"ord": "2"}),
    "fft": (lambda x: torch.fft.rfft(x), "fft_rfft", {"axis": "-1"}),
    "einsum": (lambda x: torch.einsum("ij,kj->ik", x, x), "einsum", {"equation": "'ij,kj->ik'"}),
    "masked_fill": (lambda x: x.masked_fill(x.data == 0, -1e9), "masked_fill", {"value": "-1000000000.0"}),
    "aten": (lambda x: torch.ops.aten.mul.Tensor(x, x), "multiply", {}),
    "autograd function": (lambda x: Times.apply(x, 3.0), "Times", {"factor": "3.0"}),
    "cast": (lambda x: x.to(torch.float64), "cast", {"dtype": "float64"}),
    "interpolate": (
        lambda x: F.interpolate(x[None], scale_factor=2, mode="linear", align_corners=False),
        "interpolate",
        {"scale_factor": "2", "mode": "'linear'"},
    ),
}
IN_PLACE = {
    "add_": lambda x: x.add_(1),
    "+=": lambda x: exec("x += 1"),
    "x[0] =": lambda x: x.__setitem__(0, 1.0),
    "out": lambda x: torch.add(x.detach().clone(), 1, out=x),
    "copy_": lambda x: x.copy_(torch.zeros(2, 3)),
    "zero_": lambda x: x.zero_(),
    "init": lambda x: torch.nn.init.ones_(x),
}
SOURCES = {
    "arange": lambda: torch.arange(3),
    "zeros": lambda: torch.zeros(2, 3),
    "tensor": lambda: torch.tensor([1.0, 2.0]),
    "from_numpy": lambda: torch.from_numpy(np.ones(3, np.float32)),
    "randn": lambda: torch.randn(2),
}


class TestFunctions(FunctionSuite):
    case = TorchCase()

    def owners(self):
        return (
            *(torch, torch.Tensor, F, torch.functional, torch._tensor, torch.autograd.Function, torch._C._nn),
            *(torch._C, torch.overrides, torch.nn.init),
        )

    def only(self, function, *shape):
        """Returns the calls behind a first one that makes the tensor that `function` gets."""
        x = self.case.tensor(np.arange(1, 7, dtype=np.float32).reshape(shape or (2, 3)), requires_grad=True)
        model = self.case.layer(lambda layer, x: function(x * 1))
        [trace] = self.traces(model, x, backward=False)
        return trace, trace.calls[1:]

    @pytest.mark.parametrize("kind", SEEN)
    def test_a_function_is_one_call_with_its_arguments(self, kind):
        function, operation, arguments = SEEN[kind]
        _, calls = self.only(function)
        call = calls[-1]
        assert call.operation == operation
        assert {one.name: one.text for one in call.arguments if one.name in arguments} == arguments
        assert len(calls) == 1 + sum(
            one.operation in ("detach", "transpose", "get_item", "equal") for one in calls[:-1]
        )
        assert call.source is not None
        assert call.source.file == __file__

    @pytest.mark.parametrize("kind", IN_PLACE)
    def test_a_function_that_changes_its_tensor_makes_the_next_version(self, kind):
        with torch.no_grad():
            trace, calls = self.only(IN_PLACE[kind])
        changing = calls[-1]
        after = trace.tensors[changing.outputs[-1] - 1]
        assert (after.replaces, after.producer) == (2, changing.number)
        assert changing.in_place

    @pytest.mark.parametrize("kind", SOURCES)
    def test_what_is_made_of_nothing_is_a_source(self, kind):
        _, calls = self.only(lambda x: SOURCES[kind]() is None)
        assert [(call.is_source, call.inputs) for call in calls] == [(True, ())]

    def test_values_of_arguments_are_typed(self):
        _, [call] = self.only(lambda x: torch.sum(x, dim=(0, 1), dtype=torch.float64))
        values = {one.name: (trees.unpack(one.value), one.is_default) for one in call.arguments}
        assert values == {
            "axis": ([0, 1], False),
            "keepdim": (False, True),
            "dtype": ("float64", False),
        }

    def test_questions_and_attributes_are_no_calls(self):
        def asks(x):
            return (
                x.shape,
                x.dtype,
                x.device,
                x.dim(),
                x.size(0),
                len(x),
                x.numel(),
                x.is_nested,
                x.tolist(),
            )[0]

        assert self.only(asks)[1] == ()

    def test_an_outer_function_hides_what_it_is_made_of(self):
        def attends(x):
            heads = x.reshape(2, 1, 3)
            weights = torch.eye(3)
            return F.multi_head_attention_forward(
                *(
                    heads,
                    heads,
                    heads,
                    3,
                    1,
                    torch.cat([weights] * 3),
                    None,
                    None,
                    None,
                    False,
                    0.0,
                    weights,
                    None,
                )
            )[0]

        calls = self.only(attends)[1]
        assert [one.operation for one in calls] == [
            "reshape",
            "eye",
            "concat",
            "multi_head_attention_forward",
        ]

    def test_a_layer_of_torchs_own_shows_what_its_functions_are_made_of(self):
        attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)
        model = self.case.layer(lambda layer, x: layer.attention(x, x, x)[0], attention=attention)
        x = torch.randn(2, 3, 4)
        [trace] = self.traces(model, x, selections=[FunctionSelection(path="attention", call=0)])
        operations = [call.operation for call in trace.calls]
        assert operations.count("linear") == 2
        assert {"softmax", "scaled_dot_product_attention"} & set(operations)
        inner = next(call for call in trace.calls if call.operation == "linear")
        assert inner.function == "multi_head_attention_forward"
        assert inner.source.file.endswith("activation.py")
        outer = self.traces(model, x)[0]
        assert [call.operation for call in outer.calls] == ["MultiheadAttention"]
        assert torch.nn.functional.has_torch_function((x,)) is False

    def test_a_checkpoint_is_no_function_and_what_it_runs_is_seen(self):
        from torch.utils.checkpoint import checkpoint

        for reentrant in (True, False):
            _, calls = self.only(lambda x, how=reentrant: checkpoint(torch.sin, x, use_reentrant=how))
            assert [call.operation for call in calls] == ["sin"]

    def test_what_is_compiled_runs_as_it_was_written(self):
        @functools.partial(torch.compile, backend="eager", fullgraph=True)
        def compiled(x):
            return torch.sin(x) * 2

        x = torch.ones(3)
        assert torch.equal(compiled(x), torch.sin(x) * 2)
        _, calls = self.only(lambda x: compiled(x) + 1)
        assert [call.operation for call in calls] == ["sin", "multiply", "add"]
        assert calls[0].source.function == "compiled"
        layer = torch.compile(torch.nn.Sequential(torch.nn.Linear(3, 3)), backend="eager")
        model = self.case.layer(lambda model, x: model.inner(x * 2), inner=layer)
        [trace] = self.traces(model, x)
        assert [call.is_layer for call in trace.calls] == [False, True]

    def test_what_vmap_computes_is_made_out_of_sight(self):
        trace, calls = self.only(lambda x: torch.func.vmap(lambda row: row.sin() * 2)(x) + 1)
        [added] = [call for call in calls if call.operation == "add"]
        assert trace.tensors[added.inputs[0] - 1].producer == 0

    def test_what_another_thread_computes_is_not_seen(self):
        import threading

        def elsewhere(x):
            made = []
            thread = threading.Thread(target=lambda: made.append(x.detach().sin()))
            thread.start()
            thread.join()
            return made[0] * 2

        assert [call.operation for call in self.only(elsewhere)[1]] == ["multiply"]
