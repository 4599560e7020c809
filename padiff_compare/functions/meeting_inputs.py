"""Inputs of two calls, paired: which stand for each other, which look alike, which are left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.functions.likeness import Likeness, elements
from padiff_compare.functions.links import Graphs, Links
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionCall, FunctionTensor
from padiff_rpc.v1.words import Side

_PRODUCTS = frozenset(
    {"matmul", "linear", "einsum", "addmm", "baddbmm", "bilinear", "outer", "dot", "tensordot"}
)
_MASKS = frozenset({"where", "masked_fill", "add"})
# One takes what the other leaves.
_OPPOSITES = frozenset({"where", "masked_fill"})


@record
class PairedInputs:
    """Inputs of one call of each side.

    Attributes:
        equal: hold the same values.
        loose: the same numbers, in another order.
        unlike: what is left, paired by kind, size and maker, then by kind and size, then by position.
        plain: constants and scalars that differ, where each side has one left.
        left: what has no partner at all, by side.
    """

    equal: tuple[TensorPair[int], ...]
    loose: tuple[TensorPair[int], ...]
    unlike: tuple[TensorPair[int], ...]
    plain: tuple[TensorPair[int], ...]
    left: tuple[int, ...]

    @property
    def are_linked(self) -> bool:
        """Whether all inputs that tell something stand for each other."""
        return not (self.loose or self.unlike or self.left)


def are_alike(candidate: FunctionCall, reference: FunctionCall) -> bool:
    """Whether two calls compute the same kind of thing, so that their inputs correspond."""
    ours, theirs = candidate.operation, reference.operation
    if candidate.function == reference.function and not candidate.is_layer:
        return True
    return ours == theirs or {ours, theirs} <= _PRODUCTS or {ours, theirs} <= _MASKS


def pair_inputs(
    graphs: Graphs, links: Links, candidate: FunctionCall, reference: FunctionCall
) -> PairedInputs:
    """Returns how the inputs of two calls correspond."""
    calls = {Side.CANDIDATE: candidate, Side.REFERENCE: reference}
    # Frameworks repeat small tensors to the size of the others, or need not.
    open_ = {side: [graphs[side].spread_from(one) for one in calls[side].inputs] for side in SIDES}
    if {candidate.operation, reference.operation} == _OPPOSITES:
        open_ = {side: [graphs[side].inverted_from(one) for one in open_[side]] for side in SIDES}
    telling = {side: [one for one in open_[side] if graphs[side].tells(one)] for side in SIDES}
    rest = {side: [one for one in open_[side] if one not in telling[side]] for side in SIDES}
    is_alike = are_alike(candidate, reference)

    def same_place(pair: TensorPair[int]) -> bool:
        ours, theirs = (graphs[side].tensors[pair.of(side)].spec.shape for side in SIDES)
        return links.likeness(pair) is Likeness.EQUAL or ours != theirs or not is_alike

    equal = list(_taken(telling, lambda pair: links.stand(pair) and same_place(pair)))
    loose = list(_taken(telling, lambda pair: links.likeness(pair) > Likeness.UNLIKE))
    unlike = list(_taken(telling, lambda pair: _signs(graphs, pair, with_maker=True)))
    unlike += _taken(telling, lambda pair: _signs(graphs, pair, with_maker=False))
    if is_alike and len(telling[Side.REFERENCE]) == len(telling[Side.CANDIDATE]):
        # Of other sizes, and so by their place among the arguments.
        unlike += _taken(telling, lambda pair: True)
    equal += _taken(rest, lambda pair: links.likeness(pair) is Likeness.EQUAL)
    plain = list(_taken(rest, lambda pair: _signs(graphs, pair, with_maker=False)))
    return PairedInputs(
        equal=tuple(equal),
        loose=tuple(loose),
        unlike=tuple(unlike),
        plain=tuple(plain) if len(plain) == 1 else (),
        left=tuple(number for side in SIDES for number in telling[side]),
    )


def _taken(open_: dict[Side, list[int]], fit: Callable[[TensorPair[int]], bool]) -> Iterator[TensorPair[int]]:
    """Yields pairs that fit, and takes them out of what is open, in the candidate's order."""
    for ours in list(open_[Side.CANDIDATE]):
        pairs = (TensorPair(reference=theirs, candidate=ours) for theirs in open_[Side.REFERENCE])
        found = _first(pairs, fit)
        if found is not None:
            for side in SIDES:
                open_[side].remove(found.of(side))
            yield found


def _first(
    pairs: Iterable[TensorPair[int]], fit: Callable[[TensorPair[int]], bool]
) -> Optional[TensorPair[int]]:
    return next(filter(fit, pairs), None)


def _signs(graphs: Graphs, pair: TensorPair[int], *, with_maker: bool) -> bool:
    """Whether two tensors may be meant to be the same: kind and size, and what made them if asked."""
    ours, theirs = (graphs[side].tensors[pair.of(side)] for side in SIDES)
    if ours.kind is not theirs.kind or elements(ours) != elements(theirs):
        return False
    return not with_maker or _operation(graphs, ours, Side.REFERENCE) == _operation(
        graphs, theirs, Side.CANDIDATE
    )


def _operation(graphs: Graphs, tensor: FunctionTensor, side: Side) -> str:
    maker = graphs[side].maker(tensor.number)
    return maker.operation if maker is not None else ""
