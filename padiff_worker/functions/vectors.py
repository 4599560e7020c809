"""The random vectors that fingerprints project on: the same everywhere, whatever draws other numbers."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

# Float64, of mean 0 and mean square 1: [elements, projections].
Vectors = npt.NDArray[np.float64]

# Each projection has a vector of its own.
PROJECTIONS = 4
# Places of elements in C order are a row and a column of this many columns.
COLUMNS = 1024
# Longer ones are made anew, so that what is kept stays small.
_KEPT = 1 << 17

_STREAMS = {"column": 1, "row": 2, "axis": 3}


def columns() -> Vectors:
    """Returns the vectors of the columns."""
    return _kept("column", 0, COLUMNS)


def rows(start: int, stop: int) -> Vectors:
    """Returns the part of the vectors of the rows from `start` up to `stop`."""
    return _part("row", 0, start, stop)


def axis(length: int, start: int, stop: int) -> Vectors:
    """Returns a part of the vectors of an axis of that length."""
    return _part("axis", length, start, stop)


@functools.lru_cache(maxsize=32)
def product(lengths: tuple[int, ...]) -> Vectors:
    """Returns the products of the axes' vectors, for all their elements in C order."""
    made = np.ones((1, PROJECTIONS))
    for length in lengths:
        made = (made[:, np.newaxis, :] * axis(length, 0, length)).reshape(-1, PROJECTIONS)
    return made


def product_part(lengths: tuple[int, ...], start: int, stop: int) -> Vectors:
    """Returns the part of `product` from `start` up to `stop`, without making the rest."""
    if math.prod(lengths) <= _KEPT:
        return product(lengths)[start:stop]
    places = np.arange(start, stop)
    made = np.ones((stop - start, PROJECTIONS))
    for length in reversed(lengths):
        places, own = np.divmod(places, length)
        least = int(own.min())
        made *= axis(length, least, int(own.max()) + 1)[own - least]
    return made


def _part(stream: str, length: int, start: int, stop: int) -> Vectors:
    if stop > _KEPT:
        return _made(stream, length, start, stop)
    return _kept(stream, length, min(length or _KEPT, _KEPT))[start:stop]


@functools.lru_cache(maxsize=64)
def _kept(stream: str, length: int, count: int) -> Vectors:
    return _made(stream, length, 0, count)


def _made(stream: str, length: int, start: int, stop: int) -> Vectors:
    """Returns numbers that depend on their own place, stream, length and projection alone: splitmix64."""
    made = np.empty((stop - start, PROJECTIONS))
    # One projection after the other in the same memory: long vectors are made again and again.
    with np.errstate(over="ignore"):
        places = np.arange(start + 1, stop + 1, dtype=np.uint64) * _STEP
        mixed = np.empty_like(places)
        for projection in range(PROJECTIONS):
            seed = _mixed_word((_STREAMS[stream] << 48) + (projection << 40) + length)
            np.add(places, np.uint64(seed), out=mixed)
            _mix(mixed)
            mixed >>= np.uint64(11)
            made[:, projection] = mixed
    made *= 2.0**-53
    made -= 0.5
    made *= 2.0 * math.sqrt(3.0)
    return made


_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mix(words: npt.NDArray[np.uint64]) -> None:
    shifted = np.empty_like(words)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(words, np.uint64(shift), out=shifted)
        words ^= shifted
        words *= np.uint64(factor)


def _mixed_word(word: int) -> int:
    with np.errstate(over="ignore"):
        words = np.array([word], np.uint64) + _STEP
        _mix(words)
    return int(words[0])
