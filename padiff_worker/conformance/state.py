"""Conformance: state files, settings, random states, optimizers."""

from __future__ import annotations

import codecs
import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import FLOATING, HostTensor, widest_dtype
from padiff_rpc.v1.words import DType
from padiff_worker.conformance.case import AdapterCase, raises
from padiff_worker.kept_state import KeptState


class _Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


class _Called:
    """Unpickled, it calls something with arguments."""

    def __init__(self, called: Callable[..., Any], *arguments: Any) -> None:
        self.call = (called, arguments)

    def __reduce__(self) -> Any:
        return self.call


# Small files that would be large, or take long, once they are unpickled.
_SWOLLEN: dict[str, dict[str, Any]] = {
    "an array of nothing": {"offset": _Called(np.ndarray, (2**40,), "f4")},
    "one array under many names": dict.fromkeys(map(str, range(20_000)), np.zeros(250_000, np.float32)),
    "bytes that unpack": {"offset": _Called(codecs.encode, "x" * 10, "zip")},
    "a large element": {"offset": _Called(np.dtype, f"V{2**30}")},
}


class StateSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    # State files

    def test_a_state_survives_its_file(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            path = str(tmp_path / f"state{suffix}")
            self.case.adapter.save_weights(self.case.family(), path)
            model = self.case.family()
            for weight in self.case.adapter.weights(model).values():
                self.case.adapter.write_weight(weight, HostTensor.from_array(np.zeros(2, np.float32)))
            self.case.adapter.load_weights(model, path)
            weights = self.case.adapter.weights(model)
            assert self.case.value(weights["offset"]).tolist() == [1, 2], suffix
            assert self.case.value(weights["left.inner.factor"]).tolist() == [2, 3]

    def test_a_state_of_every_dtype_survives_its_file(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            for dtype in (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64):
                if not self.case.has(dtype):
                    continue
                path = str(tmp_path / f"{dtype}{suffix}")
                model, copy = self.case.batch_norm(2), self.case.batch_norm(2)
                for made in (model, copy):
                    self.case.adapter.prepare(made, device="cpu", dtype=dtype, train=False)
                name = self.case.batch_norm_names[2]
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
            model = self.case.family()
            with raises(InvalidRequestError, path, "left.inner.factor", "extra", "offset [3] for [2]"):
                self.case.adapter.load_weights(model, path)
            assert self.case.value(model.offset).tolist() == [1, 2]

    def test_a_missing_a_broken_and_a_foreign_file_are_refused_in_one_line(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes:
            path = tmp_path / f"state{suffix}"
            with raises(InvalidRequestError, str(path), "no file"):
                self.case.adapter.load_weights(self.case.family(), str(path))
            path.write_bytes(b"not a state")
            with raises(InvalidRequestError, str(path)):
                self.case.adapter.load_weights(self.case.family(), str(path))
        if self.case.suffixes:
            with raises(InvalidRequestError, *self.case.suffixes):
                self.case.adapter.load_weights(self.case.family(), str(tmp_path / "state.txt"))
            with raises(InvalidRequestError, *self.case.suffixes):
                self.case.adapter.save_weights(self.case.family(), str(tmp_path / "state.txt"))

    def test_a_state_file_runs_no_code(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes[:1]:
            path, folder = tmp_path / f"state{suffix}", tmp_path / "exploded"
            path.write_bytes(pickle.dumps({"offset": _Bomb(folder)}, protocol=2))
            with raises(InvalidRequestError, str(path)):
                self.case.adapter.load_weights(self.case.family(), str(path))
            assert not folder.exists()

    def test_a_state_file_takes_no_more_memory_than_it_has_bytes(self, tmp_path: Path) -> None:
        for suffix in self.case.suffixes[:1]:
            for what, state in _SWOLLEN.items():
                path = tmp_path / f"{what}{suffix}"
                path.write_bytes(pickle.dumps(state, protocol=2))
                tracemalloc.start()
                try:
                    with raises(InvalidRequestError, str(path)):
                        self.case.adapter.load_weights(self.case.family(), str(path))
                    assert tracemalloc.get_traced_memory()[1] < 64 << 20, what
                finally:
                    tracemalloc.stop()

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
        restore = self.case.adapter.keep_random()
        first = self.case.value(self.case.random(4)).tolist()
        for _ in range(2):
            restore()
            assert self.case.value(self.case.random(4)).tolist() == first
        assert self.case.value(self.case.random(4)).tolist() != first

    def test_the_framework_has_a_name_a_version_and_folders(self) -> None:
        adapter = self.case.adapter
        assert adapter.name
        assert adapter.version()
        assert adapter.library_folders
        assert all(os.path.isabs(folder) for folder in adapter.library_folders)
        adapter.synchronize()
        adapter.release_memory()

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

    def test_an_optimizer_is_put_back_as_it_was_before_its_first_step_and_later(self) -> None:
        adapter, model = self.case.adapter, self.case.scale(0.0)
        optimizer = self.case.momentum(model, 1.0)
        factor = adapter.weights(model)["factor"]

        def steps(count: int) -> list[float]:
            went = []
            for _ in range(count):
                before = self.case.value(factor).item()
                adapter.backward(self.case.total(model(self.case.tensor([1]))))
                adapter.step(optimizer)
                went.append(before - self.case.value(factor).item())
            return went

        fresh = KeptState(adapter, model, [optimizer])
        assert steps(2) == [1, 1.5]
        later = KeptState(adapter, model, [optimizer])
        assert steps(1) == [1.75]
        later.put_back()
        assert steps(2) == [1.75, 1.875]
        fresh.put_back()
        assert steps(2) == [1, 1.5]

    def test_a_model_is_put_back_with_all_that_a_run_changes(self) -> None:
        adapter, model = self.case.adapter, self.case.batch_norm(2)
        weights = adapter.weights(model)
        given = self.case.tensor([[1, 2], [3, 5]])
        adapter.backward(self.case.total(model(given)))

        def state() -> list[Any]:
            gradients = [adapter.gradient(weight) for weight in weights.values()]
            return [
                *(self.case.value(weight).tolist() for weight in weights.values()),
                *(None if one is None else self.case.value(one).tolist() for one in gradients),
                [handle.layer.training for handle in adapter.layers(model)],
                self.case.value(self.case.random(3)).tolist(),
            ]

        kept = KeptState(adapter, model)
        before = state()
        adapter.prepare(model, device="cpu", dtype=None, train=False)
        adapter.clear_gradients(model)
        for weight in weights.values():
            shape = adapter.spec(weight).shape
            adapter.write_weight(weight, HostTensor.from_array(np.full(shape, 7, np.float32)))
        assert state() != before
        kept.put_back()
        assert state() == before

    def test_a_model_runs_in_float64_and_is_then_as_it_was(self) -> None:
        adapter, model = self.case.adapter, self.case.batch_norm(2)
        weights = adapter.weights(model)
        adapter.backward(self.case.total(model(self.case.tensor([[1, 2], [3, 5]]))))
        gradients = [adapter.gradient(weight) is not None for weight in weights.values()]
        before = [(adapter.host_copy(one), adapter.memory(one)) for one in weights.values()]
        narrow = [value.dtype for value, _ in before]
        for _ in range(2):
            with adapter.in_float64(weights.values()):
                dtypes = [adapter.spec(weight).dtype for weight in weights.values()]
                assert dtypes == [widest_dtype(dtype) for dtype in narrow]
                assert [adapter.gradient(one) is not None for one in weights.values()] == gradients
                third = HostTensor.from_array(np.array([[1 / 3, 2], [3, 5]]))
                made = model(adapter.from_host(third, device="cpu", requires_grad=False))
                assert adapter.spec(made).dtype is DType.FLOAT64
                assert self.case.value(made).tolist() != np.float32(self.case.value(made)).tolist()
                adapter.backward(self.case.total(made))
                trained = [adapter.gradient(weight) for weight in weights.values()]
                assert {adapter.spec(one).dtype for one in trained if one is not None} == {DType.FLOAT64}
            after = [(adapter.host_copy(one), adapter.memory(one)) for one in weights.values()]
            assert [value.dtype for value, _ in after] == narrow
            for (old, place), (new, same) in zip(before, after):
                assert place == same
                assert old.dtype not in FLOATING or (old.array == new.array).all()
            gradients = [False] * len(before)
            assert [adapter.gradient(one) is not None for one in weights.values()] == gradients
            made = model(self.case.tensor([[1, 2], [3, 5]]))
            assert adapter.spec(made).dtype is DType.FLOAT32
            before = [(adapter.host_copy(one), adapter.memory(one)) for one in weights.values()]

    def test_a_gradient_that_was_written_is_added_to(self) -> None:
        adapter, model = self.case.adapter, self.case.scale(1.0, 1.0)
        factor = adapter.weights(model)["factor"]
        adapter.write_gradient(factor, HostTensor.from_array(np.array([5, 6], np.float32)))
        adapter.backward(self.case.total(model(self.case.tensor([1, 2]))))
        gradient = adapter.gradient(factor)
        assert gradient is not None
        assert self.case.value(gradient).tolist() == [6, 8]

    def test_what_is_no_optimizer_is_not_taken_for_one(self) -> None:
        for other in (None, object(), self.case.scale(1.0), lambda: None):
            assert not self.case.adapter.is_optimizer(other)
