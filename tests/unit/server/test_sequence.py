from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from padiff_server.sequence import align_between, best_alignment, longest_chain

words = st.lists(st.sampled_from("abc"), max_size=6)


def equal(one, other):
    return int(one == other)


def longest_common(left, right):
    """The length by brute force."""
    for length in range(min(len(left), len(right)), 0, -1):
        choices = {tuple(chosen) for chosen in combinations(left, length)}
        if choices & {tuple(chosen) for chosen in combinations(right, length)}:
            return length
    return 0


@given(words, words)
def test_the_alignment_is_a_longest_common_subsequence(left, right):
    pairs = best_alignment(left, right, equal)
    assert all(left[i] == right[j] for i, j in pairs)
    assert pairs == sorted(set(pairs))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert len(pairs) == longest_common(left, right)


def test_of_equal_alignments_the_earliest_is_taken():
    assert best_alignment("aa", "aaa", equal) == [(0, 0), (1, 1)]


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


def test_new_pairs_stay_between_the_anchors():
    assert align_between("xAx", "Axx", [(1, 0)], equal) == [(2, 1)]


def test_an_anchor_that_crosses_bounds_no_gap_and_pairs_no_more():
    found = align_between("CAxB", "AxBC", [(0, 3), (1, 0), (3, 2)], equal)
    assert found == [(2, 1)]


def test_without_anchors_everything_is_one_gap():
    assert align_between("ab", "ab", [], equal) == [(0, 0), (1, 1)]
