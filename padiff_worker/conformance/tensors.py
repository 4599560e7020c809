"""Conformance: tensors, their identity, their bytes and their gradients, and the losses."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import byte_count, numpy_dtype
from padiff_rpc.v1.words import DType
from padiff_worker.conformance.case import OPTIONAL_DTYPES, SHAPES, AdapterCase, raises, sample


class TensorSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    # Bytes

    def test_every_dtype_and_shape_comes_back_bit_by_bit(self) -> None:
        adapter = self.case.adapter
        for dtype in DType:
            if dtype in OPTIONAL_DTYPES and not self.case.has(dtype):
                continue
            for shape in SHAPES:
                given = sample(dtype, shape)
                tensor = adapter.from_host(given, device="cpu", requires_grad=False)
                assert adapter.is_tensor(tensor)
                assert adapter.spec(tensor) == given.spec
                came = adapter.host_copy(tensor)
                assert came.spec == given.spec
                assert came.array.dtype == numpy_dtype(dtype)
                assert came.array.tobytes() == given.array.tobytes(), dtype

    def test_a_dtype_that_the_framework_lacks_is_refused_in_one_line(self) -> None:
        for dtype in OPTIONAL_DTYPES:
            if not self.case.has(dtype):
                with raises(InvalidRequestError, dtype.value):
                    self.case.adapter.from_host(sample(dtype, (2,)), device="cpu", requires_grad=False)

    def test_a_tensor_from_the_host_keeps_nothing_of_the_array(self) -> None:
        array = np.ones(3, np.float32)
        tensor = self.case.tensor(array)
        array[:] = 5
        assert self.case.value(tensor).tolist() == [1, 1, 1]

    def test_a_read_only_array_is_taken(self) -> None:
        array = np.ones(3, np.float32)
        array.flags.writeable = False
        tensor = self.case.tensor(array)
        self.case.relu_(tensor)
        assert self.case.value(tensor).tolist() == [1, 1, 1]

    def test_a_host_copy_does_not_follow_the_tensor(self) -> None:
        tensor = self.case.tensor([-1, 2])
        copy = self.case.adapter.host_copy(tensor)
        self.case.relu_(tensor)
        assert copy.array.tolist() == [-1, 2]
        assert self.case.value(tensor).tolist() == [0, 2]

    def test_a_host_copy_of_a_transposed_view_holds_its_elements_in_order(self) -> None:
        for dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.BOOL, DType.COMPLEX64):
            if not self.case.has(dtype):
                continue
            given = sample(dtype, (2, 3))
            tensor = self.case.adapter.from_host(given, device="cpu", requires_grad=False)
            copy = self.case.adapter.host_copy(self.case.transposed(tensor))
            assert copy.array.flags.c_contiguous
            assert copy.array.tobytes() == given.array.T.tobytes()

    def test_a_copy_into_given_memory_is_what_a_host_copy_holds(self) -> None:
        adapter = self.case.adapter
        for dtype in DType:
            if dtype in OPTIONAL_DTYPES and not self.case.has(dtype):
                continue
            for shape in SHAPES:
                tensor = adapter.from_host(sample(dtype, shape), device="cpu", requires_grad=False)
                self._check_copy_into(tensor)
        for dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.BOOL, DType.COMPLEX64):
            if self.case.has(dtype):
                tensor = adapter.from_host(sample(dtype, (2, 3)), device="cpu", requires_grad=False)
                self._check_copy_into(self.case.transposed(tensor))

    def _check_copy_into(self, tensor: Any) -> None:
        adapter = self.case.adapter
        spec, expected = adapter.spec(tensor), adapter.host_copy(tensor).array
        # Its first byte lies anywhere, as does that of memory which is divided up.
        around = np.full(byte_count(spec) + 128, 0xA5, np.uint8)
        inside = around[64:-64].view(numpy_dtype(spec.dtype)).reshape(spec.shape)
        adapter.copy_into(tensor, inside)
        assert inside.tobytes() == expected.tobytes(), spec
        assert {*around[:64].tolist(), *around[-64:].tolist()} == {0xA5}

    def test_a_copy_into_given_memory_does_not_follow_the_tensor(self) -> None:
        tensor, copy = self.case.tensor([-1, 2]), np.empty(2, np.float32)
        self.case.adapter.copy_into(tensor, copy)
        self.case.relu_(tensor)
        assert copy.tolist() == [-1, 2]
        copy[:] = 5
        assert self.case.value(tensor).tolist() == [0, 2]

    def test_a_host_copy_of_a_view_does_not_follow_its_base(self) -> None:
        base = self.case.tensor([[-1, 2], [-3, 4]])
        copy = self.case.adapter.host_copy(self.case.flat(base))
        self.case.relu_(base)
        assert copy.array.tolist() == [-1, 2, -3, 4]

    def test_what_is_no_tensor_is_not_taken_for_one(self) -> None:
        for other in (None, 1, 2.0, "x", np.ones(2), [self.case.tensor([1])], self.case.scale(1.0)):
            assert not self.case.adapter.is_tensor(other)

    # Identity

    def test_a_tensor_keeps_its_identity_while_nothing_changes_it(self) -> None:
        tensor = self.case.tensor([1, 2])
        before = self.case.adapter.identity(tensor)
        _ = tensor * tensor
        self.case.adapter.host_copy(tensor)
        assert self.case.adapter.identity(tensor) == before
        assert hash(before) == hash(self.case.adapter.identity(tensor))

    def test_an_in_place_change_gives_the_same_object_another_identity(self) -> None:
        tensor = self.case.tensor([-1, 2], requires_grad=True) * 2
        before = self.case.adapter.identity(tensor)
        assert self.case.relu_(tensor) is tensor
        assert self.case.adapter.identity(tensor) != before

    def test_a_view_differs_from_its_base_and_notices_its_change(self) -> None:
        base = self.case.tensor([[1, 2]])
        view = self.case.flat(base)
        before = self.case.adapter.identity(view)
        assert before != self.case.adapter.identity(base)
        self.case.relu_(base)
        assert self.case.adapter.identity(view) != before

    def test_a_tensor_of_no_bytes_has_an_identity(self) -> None:
        first, second = (self.case.tensor(np.zeros((0, 3), np.float32)) for _ in range(2))
        assert self.case.adapter.identity(first) != self.case.adapter.identity(second)

    def test_a_weak_reference_tells_whether_a_tensor_lives(self) -> None:
        tensor = self.case.tensor([1, 2], requires_grad=True) * 2
        alive = weakref.ref(tensor)
        assert alive() is tensor
        del tensor
        gc.collect()
        assert alive() is None
