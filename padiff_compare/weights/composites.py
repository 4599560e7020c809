"""Layers that hold one thing in several ways: attention, recurrent layers, reparametrised weights.

A worker says what the weights of such a layer hold, in pieces that all frameworks have. A weight
may hold one piece (`q_proj.weight`) or several along its first axis (`in_proj_weight`: query, key,
value); from the pieces of both sides follows the layout rule, in either direction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Optional

from padiff_compare.alignment.kinds import is_composite
from padiff_compare.layout_rules import IDENTITY, STACK, TRANSPOSE, Rule, chain, part_of
from padiff_compare.weights.weight_pair import OwnedWeight, full_name
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer, Weight
from padiff_rpc.v1.words import WeightLayout

_QKV = ("q", "k", "v")


@record
class Held:
    """A weight below a composite layer.

    Attributes:
        owned: the weight.
        pieces: what it holds, in order along its first axis.
        in_out: whether it is stored [in, out], and not [out, in].
    """

    owned: OwnedWeight
    pieces: tuple[str, ...]
    in_out: bool = False


@record
class Combination:
    """The reference's weights that make up one weight of the candidate, and the rule that does it."""

    references: tuple[OwnedWeight, ...]
    candidate: OwnedWeight
    rule: Rule


def insides(layers: Sequence[Layer], units: Collection[str]) -> dict[str, list[Layer]]:
    """Returns, by the path of each composite layer and of `units`, the layer and all layers below it."""
    found: dict[str, list[Layer]] = {
        layer.path: [] for layer in layers if layer.path in units or is_composite(layer.kind)
    }
    for layer in layers:
        path: Optional[str] = layer.path
        while path is not None:
            if path in found:
                found[path].append(layer)
            path = path.rpartition(".")[0] if path else None
    return found


def held_below(top: Layer, inside: Sequence[Layer]) -> list[Held]:
    """Returns the weights of known pieces in a composite layer, each tensor once.

    `inside` is what `insides` has for it.
    """
    pieces_of = {held.name: held.pieces for held in top.held}
    found: dict[str, Held] = {}
    for layer in inside:
        relative = layer.path[len(top.path) :].lstrip(".")
        for weight in layer.weights:
            pieces = pieces_of.get(full_name(relative, weight.name))
            if pieces:
                owned = OwnedWeight(path=layer.path, weight=weight)
                in_out = weight.layout is WeightLayout.IN_OUT
                found.setdefault(owned.name, Held(owned=owned, pieces=pieces, in_out=in_out))
    return list(found.values())


def fused_below(inside: Sequence[Layer]) -> list[Held]:
    """Returns the projections among layers of a user's own block, where names tell query, key and value.

    Empty where two weights claim the same piece, since the block then holds more than one attention.
    """
    held = [
        Held(
            owned=OwnedWeight(path=layer.path, weight=weight), pieces=pieces, in_out=_is_in_out(layer, weight)
        )
        for layer in inside
        for weight in layer.weights
        for pieces in [_projection(layer.path.rpartition(".")[2], weight.name)]
        if pieces
    ]
    pieces = [piece for one in held for piece in one.pieces]
    return held if len(pieces) == len(set(pieces)) else []


def _is_in_out(layer: Layer, weight: Weight) -> bool:
    shape = weight.spec.shape
    if layer.kind:
        return weight.layout is WeightLayout.IN_OUT
    return len(shape) == 2 and shape[1] == len(_QKV) * shape[0]


def _projection(layer: str, weight: str) -> tuple[str, ...]:
    if weight not in ("weight", "bias"):
        return ()
    if re.fullmatch(r"(\w+_)?(qkv|query_key_value|in_proj|c_attn)(_\w+)?", layer):
        return tuple(f"{part}.{weight}" for part in _QKV)
    one = re.fullmatch(
        r"(to_|w_?|fc_|linear_)?(q|k|v|query|key|value)(_proj|_lin|_linear|_projection)?", layer
    )
    return (f"{one[2][0]}.{weight}",) if one is not None else ()


def combinations(reference: Sequence[Held], candidate: Sequence[Held]) -> Iterator[Combination]:
    """Yields, in the reference's order, each candidate weight all of whose pieces the reference has."""
    holders = {piece: held for held in reference for piece in held.pieces}
    order = {held.owned.name: position for position, held in enumerate(reference)}
    found = []
    for held in candidate:
        rule = _rule(held, holders)
        if rule is not None:
            sources = tuple(dict.fromkeys(holders[piece].owned for piece in held.pieces))
            found.append(Combination(references=sources, candidate=held.owned, rule=rule))
    return iter(sorted(found, key=lambda one: order[one.references[0].name]))


def _rule(wanted: Held, holders: Mapping[str, Held]) -> Optional[Rule]:
    """Returns the rule that makes `wanted`; None where the reference lacks a piece or mixes layouts."""
    if not all(piece in holders for piece in wanted.pieces):
        return None
    sources = [holders[piece] for piece in wanted.pieces]
    if all(source.pieces == wanted.pieces for source in sources):
        return IDENTITY if sources[0].in_out == wanted.in_out else TRANSPOSE
    if len(wanted.pieces) == 1:
        (source,) = sources
        taken = part_of(source.pieces.index(wanted.pieces[0]), len(source.pieces))
        return chain(_turn(source), taken, _turn(wanted))
    if all(len(source.pieces) == 1 for source in sources) and len({s.in_out for s in sources}) == 1:
        return chain(_turn(sources[0]), STACK, _turn(wanted))
    return None


def _turn(held: Held) -> Rule:
    return TRANSPOSE if held.in_out else IDENTITY
