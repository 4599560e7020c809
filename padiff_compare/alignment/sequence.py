"""Order-preserving alignment of two long sequences in near-linear time, with a margin for each pair."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from padiff_rpc.records import record

# (position on the left, position on the right)
Positions = tuple[int, int]
# (left position, first right position, right position behind the last) -> scores; 0 never pairs.
Score = Callable[[int, int, int], NDArray[np.int32]]

_NARROW, WIDEST = 48, 384


@record
class Aligned:
    """A pair of positions; `margin` is how much the best alignment without this pair is worse."""

    left: int
    right: int
    margin: int


def longest_chain(pairs: Sequence[Positions]) -> list[Positions]:
    """Returns a longest subset of `pairs` that increases on both sides; each position occurs once."""
    ordered = sorted(pairs)
    tails: list[int] = []
    tail_index: list[int] = []
    previous: list[int] = []
    for index, (_, right) in enumerate(ordered):
        length = bisect_left(tails, right)
        previous.append(tail_index[length - 1] if length else -1)
        if length == len(tails):
            tails.append(right)
            tail_index.append(index)
        else:
            tails[length], tail_index[length] = right, index
    chain = []
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        chain.append(ordered[index])
        index = previous[index]
    return chain[::-1]


def align_sequences(
    left: int,
    right: int,
    score: Score,
    centres: Optional[Sequence[int]] = None,
    *,
    widest: int = WIDEST,
) -> list[Aligned]:
    """Returns the order-preserving pairs with the largest total score (Needleman and Wunsch, free gaps).

    Of equally good alignments, the one that pairs earliest. Only a band of columns around `centres`
    (one for each left position; by default the diagonal) is looked at, and widened as long as the result
    touches its edge, or leaves much unpaired, up to `widest` to either side: memory is O(left) and time
    O(left * widest).
    """
    if not left or not right:
        return []
    half = min(_NARROW, widest)
    if centres is None:
        centres = [row * right // left for row in range(left)]
        half = min(_NARROW + abs(left - right), widest)
    while True:
        band = _Band(left, right, score, centres, half)
        found = band.aligned()
        lone = min(left, right) - len(found)
        if half >= widest or band.width == right or not (lone > half // 2 or band.touches_edge(found)):
            return found
        half = min(4 * half, widest)


class _Band:
    """The scores and best totals of a band of columns: row i sees columns starts[i] and `width` more."""

    def __init__(self, left: int, right: int, score: Score, centres: Sequence[int], half: int) -> None:
        self._rows, self._columns = left, right
        self.width = min(right, 2 * half + 1)
        starts = np.clip(np.asarray(centres, dtype=np.int64) - half, 0, right - self.width)
        self._starts = np.maximum.accumulate(starts)
        self._scores = np.zeros((left, self.width), dtype=np.int16)
        # totals[i][k]: the best of the rows up to i and the columns before starts[i] + k.
        self._totals = np.zeros((left, self.width + 1), dtype=np.int32)
        before = np.zeros(self.width + 1, dtype=np.int32)
        for row in range(left):
            start = int(self._starts[row])
            scores = score(row, start, start + self.width)
            self._scores[row] = scores
            before = self._moved(before, row)
            total = self._totals[row]
            total[:] = before
            np.maximum(total[1:], np.where(scores > 0, before[:-1] + scores, 0), out=total[1:])
            np.maximum.accumulate(total, out=total)
            before = total

    def _moved(self, before: NDArray[np.int32], row: int) -> NDArray[np.int32]:
        """Returns the totals of the row before under this row's columns."""
        step = int(self._starts[row] - self._starts[row - 1]) if row else 0
        if not step:
            return before
        moved = np.full_like(before, before[-1])
        if step < len(before):
            moved[: len(before) - step] = before[step:]
        return moved

    def aligned(self) -> list[Aligned]:
        """Returns the pairs of the best alignment, by a walk back along the totals."""
        found = []
        column = self._columns
        after = np.zeros(self.width + 1, dtype=np.int32)
        nothing = np.zeros(self.width + 1, dtype=np.int32)
        for row in range(self._rows - 1, -1, -1):
            start = int(self._starts[row])
            if row < self._rows - 1:
                after = self._moved_back(after, row)
            before = self._moved(self._totals[row - 1], row) if row else nothing
            scores = self._scores[row]
            paired = np.where(scores > 0, before[:-1] + scores + after[1:], -1)
            k = self._pairs_with(row, before, min(column - start, self.width))
            if k is not None:
                own = int(paired[k])
                paired[k] = -1
                other = max(int(paired.max()), int((before + after).max()))
                found.append(Aligned(left=row, right=start + k, margin=max(own - other, 0)))
                column = start + k
            total = after.copy()
            np.maximum(total[:-1], np.where(scores > 0, after[1:] + scores, 0), out=total[:-1])
            after = np.maximum.accumulate(total[::-1])[::-1]
        return found[::-1]

    def _pairs_with(self, row: int, before: NDArray[np.int32], limit: int) -> Optional[int]:
        """Returns the column of the band that the row pairs with, of those before `limit`."""
        if limit <= 0:
            return None
        total = self._totals[row]
        k = int(np.searchsorted(total[: limit + 1], total[limit], side="left"))
        if k == 0 or before[k] == total[k]:
            return None
        return k - 1

    def _moved_back(self, after: NDArray[np.int32], row: int) -> NDArray[np.int32]:
        """Returns the totals of the row behind under this row's columns."""
        step = int(self._starts[row + 1] - self._starts[row])
        if not step:
            return after
        moved = np.full_like(after, after[0])
        if step < len(after):
            moved[step:] = after[: len(after) - step]
        return moved

    def touches_edge(self, found: list[Aligned]) -> bool:
        """Whether a pair lies at an edge behind which there are more columns."""
        for pair in found:
            start = int(self._starts[pair.left])
            if (pair.right - start < 2 and start > 0) or (
                start + self.width - pair.right <= 2 and start + self.width < self._columns
            ):
                return True
        return False
