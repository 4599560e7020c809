"""Layout of a fingerprint: 44 float64 numbers that tell which tensors hold the same values, in which order.

Equal wherever they are computed, but for rounding. All numbers are of the tensor's elements in float64, a
complex tensor's parts along a new last axis. Elements of at least `HUGE` in size, and those that are no
numbers, are counted and stand as zeros in all else, so that an infinity in a mask is like -1e9. Where more
than `MOST_HUGE` of the elements are huge and all are finite, none is counted. `squashed` numbers are of
x / (1 + |x|), so that a mask of -1e3 does not drown the rest.

Three parts see more and more of the order: the *bag* none of it, the *axes* part each element's place along
every axis but not which axis is which, the *flat* part the place in C order. A tensor of no elements has
zeros.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from padiff_rpc.errors import ProtocolError

# Float64, of shape [SIZE].
Fingerprint = npt.NDArray[np.float64]

SIZE: Final = 44
HUGE: Final = 9e3
MOST_HUGE: Final = 0.9

# The bag: how many elements are at least HUGE, at most -HUGE, and no numbers.
HUGE_POSITIVE: Final = 0
HUGE_NEGATIVE: Final = 1
NO_NUMBER: Final = 2
# The sums of x, |x|, x**2, x**3 and |x|**3.
SUM: Final = 3
ABSOLUTE_SUM: Final = 4
SQUARE_SUM: Final = 5
CUBE_SUM: Final = 6
ABSOLUTE_CUBE_SUM: Final = 7
# The elements in ascending order at ORDER_COUNT places, evenly spaced from the least to the largest.
ORDERS: Final = slice(8, 25)
ORDER_COUNT: Final = 17
# The sums of squashed x, its size, and its square.
SQUASHED_SUM: Final = 25
SQUASHED_ABSOLUTE_SUM: Final = 26
SQUASHED_SQUARE_SUM: Final = 27

# Projections on random vectors of mean square 1: over the elements in C order,
FLAT: Final = slice(28, 32)
SQUASHED_FLAT: Final = slice(32, 36)
# and by products of one vector for each axis, chosen by the axis's length; axes of one element are left out.
AXES: Final = slice(36, 40)
SQUASHED_AXES: Final = slice(40, 44)


def to_bytes(fingerprint: Fingerprint) -> bytes:
    """Returns a fingerprint as it travels: little-endian."""
    return fingerprint.astype("<f8", copy=False).tobytes()


def from_bytes(content: bytes) -> Fingerprint:
    """Returns the fingerprint of what travelled. Raises ProtocolError for another number of bytes."""
    if len(content) != SIZE * 8:
        raise ProtocolError(f"a fingerprint has {SIZE * 8} bytes, and this one {len(content)}")
    return np.frombuffer(content, "<f8").astype(np.float64, copy=False)
