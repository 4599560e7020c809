"""Conformance: what a training step does beside its layers."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.words import DType
from padiff_worker.batch_feed import BatchFeed
from padiff_worker.captures import Wanted
from padiff_worker.conformance.case import raises
from padiff_worker.conformance.tape import Tape, Taped
from padiff_worker.recorder import Recorder


class _Made(Mapping[str, Any]):
    """Makes its values when they are asked for, and keeps none."""

    def __init__(self, names: Sequence[str], make: Callable[[str], Any]) -> None:
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> Any:
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class TrainingSuite(Taped):
    """Subclassed by each adapter's tests, which set `case`."""

    # Gradients

    def test_gradients_are_scaled_in_place(self) -> None:
        _, factor = self._stepped(3, 4)
        self.case.adapter.scale_gradients([factor], 0.5)
        assert self.case.value(self.case.adapter.gradient(factor)).tolist() == [1.5, 2]

    def test_gradients_are_clipped_to_a_total_norm(self) -> None:
        _, factor = self._stepped(3, 4)
        self.case.adapter.clip_gradients([factor], 1.0)
        clipped = self.case.value(self.case.adapter.gradient(factor)).tolist()
        np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-5)

    def test_gradients_below_the_norm_stay_as_they_are(self) -> None:
        _, factor = self._stepped(3, 4)
        self.case.adapter.clip_gradients([factor], 100.0)
        assert self.case.value(self.case.adapter.gradient(factor)).tolist() == [3, 4]

    def test_the_norm_is_of_all_parameters_together(self) -> None:
        model = self.case.layer(
            lambda layer, x, y: layer.first(x) + layer.second(y),
            first=self.case.scale(1.0),
            second=self.case.scale(1.0),
        )
        self.case.adapter.backward(self.case.total(model(self.leaf(3), self.leaf(4))))
        factors = [model.first.factor, model.second.factor]
        self.case.adapter.clip_gradients(factors, 1.0)
        clipped = [self.case.value(self.case.adapter.gradient(factor)).tolist()[0] for factor in factors]
        np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-5)

    def test_scaled_gradients_add_up_with_later_ones(self) -> None:
        model, factor = self._stepped(3, 4)
        self.case.adapter.scale_gradients([factor], 2.0)
        self.case.adapter.backward(self.case.total(model(self.leaf(1, 1))))
        assert self.case.value(self.case.adapter.gradient(factor)).tolist() == [7, 9]

    def test_a_scaled_loss_is_captured_without_its_scale(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.second(layer.first(x)),
            first=self.case.scale(2.0),
            second=self.case.scale(5.0),
        )
        tape, adapter = Tape(), self.case.adapter
        with Recorder(adapter, adapter.layers(model), tape, Wanted(loss_scale=64.0)) as recorder:
            loss = self.case.total(model(self.leaf(3))) * 64.0
            recorder.begin_backward()
            adapter.backward(loss)
            recorder.record_parameter_gradient("first", "factor", adapter.gradient(model.first.factor))
        assert tape.gradients == {
            "output_gradient second#0.0": [1],
            "output_gradient first#0.0": [5],
            "input_gradient #0.0": [10],
            "parameter_gradient first#0.factor": [15],
        }
        assert self.case.value(adapter.gradient(model.first.factor)).tolist() == [15 * 64]

    # Batches

    def test_a_batch_may_make_its_tensors_while_it_is_read(self) -> None:
        names = "abcdefgh"
        made = _Made(names, lambda name: self.case.tensor([float(names.index(name))]))
        feed = BatchFeed(self.case.adapter, lambda: [made], "data:loader", has_target=False)
        batch = feed.read(0)
        assert batch is not None
        values = [float(batch.tensors[leaf.number].array[0]) for leaf in batch.kwargs.values()]
        assert values == list(range(len(names)))

    def _stepped(self, *inputs: float) -> tuple[Any, Any]:
        """Returns a layer and its parameter, whose gradient is `inputs`."""
        model = self.case.scale(1.0, 1.0)
        self.case.adapter.backward(self.case.total(model(self.leaf(*inputs))))
        return model, model.factor

    # Backward and the optimizer's step

    def test_a_backward_that_user_code_calls_is_seen_from_its_beginning_to_its_end(self) -> None:
        model, seen = self.case.scale(2.0), []
        begun_with: list[Any] = []

        @contextmanager
        def around(roots: tuple[Any, ...]) -> Iterator[None]:
            begun_with.extend(map(self.case.value, roots))
            seen.append(self.case.adapter.gradient(model.factor) is None)
            yield
            seen.append(self.case.adapter.gradient(model.factor) is None)

        remove = self.case.adapter.watch_backward(around)
        try:
            self.case.user_backward(self.case.total(model(self.leaf(3))))
        finally:
            remove()
        assert seen == [True, False]
        assert [float(loss.reshape(())) for loss in begun_with] == [6]
        self.case.user_backward(self.case.total(model(self.leaf(3))))
        assert len(seen) == 2

    def test_what_is_raised_around_a_backward_reaches_the_user_code_and_nothing_is_run(self) -> None:
        model = self.case.scale(2.0)

        @contextmanager
        def around(_: Any) -> Iterator[None]:
            raise KeyError("no further")
            yield

        remove = self.case.adapter.watch_backward(around)
        try:
            with raises(KeyError, "no further"):
                self.case.user_backward(self.case.total(model(self.leaf(3))))
        finally:
            remove()
        assert self.case.adapter.gradient(model.factor) is None

    def test_a_backward_inside_a_backward_is_seen_too(self) -> None:
        for recompute in self.case.recomputations[:1]:
            depths = [0]

            @contextmanager
            def around(_: Any, depths: list[int] = depths) -> Iterator[None]:
                depths.append(depths[-1] + 1)
                yield

            remove = self.case.adapter.watch_backward(around)
            try:
                self.case.user_backward(self.case.total(recompute(self.case.scale(2.0), self.leaf(3))))
            finally:
                remove()
            assert len(depths) >= 2

    def test_an_optimizers_step_is_told_of_before_it_is_made_and_behind_it(self) -> None:
        model, _ = self._stepped(3, 4)
        optimizer, seen, left = self.case.sgd(model, 1.0), [], []

        def before() -> None:
            adapter = self.case.adapter
            seen.append(
                (
                    self.case.value(model.factor).tolist(),
                    self.case.value(adapter.gradient(model.factor)).tolist(),
                )
            )

        remove = self.case.adapter.watch_step(
            optimizer, before, lambda: left.append(self.case.value(model.factor).tolist())
        )
        optimizer.step()
        assert seen == [([1, 1], [3, 4])]
        assert left == [[-2, -3]]
        assert self.case.value(model.factor).tolist() == [-2, -3]
        remove()
        optimizer.step()
        assert (len(seen), len(left)) == (1, 1)

    def test_whether_gradients_are_recorded_can_be_told(self) -> None:
        adapter = self.case.adapter
        with adapter.gradient_mode(True):
            assert adapter.records_gradients()
            with adapter.gradient_mode(False):
                assert not adapter.records_gradients()

    # Autocast

    def test_autocast_picks_the_dtype_and_ends(self) -> None:
        dtype = self._autocast_dtype()
        layer, x = self.case.linear(4, 4), self.case.tensor(np.ones((2, 4), np.float32))
        with self.case.adapter.autocast("cpu", dtype):
            inside = self.case.adapter.spec(layer(x)).dtype
        assert (inside, self.case.adapter.spec(layer(x)).dtype) == (dtype, DType.FLOAT32)

    def test_gradients_of_parameters_keep_their_dtype_under_autocast(self) -> None:
        dtype = self._autocast_dtype()
        layer, x = self.case.linear(4, 4), self.case.tensor(np.ones((2, 4), np.float32))
        with self.case.adapter.autocast("cpu", dtype):
            loss = self.case.total(layer(x))
        self.case.adapter.backward(loss)
        gradient = self.case.adapter.gradient(layer.weight)
        assert self.case.adapter.spec(gradient).dtype is DType.FLOAT32

    def test_a_dtype_without_autocast_is_refused(self) -> None:
        with raises(InvalidRequestError, "autocast: "):
            self.case.adapter.autocast("cpu", DType.FLOAT64)

    def _autocast_dtype(self) -> DType:
        for dtype in (DType.BFLOAT16, DType.FLOAT16):
            try:
                self.case.adapter.autocast("cpu", dtype)
            except InvalidRequestError:
                continue
            return dtype
        raise unittest.SkipTest("no autocast on the CPU")
