"""Conformance: gradients of tensors, and the losses that they come from."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, numpy_dtype
from padiff_rpc.v1.words import DType
from padiff_worker.conformance.case import SHAPES, AdapterCase, raises


class GradientSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    # Gradients

    def test_requires_gradient_says_whether_one_can_arrive(self) -> None:
        adapter = self.case.adapter
        leaf = self.case.tensor([1, 2], requires_grad=True)
        assert adapter.requires_gradient(leaf)
        assert adapter.requires_gradient(leaf * 2)
        assert not adapter.requires_gradient(self.case.tensor([1, 2]))
        assert not adapter.requires_gradient(self.case.tensor(np.array([1, 2])))
        with adapter.gradient_mode(False):
            assert not adapter.requires_gradient(leaf * 2)
            with adapter.gradient_mode(True):
                assert adapter.requires_gradient(leaf * 2)
        assert adapter.requires_gradient(leaf * 2)

    def test_a_layer_that_has_no_backward_in_eval_mode_is_found_where_the_loss_depends_on_it(self) -> None:
        adapter = self.case.adapter
        inner = self.case.only_trained()
        model = self.case.layer(
            lambda layer, x: (layer.inner(x * layer.factor), x * layer.factor), inner=inner
        )
        model.factor = self.case.parameter(np.ones(4, np.float32))
        x = self.case.tensor(np.ones((2, 3, 4), np.float32))
        for train in (True, False):
            adapter.prepare(model, device="cpu", dtype=None, train=train)
            through, beside = (self.case.total(output) for output in model(x))
            assert adapter.layers_without_backward(model, through) == (() if train else ("inner",))
            assert adapter.layers_without_backward(model, beside) == ()
            adapter.backward(beside)
            with suppress(RuntimeError) if not train else nullcontext():
                adapter.backward(through)
                assert train, "it has one now: nothing is to be said any more"

    def test_a_leaf_as_a_loss_lacks_no_backward(self) -> None:
        loss = self.case.tensor(1.0, requires_grad=True)
        assert self.case.adapter.layers_without_backward(self.case.scale(1.0), loss) == ()

    def test_making_a_gradient_mode_changes_nothing_until_it_is_entered(self) -> None:
        leaf = self.case.tensor([1, 2], requires_grad=True)
        self.case.adapter.gradient_mode(False)
        assert self.case.adapter.requires_gradient(leaf * 2)

    def test_an_integer_cannot_require_a_gradient(self) -> None:
        with raises(InvalidRequestError, "requires_grad"):
            self.case.tensor(np.array([1, 2]), requires_grad=True)

    def watched(self, seen: list[tuple[str, Any]], name: str, tensor: Any) -> Any:
        return self.case.adapter.watch_gradient(
            tensor, lambda gradient: seen.append((name, self.case.value(gradient).tolist()))
        )

    def test_a_tensor_of_two_consumers_gets_its_total_gradient_once(self) -> None:
        seen: list[tuple[str, Any]] = []
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 2
        self.watched(seen, "leaf", leaf)
        self.watched(seen, "inner", inner)
        self.case.adapter.backward(self.case.total(inner * 3, inner * 5))
        assert seen == [("inner", [8, 8]), ("leaf", [16, 16])]

    def test_a_hook_may_come_after_the_consumers(self) -> None:
        seen: list[tuple[str, Any]] = []
        inner = self.case.tensor([1, 2], requires_grad=True) * 2
        loss = self.case.total(inner * 3)
        self.watched(seen, "inner", inner)
        self.case.adapter.backward(loss)
        assert seen == [("inner", [3, 3])]

    def test_each_version_of_a_tensor_gets_its_own_gradient(self) -> None:
        seen: list[tuple[str, Any]] = []
        tensor = self.case.tensor([-1, 2], requires_grad=True) * 2
        removes = [self.watched(seen, "before", tensor)]
        self.case.relu_(tensor)
        removes.append(self.watched(seen, "after", tensor))
        self.case.adapter.backward(self.case.total(tensor * 3))
        assert seen == [("after", [3, 3]), ("before", [0, 3])]
        for remove in removes:
            remove()

    def test_a_batch_norms_output_changed_in_place_gets_its_gradient(self) -> None:
        seen: list[tuple[str, Any]] = []
        norm = self.case.batch_norm(2)
        out = norm(self.case.tensor([[-1, 5], [1, 3]], requires_grad=True))
        self.watched(seen, "norm", out)
        self.case.relu_(out)
        self.case.adapter.backward(self.case.total(out * 3))
        assert seen == [("norm", [[0, 3], [3, 0]])]

    def test_a_view_and_its_base_get_their_own_totals(self) -> None:
        seen: list[tuple[str, Any]] = []
        base = self.case.tensor([[1, 2]], requires_grad=True) * 2
        view = self.case.flat(base)
        self.watched(seen, "base", base)
        self.watched(seen, "view", view)
        self.case.adapter.backward(self.case.total(view * 3, base * 5))
        assert seen == [("view", [3, 3]), ("base", [[8, 8]])]

    def test_the_unused_output_of_an_operation_gets_zeros(self) -> None:
        seen: list[tuple[str, Any]] = []
        used, unused = self.case.halves(self.case.tensor([1, 2], requires_grad=True) * 2)
        self.watched(seen, "used", used)
        self.watched(seen, "unused", unused)
        self.case.adapter.backward(self.case.total(used * 3))
        assert sorted(seen) == [("unused", [0]), ("used", [3])]

    def test_what_the_loss_does_not_depend_on_gets_no_gradient(self) -> None:
        seen: list[tuple[str, Any]] = []
        leaf = self.case.tensor([1, 2], requires_grad=True)
        beside = leaf * 7
        self.watched(seen, "beside", beside)
        self.case.adapter.backward(self.case.total(leaf * 3))
        assert seen == []

    def test_gradients_of_any_shape_arrive(self) -> None:
        for shape in SHAPES:
            seen: list[tuple[str, Any]] = []
            inner = self.case.tensor(np.ones(shape, np.float32), requires_grad=True) * 2
            self.watched(seen, "inner", inner)
            self.case.adapter.backward(self.case.total(inner * 3))
            assert seen == [("inner", np.full(shape, 3).tolist())]

    def test_a_complex_tensor_gets_a_complex_gradient(self) -> None:
        seen: list[tuple[str, Any]] = []
        inner = self.case.tensor(np.array([1 + 2j], np.complex64), requires_grad=True) * 2
        self.watched(seen, "inner", inner)
        self.backward_from(inner)
        assert seen == [("inner", [1 + 1j])]

    def backward_from(self, tensor: Any) -> None:
        ones = HostTensor.from_array(np.ones(self.case.adapter.spec(tensor).shape, np.float32))
        self.case.adapter.backward(self.case.adapter.projection_loss([(tensor, ones)]))

    def test_a_hook_is_called_at_each_backward_until_it_is_removed(self) -> None:
        seen: list[tuple[str, Any]] = []
        leaf = self.case.tensor([1], requires_grad=True)
        remove = self.watched(seen, "leaf", leaf)
        for factor in (2, 3):
            self.case.adapter.backward(self.case.total(leaf * factor))
        remove()
        remove()
        self.case.adapter.backward(self.case.total(leaf * 4))
        assert seen == [("leaf", [2]), ("leaf", [3])]

    def test_a_watched_tensor_is_not_kept_alive(self) -> None:
        leaf = self.case.tensor([1], requires_grad=True)
        inner = leaf * 2
        remove = self.watched([], "inner", inner)
        alive = weakref.ref(inner)
        del inner
        gc.collect()
        assert alive() is None
        remove()

    # Losses

    def test_the_projection_loss_is_the_scaled_inner_product(self) -> None:
        outputs = [np.array([[1.0, -2.0], [3.0, 4.0]]), np.array(5.0), np.zeros((0, 2))]
        weights = [np.array([[0.5, 1.5], [-1.0, 2.0]]), np.array(-3.0), np.zeros((0, 2))]
        expected = (0.5 - 3.0 - 3.0 + 8.0) / 2 - 15.0
        loss = self.case.adapter.projection_loss(
            (
                self.case.tensor(output.astype(np.float32), requires_grad=True),
                HostTensor.from_array(weight.astype(np.float32)),
            )
            for output, weight in zip(outputs, weights)
        )
        assert self.case.adapter.spec(loss).shape == ()
        assert self.case.adapter.requires_gradient(loss)
        assert np.isclose(self.case.value(loss), expected)

    def test_the_projection_loss_computes_in_float32_at_least(self) -> None:
        ones = HostTensor.from_array(np.full(4096, 1.0, np.float32))
        for dtype in (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64):
            if not self.case.has(dtype):
                continue
            bits: Array = np.full(4096, 0x3F80 if dtype is DType.BFLOAT16 else 1, numpy_dtype(dtype))
            output = self.case.tensor(bits, dtype=dtype)
            loss = self.case.adapter.projection_loss(
                [(output, ones), (self.case.tensor(np.ones(4096, np.float32)), ones)]
            )
            assert self.case.adapter.spec(loss).dtype in (DType.FLOAT32, DType.FLOAT64)
            assert self.case.value(loss) == 128

    def test_both_parts_of_a_complex_output_are_projected(self) -> None:
        output = self.case.tensor(np.array([1 + 2j, 3 - 5j], np.complex64))
        weights = HostTensor.from_array(np.array([2, 10], np.float32))
        loss = self.case.adapter.projection_loss([(output, weights)])
        assert np.isclose(self.case.value(loss), (2 * 3 + 10 * -2) / 2**0.5)

    def test_the_mean_loss_is_the_mean_of_means(self) -> None:
        loss = self.case.adapter.mean_loss(
            [self.case.tensor([[1, 2, 3]], requires_grad=True), self.case.tensor([6])]
        )
        assert self.case.adapter.spec(loss).shape == ()
        assert self.case.value(loss) == 4
        assert self.case.adapter.requires_gradient(loss)

    def test_a_gradient_keeps_the_dtype_of_its_tensor(self) -> None:
        for dtype in sorted(FLOATING | COMPLEX):
            if not self.case.has(dtype):
                continue
            leaf = self.case.tensor(np.ones(2, numpy_dtype(dtype)), requires_grad=True, dtype=dtype)
            assert self.gradient_dtype(leaf) is dtype

    def gradient_dtype(self, leaf: Any) -> DType:
        seen: list[DType] = []
        adapter = self.case.adapter
        adapter.watch_gradient(leaf, lambda gradient: seen.append(adapter.spec(gradient).dtype))
        self.backward_from(leaf)
        (dtype,) = seen
        return dtype
