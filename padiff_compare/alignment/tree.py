"""A side's layers as a tree in execution order, with what alignment looks at in each of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Optional

from padiff_compare.alignment.kinds import Shape, canonical_shape, is_bookkeeping, is_composite
from padiff_compare.alignment.path_words import path_numbers, path_words
from padiff_compare.alignment.plan import SideTrace
from padiff_rpc.v1.records import Layer, Slot
from padiff_rpc.v1.words import CallMoment, WeightKind

# Later than any event of a trace.
_BEHIND = 2**62


@dataclass(eq=False)
class Node:
    """One place of a layer in the tree: a shared layer has a node for each of its paths.

    Attributes:
        path: of this place; `layer.path` is the layer's first.
        shapes: canonical shapes of the layer's own parameters (buffers where it has none).
        children: definition order.
        calls: times called in the trace; None where the trace does not tell: there is none, or it was cut
            short before the first call.
        inputs, outputs: tensors of the first call; empty without a trace.
        entered, left: when the first call began and ended, in events; None where the trace shows neither.
        is_cut: whether the trace was cut short, so that more calls may have followed.
        order: sorts layers by when they are first needed.
    """

    path: str
    layer: Layer
    shapes: tuple[Shape, ...]
    parent: Optional[Node] = None
    children: list[Node] = field(default_factory=list)
    calls: Optional[int] = None
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Slot, ...] = ()
    entered: Optional[int] = None
    left: Optional[int] = None
    is_cut: bool = False
    order: tuple[int, int] = (0, 0)

    @property
    def type_name(self) -> str:
        """The canonical kind, or a user's own class name in lower case."""
        return self.kind or self.layer.class_name.lower()

    @property
    def kind(self) -> str:
        """The layer's kind; empty for a user's own class."""
        return self.layer.kind

    @property
    def is_part(self) -> bool:
        """Whether it computes something itself, and so takes part in the sequence that is aligned."""
        return bool(self.shapes) or not self.children

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of its path; see `path_words`."""
        return path_words(self.path)

    @cached_property
    def numbers(self) -> tuple[tuple[str, int], ...]:
        """The numbers in its path; see `path_numbers`."""
        return path_numbers(self.path)

    @cached_property
    def main_shape(self) -> Shape:
        """The shape of its largest weight."""
        return max(self.shapes, key=math.prod, default=())

    @cached_property
    def signature(self) -> Hashable:
        """What the same layer has on the other side too: its shapes, or a composite's whole size."""
        if is_composite(self.kind):
            return sum(node.elements for node in self.below())
        return tuple(sorted(self.shapes))

    @property
    def elements(self) -> int:
        """How many numbers its own parameters of two and more dimensions hold."""
        return sum(math.prod(shape) for shape in self.shapes if len(shape) > 1)

    @property
    def is_called(self) -> bool:
        """Whether the trace shows a call; where it does not tell, every layer counts as called."""
        return self.calls is None or self.calls > 0

    @property
    def has_returned(self) -> bool:
        """Whether what it returns is known, be it nothing; a call that was cut short returned nothing yet."""
        return self.left is not None or not self.is_cut

    def may_be_called_as_often(self, other: Node) -> bool:
        """Whether both are called equally often, as far as the traces tell."""
        if self.calls is None or other.calls is None or self.calls == other.calls:
            return True
        fewer = self if self.calls < other.calls else other
        return fewer.is_cut

    @property
    def root(self) -> Node:
        """The model that it belongs to."""
        node = self
        while node.parent is not None:
            node = node.parent
        return node

    def below(self) -> Iterator[Node]:
        """Yields this node and its descendants, parents first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def ancestors(self) -> Iterator[Node]:
        """Yields the layers around this one, innermost first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


class LayerTree:
    """The nodes of one side.

    Attributes:
        layers: definition order.
        nodes: by path, in definition order; a shared layer under each of its paths.
        root: the model.
        trace: what was called, in which order; empty where nobody knows.
        is_traced: whether there is a trace.
        is_cut: whether it ends where the model raised.
    """

    def __init__(self, side: SideTrace) -> None:
        self.layers = side.layers
        self.trace = side.trace
        self.nodes: dict[str, Node] = {}
        self.is_traced = bool(self.trace.calls)
        self.is_cut = side.is_cut and self.is_traced
        definition = {path: layer for layer in side.layers for path in (layer.path, *layer.aliases)}
        for path in sorted(definition, key=lambda path: path.count(".") if path else -1):
            self._add(path, definition[path])
        self.root = self.nodes[""]
        for position, node in enumerate(self.root.below()):
            node.order = (self._needed(node), position)

    def node(self, layer: Layer) -> Node:
        """Returns the first place of a layer."""
        return self.nodes[layer.path]

    def first(self, node: Node) -> Node:
        """Returns the first place of the node's layer."""
        return self.nodes[node.layer.path]

    def uses(self, tensor: int) -> tuple[tuple[str, CallMoment], ...]:
        """Returns (path, moment) of each layer that takes or returns the tensor."""
        events = (shown.at.event for shown in self.trace.shown(tensor))
        return tuple(dict.fromkeys((event.path, event.moment) for event in events))

    def parts(self) -> list[Node]:
        """Returns the first places of all layers that compute something, by when they are needed."""
        firsts = (self.nodes[layer.path] for layer in self.layers)
        return sorted((node for node in firsts if node.is_part), key=lambda node: node.order)

    def _add(self, path: str, layer: Layer) -> None:
        parent_path, parent = path, None
        while parent_path and parent is None:
            parent_path = parent_path.rpartition(".")[0]
            parent = self.nodes.get(parent_path)
        node = Node(path=path, layer=layer, shapes=_shapes(layer), parent=parent)
        if self.is_traced:
            self._note_calls(node)
        self.nodes[path] = node
        if parent is not None:
            parent.children.append(node)

    def _note_calls(self, node: Node) -> None:
        calls, exits = self.trace.of_layer(node.layer.path), self.trace.exits(node.layer.path)
        node.is_cut = self.is_cut
        node.calls = len(calls) or (None if self.is_cut else 0)
        for first in calls[:1]:
            node.entered, node.inputs = first.entry.index, first.entry.event.slots
        for end in exits[:1]:
            node.left, node.outputs = end.index, end.event.slots

    def _needed(self, node: Node) -> int:
        """Returns when a layer is first needed: called, or its innermost caller is.

        What a trace that was cut short does not show comes behind all that it does, as defined.
        """
        if node.entered is not None:
            return node.entered
        if self.is_cut:
            return _BEHIND
        return next((around.entered for around in node.ancestors() if around.entered is not None), 0)


def _shapes(layer: Layer) -> tuple[Shape, ...]:
    own = [
        weight
        for weight in layer.weights
        # What the parent holds as well is the parent's: a recurrent layer's weights, and not its cells'.
        if not is_bookkeeping(weight) and not _is_above(weight.tied_to, layer.path)
    ]
    parameters = [weight for weight in own if weight.kind is WeightKind.PARAMETER]
    return tuple(canonical_shape(layer.kind, weight) for weight in parameters or own)


def _is_above(owner: str, path: str) -> bool:
    layer = owner.rpartition(".")[0]
    return bool(owner) and layer != path and (not layer or path.startswith(f"{layer}."))
