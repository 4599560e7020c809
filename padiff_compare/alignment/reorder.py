"""Re-decides, by names and by what surrounds them, layers that look alike and merely run in another order.

The order of execution pairs query with key where one side computes the key first. Here every layer says
which of the like layers near its partner suits it best; where those wishes form a closed exchange, they
are granted.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Optional

from padiff_compare.alignment.anchors import doubted, weighted_match
from padiff_compare.alignment.evidence import Blocks, PairingEvidence
from padiff_compare.alignment.flow import Flow
from padiff_compare.alignment.likes import NEAR, Likes, Wish
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, PairedBy

_ROUNDS = 6


def reorder(
    pairing: Pairing,
    flows: tuple[Flow, Flow],
    left: Sequence[Node],
    right: Sequence[Node],
    blocks: Blocks,
) -> None:
    """Exchanges partners among layers of equal looks. `left`, `right`: those with weights, in order."""
    evidence = PairingEvidence(left, right, pairing.held_back, blocks)
    likes = Likes(pairing, evidence, flows)
    for _ in range(_ROUNDS):
        current = _current(pairing, evidence)
        wishes = {row: wish for row in current for wish in [likes.wish(pairing, row, current)] if wish}
        for exchange in _closed(wishes, current):
            moves = {row: (current[row], column) for row, column in exchange.items()}
            _exchange(pairing, flows, evidence, moves)
        _follow(pairing, flows, evidence)
        if _current(pairing, evidence) == current:
            break
    for row, column in _current(pairing, evidence).items():
        match = pairing.of(0, left[row])
        if match is None or match.reason is None:
            continue
        cause = match.reason.cause
        if (cause is Cause.DOUBTED and likes.is_clear(row, column)) or (
            cause is Cause.NAMES_AGAINST_ORDER and _follows(pairing, flows, left[row], right[column])
        ):
            pairing.remove(match)
            pairing.add(_told(weighted_match(left[row], right[column]), 0.7, Cause.BY_NAMES))
    for match in _by_order_alone(pairing, flows, evidence, likes):
        pairing.remove(match)
        pairing.add(doubted(match, Cause.ORDERS_DIFFER))


def _current(pairing: Pairing, evidence: PairingEvidence) -> dict[int, int]:
    """Returns the pairs of layers that look alike, by their places in the sequences."""
    columns = {node.layer.path: n for n, node in enumerate(evidence.sides[1])}
    found = {}
    for row, node in enumerate(evidence.sides[0]):
        match = pairing.of(0, node)
        column = columns.get(match.candidate.layer.path) if match is not None else None
        if match is None or column is None or match.how is PairedBy.PINNED:
            continue
        if evidence.look(0, row) == evidence.look(1, column):
            found[row] = column
    return found


def _by_order_alone(
    pairing: Pairing, flows: tuple[Flow, Flow], evidence: PairingEvidence, likes: Likes
) -> list[Match]:
    """Returns pairs of branches that the order of execution pairs in one way, that of definition in another.

    Nothing else tells them: neither names nor surroundings.
    """
    left, right = evidence.sides
    defined = tuple({layer.path: n for n, layer in enumerate(tree.layers)} for tree in pairing.trees)
    alike: defaultdict[Hashable, list[tuple[int, int, int, int]]] = defaultdict(list)
    for row, column in _current(pairing, evidence).items():
        places = defined[0][left[row].layer.path], defined[1][right[column].layer.path]
        alike[evidence.look(0, row)].append((*places, row, column))
    rows: set[int] = set()
    for one, other in itertools.chain.from_iterable(map(_crossing, alike.values())):
        nodes = (left[one[0]], left[other[0]]), (right[one[1]], right[other[1]])
        is_beside = all(flow.is_independent(pair) for flow, pair in zip(flows, nodes))
        if is_beside and not likes.is_clear(*one) and not likes.is_clear(*other):
            rows.update((one[0], other[0]))
    found = [pairing.of(0, left[row]) for row in sorted(rows)]
    return [match for match in found if match is not None and match.reference.path != match.candidate.path]


def _crossing(
    alike: Sequence[tuple[int, int, int, int]],
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yields pairs of layers near each other, as (row, column), that the two sides define in opposite orders.

    `alike`: places in both definitions, row and column of each.
    """
    ordered = sorted(alike)
    if all(one[1] < other[1] for one, other in zip(ordered, ordered[1:])):
        return
    for n, (_, place, *one) in enumerate(ordered):
        for _, another, *other in ordered[n + 1 : n + 1 + NEAR]:
            if another < place:
                yield (one[0], one[1]), (other[0], other[1])


