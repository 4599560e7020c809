"""A side's layers as a tree in execution order, with what alignment looks at in each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from padiff_rpc.types import CallEvent, Layer
from padiff_rpc.words import CallMoment, WeightKind
from padiff_server.kinds import Kind, Shape, canonical_kind, canonical_shape, is_bookkeeping, kind_of
from padiff_server.plan import SideTrace

# A layer that holds weights, as the layers of two frameworks can share it.
Signature = tuple[str, tuple[Shape, ...]]


@dataclass(eq=False)
class Node:
    """One place of a layer in the tree: a shared layer has a node for each of its paths.

    Attributes:
        path: of this place; `layer.path` is the layer's first.
        shapes: canonical shapes of the layer's own parameters (buffers where it has none).
        children: execution order within the parent once the tree is built.
        content: signatures of the layer and everything below it, by how often they occur.
        plain: kinds of layers without weights below it, likewise.
        calls: times called in the trace; None without a trace.
        output_shapes: of the first call; empty without a trace.
        look: equal for the nodes of one tree that differ in nothing but their paths.
    """

    path: str
    layer: Layer
    kind: Kind
    shapes: tuple[Shape, ...]
    parent: Optional[Node] = None
    children: list[Node] = field(default_factory=list)
    content: Counter[Signature] = field(default_factory=Counter)
    plain: Counter[str] = field(default_factory=Counter)
    calls: Optional[int] = None
    output_shapes: tuple[Shape, ...] = ()
    look: int = -1

    @property
    def type_name(self) -> str:
        """The canonical kind, or a user's own class name in lower case."""
        return self.kind.name or self.layer.class_name.lower()

    @property
    def size(self) -> int:
        """The number of layers with weights, itself among them."""
        return sum(self.content.values())

    def name_under(self, ancestor: Node) -> str:
        """Returns the path relative to `ancestor`."""
        return self.path[len(ancestor.path) :].lstrip(".") if ancestor.path else self.path

    def below(self) -> Iterator[Node]:
        """Yields this node and its descendants, parents first."""
        yield self
        for child in self.children:
            yield from child.below()


class LayerTree:
    """The nodes of one side, by path; `layers` in definition order; `root` is the model."""

    def __init__(self, trace: SideTrace) -> None:
        self.layers = trace.layers
        self.nodes: dict[str, Node] = {}
        self._order = _ExecutionOrder(trace.calls)
        definition = {path: layer for layer in trace.layers for path in (layer.path, *layer.aliases)}
        for path in sorted(definition, key=lambda path: path.count(".") if path else -1):
            self._add(path, definition[path])
        self.root = self.nodes[""]
        looks: dict[Hashable, int] = {}
        for node in reversed(list(self.root.below())):
            node.children = self.in_order(node, node.children)
            self._summarise(node)
            node.look = looks.setdefault(_features(node), len(looks))

    def in_order(self, ancestor: Node, nodes: Sequence[Node]) -> list[Node]:
        """Returns `nodes`, all below `ancestor`, by when each is first needed within it.

        What is never called stays behind the node it follows in `nodes`.
        """
        caller: Optional[Node] = ancestor
        while caller is not None and not caller.calls:
            caller = caller.parent
        if caller is None:
            return list(nodes)
        keys, key = [], -1
        for node in nodes:
            key = self._order.first(caller.layer.path, (inner.layer.path for inner in node.below()), key)
            keys.append(key)
        return [nodes[index] for index in sorted(range(len(nodes)), key=lambda index: keys[index])]

    def _add(self, path: str, layer: Layer) -> None:
        kind = kind_of(layer)
        parent_path = path
        parent = None
        while parent_path and parent is None:
            parent_path = parent_path.rpartition(".")[0]
            parent = self.nodes.get(parent_path)
        node = Node(path=path, layer=layer, kind=kind, shapes=_shapes(layer, kind), parent=parent)
        if self._order.traced:
            node.calls = self._order.calls[layer.path]
            node.output_shapes = self._order.output_shapes.get(layer.path, ())
        self.nodes[path] = node
        if parent is not None:
            parent.children.append(node)

    @staticmethod
    def _summarise(node: Node) -> None:
        if node.shapes:
            node.content[(node.type_name, node.shapes)] += 1
        elif not node.children:
            node.plain[node.type_name] += 1
        for child in node.children:
            node.content.update(child.content)
            node.plain.update(child.plain)


class _ExecutionOrder:
    """What the calls of one forward pass say about order."""

    def __init__(self, events: Iterable[CallEvent]) -> None:
        self.calls: Counter[str] = Counter()
        self.output_shapes: dict[str, tuple[Shape, ...]] = {}
        self._first: dict[tuple[str, str], int] = {}
        stack: list[str] = []
        for index, event in enumerate(event for event in events if not event.replay):
            if event.moment is CallMoment.ENTRY:
                self.calls[event.path] += 1
                for caller in stack:
                    self._first.setdefault((caller, event.path), index)
                stack.append(event.path)
                continue
            shapes = tuple(slot.spec.shape for slot in event.slots)
            self.output_shapes.setdefault(event.path, shapes)
            # A call that raised or was cut short has no exit event of its own.
            while stack and stack.pop() != event.path:
                pass

    @property
    def traced(self) -> bool:
        return bool(self.calls)

    def first(self, caller: str, paths: Iterable[str], default: int) -> int:
        """Returns the index of the first call of any of `paths` within `caller`'s calls."""
        found = [self._first[(caller, path)] for path in paths if (caller, path) in self._first]
        return min(found, default=default)


def _features(node: Node) -> Hashable:
    return (
        node.kind,
        node.layer.class_name,
        node.shapes,
        bool(node.children),
        frozenset(node.content.items()),
        frozenset(node.plain.items()),
        node.calls,
        node.output_shapes,
    )


def _shapes(layer: Layer, kind: Kind) -> tuple[Shape, ...]:
    own = [
        weight
        for weight in layer.weights
        # A weight that the layer's own parent holds as well (Paddle's LSTM and its cells) is the parent's.
        if not is_bookkeeping(weight) and not _is_above(weight.tied_to, layer.path)
    ]
    parameters = [weight for weight in own if canonical_kind(kind, weight) is WeightKind.PARAMETER]
    return tuple(canonical_shape(kind, weight) for weight in parameters or own)


def _is_above(owner: str, path: str) -> bool:
    layer = owner.rpartition(".")[0]
    return bool(owner) and layer != path and (not layer or path.startswith(f"{layer}."))
