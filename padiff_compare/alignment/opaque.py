"""Layers whose insides run unseen: compiled, exported or scripted. Each is compared as one unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from padiff_compare.alignment.layer_choice import Pin
from padiff_compare.alignment.plan import Plan
from padiff_compare.alignment.tree import LayerTree
from padiff_rpc.v1.records import Layer, Note
from padiff_rpc.v1.words import NoteKind, Side


def opaque_pairs(
    plan: Plan, reference: Sequence[Layer], candidate: Sequence[Layer]
) -> tuple[tuple[str, str], ...]:
    """Returns the paths of the pairs in `plan` one of whose layers is opaque, outermost first."""
    paths = [{layer.path for layer in layers if layer.opaque} for layers in (reference, candidate)]
    found = [
        (pair.reference, pair.candidate)
        for pair in plan.layers
        if pair.reference in paths[0] or pair.candidate in paths[1]
    ]
    return tuple(sorted(found, key=lambda pair: pair[0].count(".") if pair[0] else -1))


def with_units(
    pins: Sequence[Pin], units: Sequence[tuple[str, str]], reference: LayerTree, candidate: LayerTree
) -> list[Pin]:
    """Returns the pins, outermost first, with the pairs of `units` among them, closed."""
    named = [(pin.reference.layer.path, pin.candidate.layer.path) for pin in pins]
    closed = [
        Pin(reference=pin.reference, candidate=pin.candidate) if pair in units else pin
        for pin, pair in zip(pins, named)
    ]
    closed += [
        Pin(reference=reference.nodes[ours], candidate=candidate.nodes[theirs])
        for ours, theirs in units
        if (ours, theirs) not in named
    ]
    return sorted(closed, key=lambda pin: pin.reference.path.count(".") if pin.reference.path else -1)


def opaque_notes(layers: Mapping[Side, Sequence[Layer]]) -> Iterator[Note]:
    """Yields a note for each side with opaque layers, which names them."""
    for side, own in layers.items():
        found = tuple(layer.path for layer in own if layer.opaque)
        if found:
            yield Note(kind=NoteKind.OPAQUE, side=side, names=found)