def _closed(wishes: dict[int, Wish], current: dict[int, int]) -> list[dict[int, int]]:
    """Returns exchanges (row -> new column) in which everyone who gives a partner up gets another.

    The last one may take what is left without a wish of its own, if the others' wishes rest on words.
    """
    holders = {column: row for row, column in current.items()}
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for row, wish in wishes.items():
        wanted[wish.column].append(row)
    clear = {row: wish for row, wish in wishes.items() if len(wanted[wish.column]) == 1}
    done: set[int] = set()
    found = []
    # A chain begins with a row whose partner nobody wants; what is left over then is a cycle.
    for first in sorted(clear, key=lambda row: (len(wanted[current[row]]), row)):
        if first in done:
            continue
        chain = [first]
        while True:
            following = holders.get(clear[chain[-1]].column)
            if following is None or following == first or following not in clear or following in chain:
                break
            chain.append(following)
        done.update(chain)
        exchange = {row: clear[row].column for row in chain}
        is_worded = all(clear[row].is_worded for row in chain)
        if following == first or (following is None and is_worded):
            found.append(exchange)
        elif following is not None and following not in wishes and is_worded:
            found.append({**exchange, following: current[first]})
    return found


def _exchange(
    pairing: Pairing, flows: tuple[Flow, Flow], evidence: PairingEvidence, moves: dict[int, tuple[int, int]]
) -> None:
    left, right = evidence.sides
    references = [left[row] for row in moves]
    candidates = [right[old] for old, _ in moves.values()]
    is_traced = references[0].calls is not None
    sure = (
        not is_traced
        or flows[0].is_independent(references)
        or flows[1].is_independent(candidates)
        or all(_follows(pairing, flows, left[row], right[new]) for row, (_, new) in moves.items())
    )
    if sure or _contradicts(evidence, moves):
        _grant(pairing, evidence, moves, sure=sure)


def _grant(
    pairing: Pairing, evidence: PairingEvidence, moves: dict[int, tuple[int, int]], *, sure: bool
) -> None:
    left, right = evidence.sides
    for row, (old, _) in moves.items():
        match = pairing.of(0, left[row])
        if match is not None and match.candidate is right[old]:
            pairing.remove(match)
    for row, (_, new) in moves.items():
        match = weighted_match(left[row], right[new])
        pairing.add(
            _told(match, 0.7, Cause.OTHER_ORDER_BY_NAMES)
            if sure
            else doubted(match, Cause.NAMES_AGAINST_ORDER)
        )


def _follow(pairing: Pairing, flows: tuple[Flow, Flow], evidence: PairingEvidence) -> None:
    """Pairs what alone works on a layer's results with what alone works on its partner's.

    Of two branches with layers alike the first layers may pair rightly, and the others by their order.
    """
    current = _current(pairing, evidence)
    places = tuple({node.layer.path: n for n, node in enumerate(nodes)} for nodes in evidence.sides)

    def alone_behind(side: int, source: str, look: Hashable) -> Optional[int]:
        found = [places[side][path] for path in flows[side].fed.get(source, ()) if path in places[side]]
        alike = [place for place in found if evidence.look(side, place) == look]
        return alike[0] if len(alike) == 1 else None

    followed = {match.reference.layer.path: match.candidate.layer.path for match in pairing}
    for row, node in enumerate(evidence.sides[0]):
        sources = flows[0].feeds.get(node.layer.path, ())
        match = pairing.of(0, node)
        if row not in current or len(sources) != 1 or match is None or _is_contradicted(match):
            continue
        look, partner = evidence.look(0, row), followed.get(sources[0])
        if partner is not None and alone_behind(0, sources[0], look) == row:
            column = alone_behind(1, partner, look)
            if column is not None:
                followed[node.layer.path] = evidence.sides[1][column].layer.path
    wishes = {
        row: Wish(column=places[1][path], is_worded=False)
        for row, column in current.items()
        for path in [followed[evidence.sides[0][row].layer.path]]
        if places[1][path] != column
    }
    for exchange in _closed(wishes, current):
        moves = {row: (current[row], column) for row, column in exchange.items()}
        _grant(pairing, evidence, moves, sure=True)


def _follows(pairing: Pairing, flows: tuple[Flow, Flow], reference: Node, candidate: Node) -> bool:
    """Whether both work on the results of one pair."""
    sources = {
        pairing.partner(0, pairing.trees[0].nodes[path])
        for path in flows[0].feeds.get(reference.layer.path, ())
    }
    theirs = {pairing.trees[1].nodes[path] for path in flows[1].feeds.get(candidate.layer.path, ())}
    return bool(sources & theirs)


def _contradicts(evidence: PairingEvidence, moves: dict[int, tuple[int, int]]) -> bool:
    """Whether names speak loudly enough to be heard against layers that work on each other's results."""
    left, right = evidence.sides
    if all(left[row].path == right[new].path for row, (_, new) in moves.items()):
        return True
    gains = [evidence.likeness(row, [new, old]) for row, (old, new) in moves.items()]
    return sum(float(gain[0] - gain[1]) for gain in gains) > 0.2 * len(gains)


def _is_contradicted(match: Match) -> bool:
    return match.reason is not None and match.reason.cause is Cause.NAMES_AGAINST_ORDER


def _told(match: Match, confidence: float, cause: Cause) -> Match:
    return Match(
        reference=match.reference,
        candidate=match.candidate,
        how=match.how,
        confidence=max(confidence, 0.9) if match.reference.path == match.candidate.path else confidence,
        reason=Reason(cause=cause),
    )
