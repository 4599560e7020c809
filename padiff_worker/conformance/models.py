"""Conformance: layer trees, weights, state files, modes, random states, optimizers, settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from padiff_rpc import trees
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import Remove
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.layer_tree import LayerHandle

_PORT = """\
class Base(Layer):
    def __init__(self):
        super().__init__()


class Block(Base):
    def __init__(self):
        super().__init__()
        self.norm = Norm(2)

def build():
    return Block()
"""


class ModelSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def handle(self, model: Any) -> LayerHandle:
        return self.case.adapter.layers(model)[0]

    # Layers

    def test_layers_come_parents_first_and_each_object_once(self) -> None:
        model = self.case.family()
        assert [handle.paths for handle in self.case.adapter.layers(model)] == [
            ("",),
            ("left",),
            ("left.inner", "right.inner"),
            ("right",),
            ("right.tied",),
        ]
        assert self.case.adapter.layers(model)[1].layer is model.left

    def test_a_layer_names_its_classes_up_to_the_frameworks_base(self) -> None:
        base = type("Base", (self.case.layer_class,), {"__module__": "mine"})
        derived = type("Derived", (base,), {"__module__": "yours"})
        assert self.handle(derived()).classes == ("yours.Derived", "mine.Base")
        library = self.handle(self.case.batch_norm(2)).classes
        assert library[0].startswith(f"{self.case.adapter.name}.")
        assert not any(name.endswith((".Module", ".Layer")) for name in library)
        assert len(self.handle(self.case.layer_class()).classes) == 1

    def test_the_line_that_makes_a_layer_is_outside_of_its_class_and_of_the_framework(self) -> None:
        case = self.case
        scope: dict[str, Any] = {"Layer": case.layer_class, "Norm": type(case.batch_norm(2))}
        exec(compile(_PORT, "port.py", "exec"), scope)
        with case.adapter.making_lines() as lines:
            model = scope["build"]()
        late = scope["build"]()
        found = {one.paths[0]: lines.of(one.layer) for one in case.adapter.layers(model)}
        assert {path: line and (line.file, line.line, line.function) for path, line in found.items()} == {
            "": ("port.py", 12, "build"),
            "norm": ("port.py", 9, "__init__"),
        }
        assert lines.of(late) is None

    def test_hyper_parameters_are_the_plain_attributes_and_can_travel(self) -> None:
        model = self.case.layer(lambda layer, x: x)
        plain = {"a": 1, "b": 0.5, "c": "same", "d": True, "e": None, "f": (1, 2), "g": [0.5, None]}
        for name, value in plain.items():
            setattr(model, name, value)
        model.child = self.case.scale(1.0)
        model.h, model.i, model.j = object(), np.float64(3), 2**70
        found = dict(self.handle(model).hyper_parameters)
        assert found == plain
        assert trees.unpack(trees.pack(found)) == plain

    def test_a_library_layers_epsilon_is_among_its_hyper_parameters(self) -> None:
        values = self.handle(self.case.batch_norm(2)).hyper_parameters.values()
        assert any(value == 1e-5 for value in values)

    def test_weights_carry_their_names_kinds_and_shapes(self) -> None:
        weights = self.handle(self.case.batch_norm(2)).weights
        named = {weight.name: weight for weight in weights}
        for name, kind, trainable in zip(
            self.case.batch_norm_names,
            (WeightKind.PARAMETER, WeightKind.PARAMETER, WeightKind.BUFFER, WeightKind.BUFFER),
            (True, True, False, False),
        ):
            assert (named[name].kind, named[name].trainable) == (kind, trainable)
            assert (named[name].spec.dtype, named[name].spec.shape) == (DType.FLOAT32, (2,))

    def test_a_tied_parameter_points_at_its_first_name(self) -> None:
        handles = {handle.paths[0]: handle for handle in self.case.adapter.layers(self.case.family())}
        assert [weight.tied_to for weight in handles["left.inner"].weights] == [""]
        assert [weight.tied_to for weight in handles["right.tied"].weights] == ["left.inner.factor"]

    def test_named_weights_follow_the_layers_and_hold_tied_ones_once(self) -> None:
        model = self.case.family()
        weights = self.case.adapter.weights(model)
        assert list(weights) == ["offset", "left.inner.factor"]
        assert weights["left.inner.factor"] is model.left.inner.factor
        listed = [
            f"{handle.paths[0]}.{weight.name}".lstrip(".")
            for handle in self.case.adapter.layers(model)
            for weight in handle.weights
            if not weight.tied_to
        ]
        assert listed == list(weights)

    def test_buffers_are_listed_whether_they_are_saved_or_not(self) -> None:
        model = self.case.scale(1.0)
        self.case.add_buffer(model, "kept", np.array([1, 2], np.int64), persistent=True)
        self.case.add_buffer(model, "passing", np.array([3], np.float32), persistent=False)
        weights = self.handle(model).weights
        listed = [(weight.name, weight.kind.value, weight.trainable, weight.unsaved) for weight in weights]
        assert listed == [
            ("factor", "parameter", True, False),
            ("kept", "buffer", False, False),
            ("passing", "buffer", False, True),
        ]
        assert list(self.case.adapter.weights(model)) == ["factor", "kept", "passing"]

    def test_only_the_frameworks_layers_are_models(self) -> None:
        assert self.case.adapter.is_model(self.case.family())
        for other in (None, object(), self.case.layer_class, self.case.tensor([1]), lambda x: x):
            assert not self.case.adapter.is_model(other)

    # Weights

    def test_a_written_weight_is_read_back_and_stays_the_same_object(self) -> None:
        model = self.case.scale(1.0, 2.0)
        parameter = self.case.adapter.weights(model)["factor"]
        self.case.adapter.write_weight(parameter, HostTensor.from_array(np.array([5, -6], np.float32)))
        assert self.case.adapter.weights(model)["factor"] is parameter
        assert self.case.value(parameter).tolist() == [5, -6]
        assert self.case.value(model(self.case.tensor([1, 1]))).tolist() == [5, -6]
        assert self.case.adapter.requires_gradient(parameter)

    def test_a_written_weight_is_cast_to_the_weights_dtype(self) -> None:
        parameter = self.case.parameter(np.ones(2, np.float32))
        self.case.adapter.write_weight(parameter, HostTensor.from_array(np.array([0.5, 3.0])))
        assert self.case.adapter.spec(parameter).dtype is DType.FLOAT32
        assert self.case.value(parameter).tolist() == [0.5, 3.0]

    def test_weights_without_axes_or_elements_are_written(self) -> None:
        for shape in ((), (0, 2)):
            parameter = self.case.parameter(np.zeros(shape, np.float32))
            self.case.adapter.write_weight(parameter, HostTensor.from_array(np.full(shape, 3, np.float32)))
            assert self.case.value(parameter).tolist() == np.full(shape, 3).tolist()

    def test_a_parameters_gradient_is_there_after_backward_and_gone_when_cleared(self) -> None:
        model = self.case.scale(1.0, 2.0)
        parameter = self.case.adapter.weights(model)["factor"]
        assert self.case.adapter.gradient(parameter) is None
        for _ in range(2):
            self.case.adapter.backward(self.case.total(model(self.case.tensor([3, 4]))))
        assert self.case.value(self.case.adapter.gradient(parameter)).tolist() == [6, 8]
        self.case.adapter.clear_gradients(model)
        assert self.case.adapter.gradient(parameter) is None

    def test_a_parameter_that_no_backward_reached_has_no_gradient(self) -> None:
        model = self.case.scale(1.0)
        self.case.adapter.clear_gradients(model)
        with self.case.adapter.gradient_mode(False):
            model(self.case.tensor([1]))
        assert self.case.adapter.gradient(self.case.adapter.weights(model)["factor"]) is None

    # Preparing

    def test_prepare_casts_the_floating_weights_and_no_others(self) -> None:
        model = self.case.layer(lambda layer, x: x, norm=self.case.batch_norm(2), scale=self.case.scale(1.0))
        parameter = model.scale.factor
        self.case.adapter.prepare(model, device="cpu", dtype=DType.FLOAT64, train=True)
        specs = {n: self.case.adapter.spec(w) for n, w in self.case.adapter.weights(model).items()}
        for name in ("scale.factor", *(f"norm.{own}" for own in self.case.batch_norm_names)):
            assert specs[name].dtype is DType.FLOAT64
        assert self.case.adapter.weights(model)["scale.factor"] is parameter
        assert self.case.adapter.requires_gradient(parameter)
        assert self.case.adapter.device_of(model) == "cpu"

    def test_prepare_leaves_integer_and_complex_buffers_as_they_are(self) -> None:
        model = self.case.scale(1.0)
        self.case.add_buffer(model, "count", np.array([300]), persistent=True)
        self.case.add_buffer(model, "turn", np.array([2j], np.complex64), persistent=True)
        self.case.adapter.prepare(model, device="cpu", dtype=DType.BFLOAT16, train=False)
        weights = self.case.adapter.weights(model)
        assert self.case.adapter.spec(weights["factor"]).dtype is DType.BFLOAT16
        assert self.case.adapter.spec(weights["count"]).dtype is DType.INT64
        assert self.case.value(weights["turn"]).tolist() == [2j]

    def test_prepare_without_a_dtype_casts_nothing(self) -> None:
        model = self.case.scale(1.0)
        self.case.adapter.prepare(model, device="cpu", dtype=None, train=False)
        assert self.case.adapter.spec(model.factor).dtype is DType.FLOAT32

    def test_modes_are_set_and_given_back_layer_by_layer(self) -> None:
        model = self.case.family()
        self.case.adapter.prepare(model, device="cpu", dtype=None, train=True)
        model.left.training = False
        restore = self.case.adapter.keep_modes(model)
        self.case.adapter.prepare(model, device="cpu", dtype=None, train=False)
        assert not any(handle.layer.training for handle in self.case.adapter.layers(model))
        restore()
        trained = {handle.paths[0]: handle.layer.training for handle in self.case.adapter.layers(model)}
        assert trained == {"": True, "left": False, "left.inner": True, "right": True, "right.tied": True}

    def test_a_model_without_weights_lives_on_the_host(self) -> None:
        assert self.case.adapter.device_of(self.case.layer(lambda layer, x: x)) == "cpu"

    # Watching

    def test_a_watched_call_shows_its_arguments_and_its_output(self) -> None:
        seen: list[Any] = []
        layer = self.case.layer(lambda layer, a, b, *, c: {"out": a})
        remove = self.case.adapter.watch(
            layer, lambda args, kwargs: seen.append((args, dict(kwargs))), lambda output: seen.append(output)
        )
        tensor = self.case.tensor([1])
        layer(tensor, 2, c="three")
        assert seen == [((tensor, 2), {"c": "three"}), {"out": tensor}]
        assert seen[0][0][0] is tensor
        remove()
        remove()
        layer(tensor, 2, c="three")
        assert len(seen) == 2

    def test_the_exit_of_a_call_that_raises_is_not_seen(self) -> None:
        seen: list[str] = []

        def forward(layer: Any, x: Any) -> Any:
            raise KeyError("mine")

        layer = self.case.layer(forward)
        self.case.adapter.watch(layer, lambda args, kwargs: seen.append("in"), lambda out: seen.append("out"))
        try:
            layer(self.case.tensor([1]))
        except KeyError:
            seen.append("raised")
        assert seen == ["in", "raised"]

    def test_watching_assigns_nothing_and_leaves_every_attribute_as_it_was(self) -> None:
        settled: list[bool] = []

        def assign(layer: Any, name: str, value: Any) -> None:
            assert not settled, f"{name} was assigned while the layer was watched"
            self.case.layer_class.__setattr__(layer, name, value)

        def forward(layer: Any, x: Any, *, fail: bool = False) -> Any:
            if fail:
                raise KeyError("mine")
            return x * 2

        own_class = type("Jealous", (self.case.layer_class,), {"__setattr__": assign, "forward": forward})
        plain, patched = own_class(), own_class()
        patched.forward = lambda x, fail=False: forward(patched, x, fail=fail)
        for layer in (plain, patched):
            self.call_watched_twice(layer, [])  # the framework's own bookkeeping of a first call
            before = {name: (id(value), _contents(value)) for name, value in vars(layer).items()}
            settled.append(True)
            seen: list[Any] = []
            self.call_watched_twice(layer, seen)
            assert seen == [{"fail": False}] * 2 + [{"fail": True}] * 2
            settled.clear()
            assert {name: (id(value), _contents(value)) for name, value in vars(layer).items()} == before

    def call_watched_twice(self, layer: Any, seen: list[Any]) -> None:
        """Calls a layer that two watch, and lets it fail."""

        def watch() -> Remove:
            return self.case.adapter.watch(
                layer, lambda args, kwargs: seen.append(dict(kwargs)), lambda output: None
            )

        removes = [watch(), watch()]
        x = self.case.tensor([1])
        assert self.case.value(layer(x, fail=False)).tolist() == [2]
        with suppress(KeyError):
            layer(x, fail=True)
        for remove in reversed(removes):
            remove()

    def test_a_forward_that_user_code_calls_itself_is_no_call(self) -> None:
        seen: list[str] = []
        layer = self.case.scale(3.0)
        remove = self.case.adapter.watch(
            layer, lambda args, kwargs: seen.append("in"), lambda output: seen.append("out")
        )
        layer(self.case.tensor([1]))
        layer.forward(self.case.tensor([1]))
        assert seen == ["in", "out"]
        remove()

    def test_a_watched_forward_keeps_its_signature(self) -> None:
        layer = self.case.layer(lambda layer, a, b=1, *, c: a)
        before = inspect.signature(layer.forward)
        remove = self.case.adapter.watch(layer, lambda args, kwargs: None, lambda output: None)
        assert inspect.signature(layer.forward) == before
        remove()

    def test_watching_changes_no_output(self) -> None:
        layer = self.case.scale(3.0)
        remove = self.case.adapter.watch(layer, lambda args, kwargs: None, lambda output: None)
        assert self.case.value(layer(self.case.tensor([2]))).tolist() == [6]
        remove()


def _contents(value: Any) -> Any:
    """Returns what a table of hooks, children or weights holds."""
    return {key: id(item) for key, item in value.items()} if isinstance(value, Mapping) else None
