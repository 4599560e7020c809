"""Conformance: what runs between the layers, by name, line, tensors and gradients; nothing is left behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from padiff_rpc.fingerprints import from_bytes, to_bytes
from padiff_rpc.v1.records import FunctionSelection, FunctionTensor, FunctionTrace
from padiff_rpc.v1.words import Randomness, TensorKind
from padiff_worker import mark
from padiff_worker.captures import Wanted
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.conformance.tape import Tape
from padiff_worker.functions.fingerprints import fingerprint
from padiff_worker.functions.recorder import FunctionRecorder
from padiff_worker.randomness import Decisions
from padiff_worker.recorder import Recorder

ROOT = FunctionSelection(path="", call=0)
# A user's file, of which no line is this package's.
_FILE = "/users/model.py"


def users(source: str) -> Any:
    """Returns the function `forward` that a user's file defines."""
    scope: dict[str, Any] = {"mark": mark, "weakref": weakref}
    exec(compile(source, _FILE, "exec"), scope)
    return scope["forward"]


class FunctionSuite:
    """Subclassed by each adapter's tests, which set `case`, and say what is taken over."""

    case: AdapterCase

    def owners(self) -> Iterable[Any]:
        """Returns the modules and classes in which the adapter might leave anything."""
        raise NotImplementedError

    def traces(
        self,
        model: Any,
        *args: Any,
        selections: Iterable[FunctionSelection] = (ROOT,),
        randomness: Randomness = Randomness.REPORT,
        backward: bool = True,
    ) -> list[FunctionTrace]:
        """Returns what one step of a model shows; the loss has gradient 1 at the output."""
        adapter = self.case.adapter
        layers = adapter.layers(model)
        scale = 1.0 if backward else None
        functions = FunctionRecorder(adapter, layers, adapter.weights(model), selections, scale)
        with Recorder(adapter, layers, Tape(), Wanted(gradients=backward, functions=functions)) as recorder:
            decisions = Decisions(recorder.log, randomness)
            decisions.around = functions.random
            with adapter.random_operations(decisions), functions.watching():
                output = model(*args)
                if backward:
                    loss = self.case.total(output)
                    recorder.begin_backward()
                    adapter.backward(loss)
        return list(functions.traces())

    def trace(self, forward: Any, *args: Any, **attributes: Any) -> FunctionTrace:
        """Returns the trace of a model with that forward and those attributes."""
        [trace] = self.traces(self.case.layer(forward, **attributes), *args)
        return trace

    def leaf(self, *values: float) -> Any:
        return self.case.tensor(values, requires_grad=True)

    # Calls

    def test_operators_are_named_with_their_line_and_their_arguments(self) -> None:
        forward = users("def forward(layer, x):\n    y = x * 2\n    return y + x\n")
        first, second = self.trace(forward, self.leaf(1, 2)).calls
        assert (first.operation, second.operation) == ("multiply", "add")
        assert [(one.text, one.name) for one in first.arguments] == [("2", "other")]
        for call, line in ((first, 2), (second, 3)):
            assert call.source is not None
            assert (call.source.file, call.source.line, call.source.function) == (_FILE, line, "forward")
        assert (first.inputs, first.outputs, second.inputs, second.outputs) == ((1,), (2,), (2, 1), (3,))
        assert (first.layer_path, first.layer_call, first.group, second.group) == ("", 0, 1, 2)

    def test_what_makes_no_tensor_is_no_call(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            assert tuple(x.shape) == (2,)
            return x * int(x.shape[0])

        assert len(self.trace(forward, self.leaf(1, 2)).calls) == 1

    def test_a_change_in_place_makes_another_version(self) -> None:
        trace = self.trace(lambda layer, x: self.case.relu_(x * 2), self.leaf(1, -2))
        _, changing = trace.calls
        assert changing.in_place
        before, after = trace.tensors[1:]
        assert (changing.inputs, changing.outputs) == ((before.number,), (after.number,))
        assert (after.replaces, after.producer) == (before.number, changing.number)
        assert self.values(before) != self.values(after)
        assert not any(one.in_place for one in trace.calls if one is not changing)

    def test_what_a_change_in_place_did_to_another_tensor_is_its_work(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            base = x * 2
            with self.case.adapter.gradient_mode(False):
                self.case.relu_(self.case.flat(base))
            return base * 3

        trace = self.traces(self.case.layer(forward), self.case.tensor([[1, -2]]), backward=False)[0]
        changing = next(call for call in trace.calls if call.in_place)
        used = trace.tensors[trace.calls[-1].inputs[0] - 1]
        assert (used.replaces, used.producer) == (trace.calls[0].outputs[0], changing.number)

    def test_a_layout_call_moves_elements_of_one_tensor(self) -> None:
        trace = self.trace(lambda layer, x: self.case.flat(x * 2), self.case.tensor([[1, 2]], True))
        assert [call.is_layout for call in trace.calls] == [False, True]

    def test_a_tensor_made_of_nothing_has_a_source_and_a_random_one_is_told(self) -> None:
        model = self.case.layer(lambda layer, x: x + self.case.rand((2,)))
        [trace] = self.traces(model, self.leaf(1, 2), randomness=Randomness.SHARED)
        made, added = trace.calls
        assert (made.is_source, made.is_random, made.inputs) == (True, True, ())
        assert (added.is_source, added.is_random) == (False, False)

    def test_a_random_operation_is_one_call_whoever_draws(self) -> None:
        model = self.case.layer(lambda layer, x: self.case.dropout(x * 1, 0.5))
        for randomness in (Randomness.SHARED, Randomness.REPORT):
            [trace] = self.traces(model, self.leaf(*range(1, 9)), randomness=randomness)
            assert [(call.operation, call.is_random) for call in trace.calls] == [
                ("multiply", False),
                ("dropout", True),
            ]

    # Layers

    def test_a_layer_inside_stands_as_one_call(self) -> None:
        trace = self.trace(lambda layer, x: layer.inner(x * 2) * 3, self.leaf(1), inner=self.case.scale(5.0))
        first, inner, last = trace.calls
        assert (inner.is_layer, inner.layer_path, inner.layer_call, inner.function) == (
            True,
            "inner",
            0,
            "inner",
        )
        assert (inner.inputs, inner.outputs, last.inputs) == (first.outputs, inner.outputs, inner.outputs)
        assert trace.tensors[inner.outputs[0] - 1].producer == inner.number
        bounds = [(one.path, str(one.moment), one.tensor, one.replaced_by) for one in trace.boundaries]
        assert bounds == [
            ("", "entry", 1, 0),
            ("inner", "entry", 2, 0),
            ("inner", "exit", 3, 0),
            ("", "exit", 4, 0),
        ]

    def test_a_layer_that_is_looked_into_shows_what_it_calls(self) -> None:
        model = self.case.layer(lambda layer, x: layer.inner(x * 2), inner=self.case.scale(5.0))
        selection = FunctionSelection(path="", call=0, into=("inner",))
        [trace] = self.traces(model, self.leaf(1), selections=[selection])
        assert [(call.layer_path, call.is_layer) for call in trace.calls] == [("", False), ("inner", False)]
        factor = trace.tensors[trace.calls[1].inputs[1] - 1]
        assert (factor.parameter, factor.fingerprint, factor.producer) == ("inner.factor", b"", 0)

    def test_a_selected_call_has_a_trace_of_its_own_in_another_ones(self) -> None:
        model = self.case.layer(lambda layer, x: layer.inner(layer.inner(x)), inner=self.case.scale(5.0))
        outer, inner = self.traces(
            model, self.leaf(1), selections=[ROOT, FunctionSelection(path="inner", call=1)]
        )
        assert [(call.is_layer, call.layer_call) for call in outer.calls] == [(True, 0), (True, 1)]
        assert (inner.path, inner.call) == ("inner", 1)
        assert [(call.operation, call.layer_call) for call in inner.calls] == [("multiply", 1)]

    def test_a_call_that_is_not_made_has_no_trace(self) -> None:
        model = self.case.layer(lambda layer, x: layer.inner(x), inner=self.case.scale(5.0))
        assert self.traces(model, self.leaf(1), selections=[FunctionSelection(path="inner", call=1)]) == []

    def test_recomputation_is_recorded_once(self) -> None:
        for recompute in self.case.recomputations:
            inner = self.case.scale(5.0)
            model = self.case.layer(
                lambda layer, x, recompute=recompute: recompute(lambda one: layer.inner(one) * 3, x) * 2,
                inner=inner,
            )
            selection = FunctionSelection(path="inner", call=0)
            [trace] = self.traces(model, self.leaf(1, 2), selections=[selection])
            assert [call.operation for call in trace.calls] == ["multiply"]

    # Tensors

    def test_a_fingerprint_is_of_the_values_as_they_were(self) -> None:
        trace = self.trace(lambda layer, x: self.case.relu_(x * 2) * 3, self.leaf(1, -2))
        expected = [[1, -2], [2, -4], [2, 0], [6, 0]]
        for tensor, values in zip(trace.tensors, expected):
            assert tensor.fingerprint == self.of(values)
            assert (tensor.kind, tensor.spec.shape) == (TensorKind.FLOAT, (2,))

    def test_a_tensor_that_the_model_lets_go_dies(self) -> None:
        alive: list[Any] = []

        def forward(layer: Any, x: Any) -> Any:
            made = x * 2
            alive.append(weakref.ref(made))
            out = made.sum() + 0 * x.sum()
            del made
            gc.collect()  # some frameworks' own calls leave cycles
            alive.append(alive[0]())
            return out

        with self.case.adapter.gradient_mode(False):
            self.traces(self.case.layer(forward), self.case.tensor([1, 2]), backward=False)
        assert alive[1] is None

    # Gradients

    def test_gradients_are_those_without_bit_for_bit(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            hidden = self.case.relu_(layer.inner(x * 0.3) * x + layer.offset)
            return self.case.flat(hidden * hidden) * layer.inner(x)

        def gradients(run: Callable[[Any, Any], Any]) -> list[bytes]:
            offset = self.case.parameter(np.array([0.1, 0.7, -0.2], np.float32))
            model = self.case.layer(forward, inner=self.case.scale(0.37, 0.7, 1.3), offset=offset)
            x = self.leaf(0.11, 0.23, 0.51)
            run(model, x)
            adapter = self.case.adapter
            found = [adapter.gradient(x), *map(adapter.gradient, adapter.weights(model).values())]
            return [adapter.host_copy(one).array.tobytes() for one in found]

        plain = gradients(lambda model, x: self.case.adapter.backward(self.case.total(model(x))))
        assert gradients(lambda model, x: self.traces(model, x)) == plain

    def test_the_gradients_of_tensors_come_as_fingerprints(self) -> None:
        trace = self.trace(lambda layer, x: (x * 2) * 3, self.leaf(1, 2))
        _, inner, out = trace.tensors
        assert inner.gradient_fingerprint == self.of([3, 3])
        assert out.gradient_fingerprint == self.of([1, 1])

    def test_a_hook_of_the_users_is_a_call_and_what_it_leaves_is_told(self) -> None:
        forward = users(
            "def forward(layer, x):\n"
            "    y = x * 2\n"
            "    y.register_hook(lambda gradient: gradient * 5)\n"
            "    return y * 3\n"
        )
        trace = self.trace(forward, self.leaf(1, 2))
        _, hooking, _ = trace.calls
        assert (hooking.operation, hooking.inputs, hooking.outputs) == ("register_hook", (2,), ())
        assert hooking.source is not None
        assert hooking.source.line == 3
        x, hooked, out = trace.tensors
        assert (hooked.gradient_fingerprint, hooked.hooked_gradient_fingerprint) == (
            self.of([3, 3]),
            self.of([15, 15]),
        )
        assert x.gradient_fingerprint == self.of([30, 30])
        assert (x.hooked_gradient_fingerprint, out.hooked_gradient_fingerprint) == (b"", b"")

    def test_what_hands_no_gradient_on_is_told(self) -> None:
        trace = self.trace(lambda layer, x: x * 2 + (x * 3).detach(), self.leaf(1, 2))
        needs = [one.needs_gradient for one in trace.tensors]
        assert (needs, [bool(one.gradient_fingerprint) for one in trace.tensors]) == (
            [True, True, True, False, True],
            [True, True, False, False, True],
        )

    def test_without_a_backward_there_are_none(self) -> None:
        model = self.case.layer(lambda layer, x: x * 2)
        [trace] = self.traces(model, self.leaf(1), backward=False)
        assert {one.gradient_fingerprint for one in trace.tensors} == {b""}

    # Marks

    def test_a_mark_gives_its_tensor_back_and_names_it(self) -> None:
        forward = users(
            "def forward(layer, x):\n"
            "    y = x * 2\n"
            "    assert mark('doubled', y) is y\n"
            "    mark('again', y)\n"
            "    return y + mark('input', x)\n"
        )
        trace = self.trace(forward, self.leaf(1, 2))
        marked = {one.mark: one for one in trace.tensors if one.mark}
        assert {name: self.values(one) for name, one in marked.items()} == {
            "doubled": self.of([2, 4]),
            "again": self.of([2, 4]),
            "input": self.of([1, 2]),
        }
        assert (
            marked["doubled"].gradient_fingerprint == marked["again"].gradient_fingerprint == self.of([1, 1])
        )

    def test_outside_a_run_a_mark_does_nothing(self) -> None:
        tensor = self.leaf(1)
        assert mark("mine", tensor) is tensor
        assert mark("none", None) is None

    # Nothing left behind

    def test_nothing_is_taken_over_before_or_after_a_run(self) -> None:
        def fails(layer: Any, x: Any) -> Any:
            raise KeyError("mine")

        model = self.case.layer(lambda layer, x: x * 2 + x)
        self.traces(model, self.leaf(1))  # what is imported at a first call
        before = self.attributes()
        self.traces(model, self.leaf(1))
        assert self.attributes() == before
        with suppress(KeyError):
            self.traces(self.case.layer(fails), self.leaf(1))
        assert self.attributes() == before

    def attributes(self) -> dict[tuple[str, str], int]:
        """Returns the identity of every attribute that might be taken over."""
        return {
            (getattr(owner, "__name__", ""), name): id(value)
            for owner in self.owners()
            for name, value in vars(owner).items()
        }

    # What tensors say.

    def of(self, values: Any) -> bytes:
        return to_bytes(fingerprint(np.array(values, np.float32)))

    def values(self, tensor: FunctionTensor) -> bytes:
        assert from_bytes(tensor.fingerprint).shape == (44,)
        return tensor.fingerprint
