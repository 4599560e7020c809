"""Conformance: another value in a tensor's place, its graph as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.conformance.case import SHAPES, AdapterCase, sample
from padiff_worker.footprints import overlap


def host(*values: float) -> HostTensor:
    return HostTensor.from_array(np.array(values, np.float32))


class OverrideSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def value(self, tensor: Any) -> Any:
        return self.case.value(tensor).tolist()

    # In memory

    def test_an_overwritten_tensor_is_the_same_tensor_with_other_bytes(self) -> None:
        adapter = self.case.adapter
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 2
        before = adapter.identity(inner), adapter.memory(inner)
        assert adapter.overwrite(inner, host(5, 7))
        assert (adapter.identity(inner), adapter.memory(inner)) == before
        assert self.value(inner) == [5, 7]
        assert adapter.requires_gradient(inner)

    def test_every_dtype_and_shape_is_overwritten_bit_by_bit(self) -> None:
        adapter = self.case.adapter
        for dtype in filter(self.case.has, DType):
            for shape in SHAPES:
                given = sample(dtype, shape)
                zeros = HostTensor(array=np.zeros_like(given.array), dtype=dtype)
                tensor = adapter.from_host(zeros, device="cpu", requires_grad=False)
                assert adapter.overwrite(tensor, given)
                assert adapter.host_copy(tensor).array.tobytes() == given.array.tobytes()

    def test_the_gradient_flows_through_an_overwritten_tensor_as_before(self) -> None:
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 3
        assert self.case.adapter.overwrite(inner, host(10, 20))
        self.case.adapter.backward(self.case.total(inner * inner))
        assert self.gradient(leaf) == [60, 120]

    def test_backward_sees_the_bytes_that_were_put_in_place(self) -> None:
        leaf = self.case.tensor([3, 4], requires_grad=True)
        weight = self.case.tensor([1, 1], requires_grad=True)
        inner = leaf * 1
        assert self.case.adapter.overwrite(inner, host(10, 20))
        self.case.adapter.backward(self.case.total(inner * weight))
        assert self.gradient(weight) == [10, 20]

    def test_an_in_place_layer_may_follow(self) -> None:
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 3
        assert self.case.adapter.overwrite(inner, host(-1, 5))
        out = self.case.relu_(inner)
        assert self.value(out) == [0, 5]
        assert self.case.adapter.overwrite(out, host(0, 6))
        self.case.adapter.backward(self.case.total(out))
        assert self.gradient(leaf) == [0, 3]

    def test_views_lie_in_one_memory_and_copies_do_not(self) -> None:
        adapter = self.case.adapter
        base = self.case.tensor([[1, 2], [3, 4]]) * 1
        assert adapter.memory(self.case.flat(base)) == adapter.memory(base)
        assert adapter.memory(base * 1) != adapter.memory(base)

    def test_a_view_in_other_order_is_overwritten_whole_or_not_at_all(self) -> None:
        base = self.case.tensor([[1, 2, 3], [4, 5, 6]]) * 1
        turned = self.case.transposed(base)
        adapter = self.case.adapter
        assert adapter.memory(turned) == adapter.memory(base)
        value = HostTensor.from_array(np.arange(6, dtype=np.float32).reshape(3, 2))
        before = adapter.identity(turned)
        expected = value.array if adapter.overwrite(turned, value) else np.array([[1, 4], [2, 5], [3, 6]])
        assert self.value(turned) == expected.tolist()
        assert self.value(base) == expected.T.tolist()
        assert adapter.identity(turned) == before

    def test_an_alias_has_the_same_memory_and_tells_of_changes_in_place(self) -> None:
        adapter = self.case.adapter
        inner = self.case.tensor([-1, 2], requires_grad=True) * 3
        alias = adapter.alias(inner)
        before = adapter.identity(alias)
        assert adapter.memory(alias) == adapter.memory(inner)
        assert not adapter.requires_gradient(alias)
        assert adapter.overwrite(inner, host(-5, 7))
        assert (adapter.identity(alias), self.value(alias)) == (before, [-5, 7])
        self.case.relu_(inner)
        assert adapter.identity(alias) != before

    def test_footprints_overlap_where_elements_are_shared_and_only_there(self) -> None:
        adapter = self.case.adapter
        base = self.case.tensor(np.arange(24, dtype=np.float32).reshape(4, 6)) * 1
        whole = adapter.footprint(base)
        assert overlap(adapter.footprint(self.case.flat(base)), whole)
        assert overlap(adapter.footprint(self.case.transposed(base)), whole)
        assert not overlap(adapter.footprint(base * 1), whole)
        left, right = self.case.columns(base, 0, 3), self.case.columns(base, 3, 6)
        assert overlap(adapter.footprint(left), whole) == (adapter.memory(left) == adapter.memory(base))
        assert not overlap(adapter.footprint(left), adapter.footprint(right))

    # A new tensor

    def test_a_tensor_that_passes_through_has_the_value_given_and_hands_its_gradient_on(self) -> None:
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 3
        other = self.case.adapter.pass_through(inner, host(10, 20))
        assert other is not inner
        assert self.value(other) == [10, 20]
        assert self.value(inner) == [3, 6]
        self.case.adapter.backward(self.case.total(other * other, inner))
        assert self.gradient(leaf) == [3 * (20 + 1), 3 * (40 + 1)]

    def test_what_passed_through_may_be_changed_in_place(self) -> None:
        leaf = self.case.tensor([1, 2], requires_grad=True)
        out = self.case.relu_(self.case.adapter.pass_through(leaf * 3, host(-1, 5)))
        self.case.adapter.backward(self.case.total(out))
        assert self.value(out) == [0, 5]
        assert self.gradient(leaf) == [0, 3]

    def test_every_dtype_and_shape_passes_through_bit_by_bit(self) -> None:
        adapter = self.case.adapter
        for dtype in filter(self.case.has, DType):
            for shape in SHAPES:
                given = sample(dtype, shape)
                zeros = HostTensor(array=np.zeros_like(given.array), dtype=dtype)
                differentiable = dtype in FLOATING | COMPLEX
                tensor = adapter.from_host(zeros, device="cpu", requires_grad=differentiable)
                for other in (adapter.pass_through(tensor, given), adapter.like(tensor, given)):
                    copy = adapter.host_copy(other)
                    assert (copy.dtype, copy.array.tobytes()) == (dtype, given.array.tobytes())
                    assert copy.array.shape == shape

    def test_without_a_graph_nothing_is_in_one(self) -> None:
        adapter = self.case.adapter
        leaf = self.case.tensor([1, 2], requires_grad=True)
        with adapter.gradient_mode(False):
            assert not adapter.requires_gradient(adapter.pass_through(leaf, host(3, 4)))
        assert not adapter.requires_gradient(adapter.pass_through(self.case.tensor([1, 2]), host(3, 4)))
        assert not adapter.requires_gradient(adapter.like(leaf * 2, host(3, 4)))

    # What hooks return

    def test_what_the_hooks_of_a_call_return_takes_its_place(self) -> None:
        def enter(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return (args[0] * 10,), {**kwargs, "more": kwargs["more"] * 100}

        layer = self.case.layer(lambda layer, x, more: (x, more))
        remove = self.case.adapter.watch(layer, enter, lambda output: [output[1], output[0] * 2])
        more, x = layer(self.case.tensor([1]), more=self.case.tensor([2]))
        assert (self.value(x), self.value(more)) == ([20], [200])
        remove()
        x, more = layer(self.case.tensor([1]), more=self.case.tensor([2]))
        assert (self.value(x), self.value(more)) == ([1], [2])

    def test_the_gradient_that_a_hook_returns_flows_on(self) -> None:
        adapter = self.case.adapter

        def replace(gradient: Any) -> Any:
            seen.append(self.value(gradient))
            return adapter.like(gradient, host(7, 9))

        for passes_through in (False, True):
            seen: list[Any] = []
            leaf = self.case.tensor([1, 2], requires_grad=True)
            inner = leaf * 3
            if passes_through:
                inner = adapter.pass_through(inner, host(5, 6))
            adapter.watch_gradient(inner, replace)
            adapter.watch_gradient(leaf, self.noting(seen))
            adapter.backward(self.case.total(inner * 2, inner * 5))
            assert seen == [[7, 7], [21, 27]]
            assert self.gradient(leaf) == [21, 27]

    def noting(self, seen: list[Any]) -> Any:
        def note(gradient: Any) -> Optional[Array]:
            seen.append(self.value(gradient))
            return None

        return note

    def gradient(self, leaf: Any) -> Any:
        gradient = self.case.adapter.gradient(leaf)
        assert gradient is not None
        return self.value(gradient)
