"""Conformance: layer trees, weights, state files, modes, random states, optimizers, settings."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.words import DType, WeightKind
from padiff_worker.adapter import LayerHandle
from padiff_worker.conformance.case import AdapterCase, raises


class _Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


class ModelSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase
    # The names of a batch norm's own tensors: weight, bias, mean, variance.
    batch_norm_names: ClassVar[tuple[str, str, str, str]] = ("weight", "bias", "running_mean", "running_var")

    def family(self) -> Any:
        """Returns a model with a shared layer, a tied parameter and a parameter of the root's own."""
        case = self.case
        shared = case.scale(2.0, 3.0)
        tied = case.scale(1.0, 1.0)
        tied.factor = shared.factor
        left = case.layer(lambda layer, x: layer.inner(x), inner=shared)
        right = case.layer(lambda layer, x: layer.tied(layer.inner(x)), inner=shared, tied=tied)
        return case.layer(
            lambda layer, x: layer.right(layer.left(x)) + layer.offset,
            left=left,
            right=right,
            offset=case.parameter(np.array([1, 2], np.float32)),
        )

    def handle(self, model: Any) -> LayerHandle:
        return self.case.adapter.layers(model)[0]

    # Layers

    def test_layers_come_parents_first_and_each_object_once(self) -> None:
        model = self.family()
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
            self.batch_norm_names,
            (WeightKind.PARAMETER, WeightKind.PARAMETER, WeightKind.BUFFER, WeightKind.BUFFER),
            (True, True, False, False),
        ):
            assert (named[name].kind, named[name].trainable) == (kind, trainable)
            assert (named[name].spec.dtype, named[name].spec.shape) == (DType.FLOAT32, (2,))

    def test_a_tied_parameter_points_at_its_first_name(self) -> None:
        handles = {handle.paths[0]: handle for handle in self.case.adapter.layers(self.family())}
        assert [weight.tied_to for weight in handles["left.inner"].weights] == [""]
        assert [weight.tied_to for weight in handles["right.tied"].weights] == ["left.inner.factor"]

    def test_named_weights_follow_the_layers_and_hold_tied_ones_once(self) -> None:
        model = self.family()
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
        assert [(weight.name, weight.kind.value, weight.trainable) for weight in weights] == [
            ("factor", "parameter", True),
            ("kept", "buffer", False),
            ("passing", "buffer", False),
        ]
        assert list(self.case.adapter.weights(model)) == ["factor", "kept", "passing"]

    def test_only_the_frameworks_layers_are_models(self) -> None:
        assert self.case.adapter.is_model(self.family())
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

    def test_a_frozen_parameters_gradient_is_none(self) -> None:
        model = self.case.scale(1.0)
        self.case.adapter.clear_gradients(model)
        with self.case.adapter.gradient_mode(False):
            model(self.case.tensor([1]))
        assert self.case.adapter.gradient(self.case.adapter.weights(model)["factor"]) is None

    # State files

    def test_a_state_survives_its_file(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            path = str(tmp_path / f"state{suffix}")
            self.case.adapter.save_weights(self.family(), path)
            model = self.family()
            for weight in self.case.adapter.weights(model).values():
                self.case.adapter.write_weight(weight, HostTensor.from_array(np.zeros(2, np.float32)))
            self.case.adapter.load_weights(model, path)
            weights = self.case.adapter.weights(model)
            assert self.case.value(weights["offset"]).tolist() == [1, 2], suffix
            assert self.case.value(weights["left.inner.factor"]).tolist() == [2, 3]

    def test_a_state_of_every_dtype_survives_its_file(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            for dtype in (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64):
                path = str(tmp_path / f"{dtype}{suffix}")
                model, copy = self.case.batch_norm(2), self.case.batch_norm(2)
                for made in (model, copy):
                    self.case.adapter.prepare(made, device="cpu", dtype=dtype, train=False)
                name = self.batch_norm_names[2]
                self.case.adapter.write_weight(
                    self.case.adapter.weights(model)[name], HostTensor.from_array(np.array([0.5, -3]))
                )
                self.case.adapter.save_weights(model, path)
                self.case.adapter.load_weights(copy, path)
                loaded = self.case.adapter.weights(copy)[name]
                assert self.case.adapter.spec(loaded).dtype is dtype
                assert self.case.value(loaded).tolist() == [0.5, -3]

    def test_a_file_that_does_not_fit_names_what_is_wrong_and_changes_nothing(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            path = str(tmp_path / f"state{suffix}")
            other = self.case.layer(
                lambda layer, x: x,
                offset=self.case.parameter(np.zeros(3, np.float32)),
                extra=self.case.parameter(np.zeros(2, np.float32)),
            )
            self.case.adapter.save_weights(other, path)
            model = self.family()
            with raises(InvalidRequestError, path, "left.inner.factor", "extra", "offset [3] for [2]"):
                self.case.adapter.load_weights(model, path)
            assert self.case.value(model.offset).tolist() == [1, 2]

    def test_a_missing_a_broken_and_a_foreign_file_are_refused_in_one_line(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            path = tmp_path / f"state{suffix}"
            with raises(InvalidRequestError, str(path), "no file"):
                self.case.adapter.load_weights(self.family(), str(path))
            path.write_bytes(b"not a state")
            with raises(InvalidRequestError, str(path)):
                self.case.adapter.load_weights(self.family(), str(path))
        if self.case.suffixes:
            with raises(InvalidRequestError, *self.case.suffixes):
                self.case.adapter.load_weights(self.family(), str(tmp_path / "state.txt"))
            with raises(InvalidRequestError, *self.case.suffixes):
                self.case.adapter.save_weights(self.family(), str(tmp_path / "state.txt"))

    def test_a_state_file_runs_no_code(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes[:1]:
            path, folder = tmp_path / f"state{suffix}", tmp_path / "exploded"
            path.write_bytes(pickle.dumps({"offset": _Bomb(folder)}, protocol=2))
            with raises(InvalidRequestError, str(path)):
                self.case.adapter.load_weights(self.family(), str(path))
            assert not folder.exists()

    # Preparing

    def test_prepare_casts_the_floating_weights_and_no_others(self) -> None:
        model = self.case.layer(lambda layer, x: x, norm=self.case.batch_norm(2), scale=self.case.scale(1.0))
        parameter = model.scale.factor
        self.case.adapter.prepare(model, device="cpu", dtype=DType.FLOAT64, train=True)
        specs = {n: self.case.adapter.spec(w) for n, w in self.case.adapter.weights(model).items()}
        for name in ("scale.factor", *(f"norm.{own}" for own in self.batch_norm_names)):
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
        model = self.family()
        self.case.adapter.prepare(model, device="cpu", dtype=None, train=True)
        model.left.training = False
        modes = self.case.adapter.modes(model)
        self.case.adapter.prepare(model, device="cpu", dtype=None, train=False)
        assert not any(handle.layer.training for handle in self.case.adapter.layers(model))
        self.case.adapter.set_modes(model, modes)
        trained = {handle.paths[0]: handle.layer.training for handle in self.case.adapter.layers(model)}
        assert trained == {"": True, "left": False, "left.inner": True, "right": True, "right.tied": True}

    def test_a_model_without_weights_lives_on_the_host(self) -> None:
        assert self.case.adapter.device_of(self.case.layer(lambda layer, x: x)) == "cpu"

    # Settings

    def test_configure_says_what_it_set(self) -> None:
        flags = self.case.adapter.configure(device="cpu", seed=3, deterministic=True, threads=1)
        assert "deterministic=on" in flags
        assert all(flag.count("=") == 1 for flag in flags)

    def test_an_unusable_device_is_refused_with_those_that_are_usable(self) -> None:
        assert "cpu" in self.case.adapter.devices()
        for device in ("cuda:99", "gpu:99", "nowhere", ""):
            with raises(InvalidRequestError, "device", repr(device), "cpu"):
                self.case.adapter.configure(device=device, seed=0, deterministic=True, threads=0)

    def test_equal_seeds_give_equal_numbers(self) -> None:
        for seed in (0, 7, -3, 2**40):
            self.case.adapter.seed(seed)
            first = self.case.value(self.case.random(4)).tolist()
            self.case.adapter.configure(device="cpu", seed=seed, deterministic=True, threads=0)
            assert self.case.value(self.case.random(4)).tolist() == first

    def test_a_random_state_is_a_snapshot_that_can_be_put_back_twice(self) -> None:
        self.case.adapter.seed(1)
        state = self.case.adapter.random_state()
        first = self.case.value(self.case.random(4)).tolist()
        for _ in range(2):
            self.case.adapter.set_random_state(state)
            assert self.case.value(self.case.random(4)).tolist() == first
        assert self.case.value(self.case.random(4)).tolist() != first

    def test_the_framework_has_a_name_a_version_and_folders(self) -> None:
        adapter = self.case.adapter
        assert adapter.name
        assert adapter.version()
        assert adapter.library_folders
        assert all(os.path.isabs(folder) for folder in adapter.library_folders)
        adapter.synchronize()

    # Optimizers

    def test_a_step_moves_the_parameters_and_clears_the_gradients(self) -> None:
        model = self.case.scale(1.0, 2.0)
        optimizer = self.case.sgd(model, 0.5)
        assert self.case.adapter.is_optimizer(optimizer)
        for _ in range(2):
            self.case.adapter.backward(self.case.total(model(self.case.tensor([1, 4]))))
            self.case.adapter.step(optimizer)
            assert self.case.adapter.gradient(self.case.adapter.weights(model)["factor"]) is None
        assert self.case.value(self.case.adapter.weights(model)["factor"]).tolist() == [0, -2]

    def test_what_is_no_optimizer_is_not_taken_for_one(self) -> None:
        for other in (None, object(), self.case.scale(1.0), lambda: None):
            assert not self.case.adapter.is_optimizer(other)

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

    def test_watching_changes_no_output(self) -> None:
        layer = self.case.scale(3.0)
        remove = self.case.adapter.watch(layer, lambda args, kwargs: None, lambda output: None)
        assert self.case.value(layer(self.case.tensor([2]))).tolist() == [6]
        remove()
