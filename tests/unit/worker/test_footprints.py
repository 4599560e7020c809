"""Which strided layouts show one element at several places."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from padiff_worker.footprints import shares_elements

PLAIN = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("array", "shares"),
    [
        (PLAIN, False),
        (PLAIN.transpose(2, 0, 1), False),
        (PLAIN[:, ::2, 1:3], False),
        (PLAIN[0].diagonal(), False),
        (PLAIN[:0], False),
        (np.float32(1), False),
        (np.broadcast_to(PLAIN[:1], (1, 3, 4)), False),
        (np.broadcast_to(PLAIN[:1], (2, 3, 4)), True),
        (np.lib.stride_tricks.sliding_window_view(np.arange(5.0), 2), True),
        (as_strided(np.arange(5.0), (2, 3), (16, 8)), True),
    ],
)
def test_expanded_tensors_and_windows_share_elements_and_other_views_do_not(
    array: np.ndarray, shares: bool
) -> None:
    strides = tuple(stride // array.itemsize for stride in array.strides)
    assert shares_elements(array.shape, strides) is shares
