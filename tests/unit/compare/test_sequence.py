from __future__ import annotations

import tracemalloc
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from padiff_compare.alignment.sequence import align_sequences, longest_chain

words = st.lists(st.sampled_from("abc"), max_size=6)


def equal(left, right):
    codes = np.array([ord(letter) for letter in right])

    def score(row, start, stop):
        return (codes[start:stop] == ord(left[row])).astype(np.int32)

    return score


def aligned(left, right):
    return [(pair.left, pair.right) for pair in align_sequences(len(left), len(right), equal(left, right))]


def longest_common(left, right):
    """The length by brute force."""
    for length in range(min(len(left), len(right)), 0, -1):
        choices = {tuple(chosen) for chosen in combinations(left, length)}
        if choices & {tuple(chosen) for chosen in combinations(right, length)}:
            return length
    return 0


@given(words, words)
def test_the_alignment_is_a_longest_common_subsequence(left, right):
    pairs = aligned(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert pairs == sorted(set(pairs))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert len(pairs) == longest_common(left, right)


def test_of_equal_alignments_the_earliest_is_taken():
    assert aligned("aa", "aaa") == [(0, 0), (1, 1)]


@given(words, words)
def test_the_margin_is_what_the_best_alignment_without_the_pair_loses(left, right):
    best = len(aligned(left, right))
    for pair in align_sequences(len(left), len(right), equal(left, right)):

        def without(row, start, stop, pair=pair):
            scores = equal(left, right)(row, start, stop)
            if row == pair.left and start <= pair.right < stop:
                scores[pair.right - start] = 0
            return scores

        assert pair.margin == best - len(align_sequences(len(left), len(right), without))


def test_a_pair_far_from_the_diagonal_widens_the_band():
    left = [*range(1000, 1300), *range(700)]
    right = [*range(700), *range(2000, 2300)]
    codes = np.array(right)

    def score(row, start, stop):
        return (codes[start:stop] == left[row]).astype(np.int32)

    found = align_sequences(len(left), len(right), score)
    assert [(pair.left, pair.right) for pair in found] == [(300 + n, n) for n in range(700)]


def test_memory_grows_with_the_length_and_not_with_its_square():
    def peak(length):
        codes = np.arange(length) % 7

        def score(row, start, stop):
            return (codes[start:stop] == codes[row]).astype(np.int32)

        tracemalloc.start()
        try:
            assert len(align_sequences(length, length, score)) == length
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < 12 * peak(500)


@given(st.permutations(range(6)))
def test_the_chain_is_the_longest_that_keeps_order(order):
    pairs = list(enumerate(order))
    chain = longest_chain(pairs)
    assert set(chain) <= set(pairs)
    assert chain == sorted(chain, key=lambda pair: pair[1])
    longest = max(
        length
        for length in range(1, 7)
        for chosen in combinations(order, length)
        if list(chosen) == sorted(chosen)
    )
    assert len(chain) == longest
