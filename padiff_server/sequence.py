"""Order-preserving matching of two sequences."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

# (position on the left, position on the right)
Positions = tuple[int, int]


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


def best_alignment(left: Sequence[T], right: Sequence[T], score: Callable[[T, T], int]) -> list[Positions]:
    """Returns the order-preserving pairs with the largest total score; a score of 0 never pairs.

    The longest common subsequence where scores are 0 and 1. O(len(left) * len(right)) calls of `score`.
    Of equally good alignments, the one that pairs earliest.
    """
    scores = [[score(one, other) for other in right] for one in left]
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            paired = best[i + 1][j + 1] + scores[i][j] if scores[i][j] else 0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    pairs = []
    i = j = 0
    while i < len(left) and j < len(right):
        if scores[i][j] and best[i][j] == best[i + 1][j + 1] + scores[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def align_between(
    left: Sequence[T], right: Sequence[T], anchors: Sequence[Positions], score: Callable[[T, T], int]
) -> list[Positions]:
    """Returns new pairs of `best_alignment` in the gaps between those anchors that keep order.

    An anchor that crosses the others stays paired but bounds no gap; no anchored position pairs again.
    """
    taken_left = {i for i, _ in anchors}
    taken_right = {j for _, j in anchors}
    found: list[Positions] = []
    start_left = start_right = 0
    for end_left, end_right in [*longest_chain(anchors), (len(left), len(right))]:
        rows = [i for i in range(start_left, end_left) if i not in taken_left]
        columns = [j for j in range(start_right, end_right) if j not in taken_right]
        if rows and columns:
            chosen = best_alignment(rows, columns, lambda i, j: score(left[i], right[j]))
            found += [(rows[i], columns[j]) for i, j in chosen]
        start_left, start_right = end_left + 1, end_right + 1
    return found
