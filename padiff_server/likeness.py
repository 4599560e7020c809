"""How much two layers look like the same one, by kind, weight shapes and what they hold."""

from __future__ import annotations

import enum
from collections import Counter

from padiff_rpc.records import record
from padiff_server.tree import Node


class Level(enum.IntEnum):
    """From "cannot be the same" to "nothing speaks against it"."""

    # Called a different number of times without weights: pairing their calls would compare strangers.
    IMPOSSIBLE = 0
    # Only an equal name could pair them.
    UNLIKE = 1
    # Containers that share some of their content; equal names pair them.
    PARTIAL = 2
    # Equal kind, other weight shapes.
    SAME_KIND = 3
    # Equal kind and main weight (a bias may be missing), or a user's own class with equal shapes.
    CLOSE = 4
    EXACT = 5


@record
class Likeness:
    """`share` is the part of two containers' content that is equal, 0 to 1."""

    level: Level
    confidence: float = 0.0
    reason: str = ""
    share: float = 0.0


_IMPOSSIBLE = Likeness(level=Level.IMPOSSIBLE)


def likeness(reference: Node, candidate: Node) -> Likeness:
    """Returns how alike the two are, names left aside."""
    if not reference.content and not candidate.content:
        return _without_weights(reference, candidate)
    if not reference.content or not candidate.content:
        return _unlike(reference, candidate)
    if reference.children and candidate.children:
        return _containers(reference, candidate)
    if reference.kind.name and reference.kind.name == candidate.kind.name:
        return _same_kind(reference, candidate)
    if reference.children or candidate.children:
        return _unlike(reference, candidate)
    return _custom(reference, candidate)


def _without_weights(reference: Node, candidate: Node) -> Likeness:
    if reference.children and candidate.children:
        if reference.plain == candidate.plain:
            return Likeness(level=Level.EXACT, confidence=0.7)
        return Likeness(level=Level.PARTIAL, confidence=0.5, reason="they hold different layers")
    if reference.children or candidate.children:
        return _unlike(reference, candidate)
    traced = reference.calls is not None and candidate.calls is not None
    if traced and reference.calls != candidate.calls:
        return _IMPOSSIBLE
    if reference.type_name != candidate.type_name:
        return _unlike(reference, candidate)
    if traced and reference.output_shapes != candidate.output_shapes:
        return Likeness(level=Level.UNLIKE, confidence=0.5, reason="their outputs have different shapes")
    return Likeness(level=Level.EXACT, confidence=0.7)


def _containers(reference: Node, candidate: Node) -> Likeness:
    if reference.content == candidate.content:
        return Likeness(level=Level.EXACT, confidence=0.9, share=1.0)
    common = sum((reference.content & candidate.content).values())
    share = common / max(reference.size, candidate.size)
    # A composite of the frameworks (attention, recurrent layers) is one thing, whatever it is made of.
    if reference.kind.name and reference.kind.name == candidate.kind.name and not reference.kind.is_container:
        return Likeness(level=Level.CLOSE, confidence=0.6, reason="their weights are laid out differently")
    if share > 0:
        return Likeness(
            level=Level.PARTIAL, confidence=0.6, reason="they hold different layers or weights", share=share
        )
    return _unlike(reference, candidate)


def _same_kind(reference: Node, candidate: Node) -> Likeness:
    if reference.content == candidate.content:
        return Likeness(level=Level.EXACT, confidence=0.9)
    if reference.shapes and candidate.shapes and reference.shapes[0] == candidate.shapes[0]:
        return Likeness(level=Level.CLOSE, confidence=0.7, reason="only some of their weights agree in shape")
    return Likeness(level=Level.SAME_KIND, confidence=0.4, reason="their weights differ in shape")


def _custom(reference: Node, candidate: Node) -> Likeness:
    if reference.kind.name and candidate.kind.name:
        return _unlike(reference, candidate)
    if Counter(reference.shapes) != Counter(candidate.shapes):
        return _unlike(reference, candidate)
    if reference.type_name == candidate.type_name:
        return Likeness(level=Level.EXACT, confidence=0.9)
    return Likeness(
        level=Level.CLOSE, confidence=0.6, reason="their classes differ; only weight shapes agree"
    )


def _unlike(reference: Node, candidate: Node) -> Likeness:
    return Likeness(
        level=Level.UNLIKE,
        confidence=0.3,
        reason=f"a {reference.layer.class_name} against a {candidate.layer.class_name}",
    )
