"""Conformance: fingerprints that a framework computes where its tensors lie."""

from __future__ import annotations

import numpy as np

from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.words import DType
from padiff_worker.conformance.case import SHAPES, AdapterCase, sample
from padiff_worker.functions.fingerprints import fingerprint
from padiff_worker.functions.tensor_elements import fingerprint_in_place, tensor_fingerprint


class FingerprintSuite:
    """Subclassed by the tests of adapters of frameworks with devices, which set `case`."""

    case: AdapterCase

    def test_fingerprints_are_the_same_numbers_wherever_they_are_computed(self) -> None:
        adapter = self.case.adapter
        draws = np.random.default_rng(7)
        for dtype in filter(self.case.has, DType):
            for shape in (*SHAPES, (3, 1, 5), (2, 5000), (70, 70)):
                given = sample(dtype, shape)
                if dtype in FLOATING:
                    given = self.case.adapter.host_copy(
                        self.case.tensor(draws.standard_normal(shape), dtype=dtype)
                    )
                tensor = adapter.from_host(given, device="cpu", requires_grad=False)
                with adapter.gradient_mode(False):
                    ours = tensor_fingerprint(adapter, tensor)
                    theirs = fingerprint_in_place(adapter, tensor)
                assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * max(given.array.size, 1)), (
                    dtype,
                    shape,
                )
                if dtype not in COMPLEX:
                    wide = self.case.value(tensor)
                    assert np.allclose(ours, fingerprint(wide), rtol=1e-6, atol=1e-6 * max(wide.size, 1))

    def test_infinities_and_what_stands_for_them_are_counted_where_tensors_lie_too(self) -> None:
        adapter = self.case.adapter
        for fill in (-np.inf, -1e9, np.nan):
            tensor = self.case.tensor(np.array([[1.5, fill], [fill, 2.0]], np.float32))
            with adapter.gradient_mode(False):
                found = tensor_fingerprint(adapter, tensor), fingerprint_in_place(adapter, tensor)
            assert np.allclose(*found)
            assert found[0][:3].tolist() == ([0, 0, 2] if np.isnan(fill) else [0, 2, 0])
