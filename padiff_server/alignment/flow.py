"""The flow of tensors between layers: whose result a layer works on, as far as the trace tells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment
from padiff_server.alignment.kinds import Shape
from padiff_server.alignment.tree import LayerTree, Node

_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")


class Flow:
    """Tensors of one forward pass, followed from layer with weights to layer with weights.

    A tensor made by functions between two calls has no known source, unless a layer returns it: then it
    comes from the last layer with weights inside that one, if that one's result has its shape.

    Attributes:
        feeds: of each layer with weights, by first paths: those whose results its first call takes.
        fed: the other way round.
        fans: how many such layers take the same first tensor.
    """

    def __init__(self, tree: LayerTree, events: Iterable[CallEvent]) -> None:
        self._tree = tree
        self._seen: dict[int, int] = {}
        # Tensor -> first path of the layer with weights that it comes from; "" where that is not known.
        self._source: dict[int, str] = {}
        self._shapes: dict[str, Shape] = {}
        self.feeds: dict[str, tuple[str, ...]] = {}
        self._taken: dict[str, int] = {}
        self.fed: defaultdict[str, list[str]] = defaultdict(list)
        self._follow(events)
        takers = Counter(self._taken.values())
        self.fans = {path: takers[tensor] for path, tensor in self._taken.items()}

    def _follow(self, events: Iterable[CallEvent]) -> None:
        stack: list[tuple[str, int, str]] = []
        latest, ended = "", -1
        for index, event in enumerate(event for event in events if not event.replay):
            node = self._tree.nodes[event.path]
            if event.moment is CallMoment.ENTRY:
                for slot in event.slots:
                    self._seen.setdefault(slot.tensor, index)
                    self._source.setdefault(slot.tensor, "")
                first = self._source[event.slots[0].tensor] if event.slots else ""
                stack.append((event.path, index, first))
                if node.shapes and event.path not in self.feeds:
                    self._taken.update((event.path, slot.tensor) for slot in event.slots[:1])
                    sources = dict.fromkeys(self._source[slot.tensor] for slot in event.slots)
                    self.feeds[event.path] = tuple(source for source in sources if source)
                    for source in self.feeds[event.path]:
                        self.fed[source].append(event.path)
                continue
            began, source = index, ""
            # A call that was cut short has no exit event of its own.
            while stack:
                path, began, source = stack.pop()
                if path == event.path:
                    break
            if node.shapes:
                source, latest, ended = event.path, event.path, index
                self._shapes.update((event.path, slot.spec.shape) for slot in event.slots[:1])
            elif ended > began:
                source = latest
            for slot in event.slots:
                is_kept = not node.children or self._shapes.get(source) == slot.spec.shape
                self._seen.setdefault(slot.tensor, index)
                self._source.setdefault(slot.tensor, source if is_kept else "")

    def is_sequential(self, nodes: Sequence[Node]) -> bool:
        """Whether each layer works on what was made after the one before it; True without a trace."""
        return all(
            before.left is None
            or any(self._seen[slot.tensor] >= before.left for slot in node.inputs)
            or node.entered is None
            for before, node in zip(nodes, nodes[1:])
        )

    def is_independent(self, nodes: Iterable[Node]) -> bool:
        """Whether none of the layers works on what another of them made, so that any order would do."""
        group = [node for node in nodes if node.entered is not None]
        first = min((node.left for node in group if node.left is not None), default=0)
        return bool(group) and all(
            self._seen[slot.tensor] < first or str(slot.spec.dtype) in _INTEGERS
            for node in group
            for slot in node.inputs
        )
