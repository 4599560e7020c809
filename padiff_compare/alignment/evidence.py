"""Evidence for a pair of layers, as numbers for whole stretches of a sequence at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from padiff_compare.alignment.kinds import Shape, free_family
from padiff_compare.alignment.pairing import Pairing
from padiff_compare.alignment.path_words import class_words
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.records import Slot

# Scores of a pair. Kind and shapes come first; no sum of names outweighs them in one layer.
BOUND, EXACT, PARTIAL, CUSTOM, MOSTLY, OTHER_KIND = 10_000, 1000, 850, 800, 600, 450
FREE_EXACT, FREE_WORDS, FREE_FAMILY, FREE_PATH = 1000, 700, 300, 200
_OTHER_OUTPUT, _OTHER_CALLS = 150, 100
_WORDS, _SURE_NUMBER, _NUMBER, _RETURNED = 100, 60, 1, 60
# A pair that wins by less than this stands on names or numbers that prove little.
DOUBT = 50
_MOST_WORDS = 256
# The number of what a trace that was cut short does not tell.
_ANY = -1

Ints = NDArray[np.int64]
# By side, first paths of layers -> number of the block that they lie in; layers of other blocks never pair.
Blocks = tuple[Mapping[str, int], Mapping[str, int]]


class PairingEvidence:
    """Features of two sequences of layers, and their scores. Values that are equal have equal numbers."""

    def __init__(
        self,
        left: Sequence[Node],
        right: Sequence[Node],
        held_back: tuple[frozenset[str], frozenset[str]],
        blocks: Blocks = ({}, {}),
    ) -> None:
        """`held_back`: first paths of layers that should pair last, by side; `blocks`: see `blocks`."""
        self.sides = (left, right)
        self._is_traced = all(any(node.calls is not None for node in nodes) for nodes in self.sides)
        self._is_cut = tuple(bool(nodes) and nodes[0].is_cut for nodes in self.sides)
        ids = _Numbering()
        self._features = tuple(
            {
                "kind": ids.of(("kind", node.type_name) for node in nodes),
                "known": ids.of(("known", bool(node.kind)) for node in nodes),
                "exact": ids.of(("exact", node.signature) for node in nodes),
                "main": ids.of(("main", node.main_shape) for node in nodes),
                "loose": ids.of(("loose", loose_shapes(node.shapes)) for node in nodes),
                "input": ids.of(
                    ("input", _sizes(node.inputs)) if node.entered is not None or not node.is_cut else None
                    for node in nodes
                ),
                "output": ids.of(
                    ("output", _sizes(node.outputs)) if node.has_returned else None for node in nodes
                ),
                "calls": np.array([_ANY if node.calls is None else node.calls for node in nodes]),
                "called": ids.of(("called", node.is_called) for node in nodes),
                "block": ids.of(("block", blocks[side].get(node.layer.path, 0)) for node in nodes),
                "holder": np.array([_is_holder(node) for node in nodes], dtype=np.int64),
                "returned": np.array([_is_returned(node) for node in nodes], dtype=np.int64),
                "path": ids.of(("path", node.path) for node in nodes),
                "family": ids.of(
                    ("family", free_family(node.kind) or f"{side} {n}") for n, node in enumerate(nodes)
                ),
                "held": np.array([node.layer.path in held_back[side] for node in nodes], dtype=bool),
            }
            for side, nodes in enumerate(self.sides)
        )
        # Of layers that have a partner, the place of the reference's among its layers; else -1.
        self._bound = tuple(np.full(len(nodes), -1, dtype=np.int64) for nodes in self.sides)
        self._is_known = ids.of([("known", True)])[0]
        self._weighted = tuple(np.array([bool(node.shapes) for node in nodes]) for nodes in self.sides)
        # By the looks of a layer's weights: which of the other side have most of them.
        self._most: dict[int, NDArray[np.bool_]] = {}
        self._words = _word_vectors(left, right)
        self._class_words = _class_vectors(left, right)
        numbers = [_ordinals(nodes) for nodes in self.sides]
        self._numbers = tuple(ids.of(("number", one[0]) for one in side) for side in numbers)
        self._sure = tuple(np.array([one[1] for one in side], dtype=bool) for side in numbers)

    def bind(self, pairing: Pairing) -> None:
        """Makes layers that have a partner already pair with it and with nothing else."""
        for side, nodes in enumerate(self.sides):
            for n, node in enumerate(nodes):
                match = pairing.of(side, node)
                if match is not None:
                    self._bound[side][n] = match.reference.order[1]

    def weighted(self, row: int, start: int, stop: int) -> NDArray[np.int32]:
        """Returns the scores of a layer with weights against a stretch of the other side's."""
        same = self._same(row, start, stop)
        other = self._features[1]
        custom = (other["known"][start:stop] != self._is_known) | (
            self._features[0]["known"][row] != self._is_known
        )
        kind, loose, holder = same("kind"), same("loose"), same("holder")
        scores = np.select(
            [
                kind & same("exact"),
                kind & same("main"),
                custom & loose & holder,
                custom & self._mostly(row, start, stop) & holder,
                loose & holder,
            ],
            [EXACT, PARTIAL, CUSTOM, MOSTLY, OTHER_KIND],
            0,
        )
        scores = np.where(same("block"), scores, 0)
        if self._is_traced:
            scores = np.where(same("called"), scores, 0)
            scores = np.where(
                (scores > 0) & same("returned") & other["returned"][start:stop], scores + _RETURNED, scores
            )
            scores = np.where(same("output"), scores, scores - _OTHER_OUTPUT)
            scores = np.where(self._as_often(row, start, stop), scores, scores - _OTHER_CALLS)
        scores = self._finished(scores, row, start, stop)
        bound = self._bound[1][start:stop]
        if self._bound[0][row] < 0:
            return np.where(bound < 0, scores, 0)
        return np.where(bound == self._bound[0][row], BOUND, 0).astype(np.int32)

    def free(self, row: int, start: int, stop: int) -> NDArray[np.int32]:
        """Returns the same for layers without weights."""
        same = self._same(row, start, stop)
        words = (self._class_words[1][start:stop] & self._class_words[0][row]) != 0
        fits = same("input") & same("output")
        scores = np.select(
            [fits & same("kind"), fits & words, fits & same("family"), same("path")],
            [FREE_EXACT, FREE_WORDS, FREE_FAMILY, FREE_PATH],
            0,
        )
        # Of two norms one may lack its own weights; all else here has none.
        ours, theirs = self._weighted[0][row], self._weighted[1][start:stop]
        scores = np.where(~(ours | theirs) | ((ours ^ theirs) & fits & same("kind")), scores, 0)
        # Called more often on one side: pairing their calls would compare strangers.
        return self._finished(np.where(self._as_often(row, start, stop), scores, 0), row, start, stop)

    def likeness(self, row: int, columns: Sequence[int]) -> NDArray[np.float64]:
        """Returns how far a layer's name agrees with others', 0 to 1."""
        return np.asarray(self._words[1][columns] @ self._words[0][row], dtype=np.float64)

    def same_number(self, row: int, columns: Sequence[int]) -> NDArray[np.bool_]:
        """Returns which have the same place among numbered siblings."""
        same: NDArray[np.bool_] = self._numbers[1][columns] == self._numbers[0][row]
        return same

    def look(self, side: int, position: int) -> Hashable:
        """Returns what layers have in common that only names and surroundings tell apart."""
        features = self._features[side]
        return tuple(int(features[name][position]) for name in ("kind", "exact", "called", "block"))

    def _mostly(self, row: int, start: int, stop: int) -> NDArray[np.bool_]:
        """Returns which have more than half of the layer's weight shapes, the largest weight's included."""
        look = int(self._features[0]["loose"][row])
        if look not in self._most:
            ours = self.sides[0][row]
            alike = {int(n): node for n, node in zip(self._features[1]["loose"], self.sides[1])}
            fits = [
                n for n, node in alike.items() if main_shape_agrees(ours, node) and share(ours, node) > 0.5
            ]
            self._most[look] = np.isin(self._features[1]["loose"], fits)
        return self._most[look][start:stop]

    def _as_often(self, row: int, start: int, stop: int) -> NDArray[np.bool_]:
        """Returns which may be called equally often: where a trace was cut short, more calls may follow."""
        ours, theirs = self._features[0]["calls"][row], self._features[1]["calls"][start:stop]
        found: NDArray[np.bool_] = (theirs == ours) | (theirs == _ANY) | (ours == _ANY)
        if self._is_cut[0]:
            found |= ours < theirs
        if self._is_cut[1]:
            found |= theirs < ours
        return found

    def _same(self, row: int, start: int, stop: int) -> _Same:
        return _Same(self._features, row, start, stop)

    def _finished(self, scores: NDArray[np.int64], row: int, start: int, stop: int) -> NDArray[np.int32]:
        held = self._features[0]["held"][row] | self._features[1]["held"][start:stop]
        same_path = self._features[0]["path"][row] == self._features[1]["path"][start:stop]
        scores = np.where(held & ~same_path, scores // 4, scores)
        likeness = self._words[1][start:stop] @ self._words[0][row]
        same_number = self._numbers[1][start:stop] == self._numbers[0][row]
        sure = self._sure[1][start:stop] | self._sure[0][row]
        bonus = np.rint(likeness * _WORDS) + np.where(same_number, np.where(sure, _SURE_NUMBER, _NUMBER), 0)
        return np.where(scores > 0, scores + bonus, 0).astype(np.int32)


class _Same:
    """Which of a stretch agree with one layer in a feature; what is not known agrees with all."""

    def __init__(self, features: Sequence[dict[str, Ints]], row: int, start: int, stop: int) -> None:
        self._features, self._row, self._start, self._stop = features, row, start, stop

    def __call__(self, name: str) -> NDArray[np.bool_]:
        left, right = self._features
        ours, theirs = left[name][self._row], right[name][self._start : self._stop]
        equal: NDArray[np.bool_] = (theirs == ours) | (theirs == _ANY) | (ours == _ANY)
        return equal


class _Numbering:
    """Equal values get equal numbers, over both sides; None, what is not known, gets `_ANY`."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, values: Iterable[Hashable]) -> Ints:
        return np.array(
            [
                _ANY if value is None else self._numbers.setdefault(value, len(self._numbers))
                for value in values
            ],
            dtype=np.int64,
        )


def loose_shapes(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Returns shapes that agree whatever the order of axes; those of one element are left out."""
    return tuple(sorted(tuple(sorted(size for size in shape if size != 1)) for shape in shapes))


def share(one: Node, other: Node) -> float:
    """Returns how many of two layers' weights agree in shape, of those of the one that has more."""
    shapes = Counter(loose_shapes(one.shapes)), Counter(loose_shapes(other.shapes))
    return sum((shapes[0] & shapes[1]).values()) / max(len(one.shapes), len(other.shapes), 1)


def main_shape_agrees(one: Node, other: Node) -> bool:
    """Whether the largest weights of two layers agree in shape."""
    return loose_shapes([one.main_shape]) == loose_shapes([other.main_shape])


def _is_holder(node: Node) -> bool:
    """Whether layers below hold weights: such a layer does more than its own weights say."""
    return any(inner.shapes for child in node.children for inner in child.below())


def _is_returned(node: Node) -> bool:
    """Whether the layer around it returns its result as it is."""
    around = node.parent
    if around is None or not node.outputs or not around.outputs:
        return False
    return node.outputs[0].tensor == around.outputs[0].tensor


def _sizes(slots: Sequence[Slot]) -> Shape:
    """Returns the sizes of the first tensor, whatever the layout."""
    return tuple(sorted(slots[0].spec.shape)) if slots else ()


def _word_vectors(
    left: Sequence[Node], right: Sequence[Node]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns a unit vector for each layer's path, in which rare words weigh most.

    Of words that only one side has, only the length is kept.
    """
    words = [[node.words for node in nodes] for nodes in (left, right)]
    counts = [Counter(word for path in side for word in path) for side in words]
    common = [word for word, _ in (counts[0] & counts[1]).most_common()]
    common = common[-_MOST_WORDS:] if len(common) > _MOST_WORDS else common
    column = {word: n for n, word in enumerate(common)}
    total = len(left) + len(right)
    vectors = []
    for side in words:
        made = np.zeros((len(side), max(len(common), 1)), dtype=np.float32)
        for row, path in enumerate(side):
            length = 0.0
            for depth, word in enumerate(reversed(path)):
                share = (counts[0][word] + counts[1][word]) / total
                # The innermost words say most of what the layer itself is.
                weight = (0.1 - np.log(min(share, 1.0))) / (1 + 0.5 * depth)
                length += weight**2
                if word in column:
                    made[row, column[word]] = weight
            if length:
                made[row] /= np.sqrt(length)
        vectors.append(made)
    return vectors[0], vectors[1]


def _class_vectors(left: Sequence[Node], right: Sequence[Node]) -> tuple[Ints, Ints]:
    """Returns bits of the words in class names that both sides have, layers' generic ones left out."""
    words = [[class_words(node.layer.class_name) for node in nodes] for nodes in (left, right)]
    common = set().union(*words[0]) & set().union(*words[1])
    bit = {
        word: 1 << n
        for n, word in enumerate(sorted(common - {"layer", "module", "d", "op", "activation"})[:62])
    }
    made = [
        np.array([sum(bit.get(word, 0) for word in names) for names in side], dtype=np.int64)
        for side in words
    ]
    return made[0], made[1]


def _ordinals(nodes: Sequence[Node]) -> list[tuple[tuple[int, ...], bool]]:
    """Returns each layer's places among numbered siblings, and whether a gap there makes them tell more.

    Numbers that run without a gap only repeat the order; they count from 0 wherever they start.
    """
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for node in next(iter(nodes)).root.below() if nodes else ():
        for prefix, number in node.numbers:
            seen[prefix].add(number)
    numbers = [node.numbers for node in nodes]
    first = {prefix: min(found) for prefix, found in seen.items()}
    gapped = {prefix for prefix, found in seen.items() if max(found) - min(found) + 1 > len(found) > 1}
    return [
        (
            tuple(number - first[prefix] for prefix, number in path),
            any(prefix in gapped for prefix, _ in path),
        )
        for path in numbers
    ]
