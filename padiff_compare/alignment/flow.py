"""The flow of tensors between layers: whose result a layer works on, as far as the trace tells."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from padiff_compare.alignment.kinds import Shape
from padiff_compare.alignment.tree import LayerTree, Node
from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment

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

    def __init__(self, tree: LayerTree) -> None:
        self._tree = tree
        self._trace = tree.trace
        # Tensor -> first path of the layer with weights that it comes from; "" where that is not known.
        self._source: dict[int, str] = {}
        self._shapes: dict[str, Shape] = {}
        self.feeds: dict[str, tuple[str, ...]] = {}
        self.fed: defaultdict[str, list[str]] = defaultdict(list)
        self._follow()
        taken = {path: slot.tensor for path in self.feeds for slot in tree.nodes[path].inputs[:1]}
        takers = Counter(taken.values())
        self.fans = {path: takers[tensor] for path, tensor in taken.items()}

    def _follow(self) -> None:
        # The layer with weights whose call ended last, and when that was.
        latest, ended = "", -1
        for index, event in enumerate(self._trace.events):
            node = self._tree.nodes[event.path]
            if event.moment is CallMoment.ENTRY:
                self._enter(event, node)
                continue
            call = self._trace.calls.get((event.path, event.call))
            source = ""
            if node.shapes:
                source, latest, ended = event.path, event.path, index
                self._shapes.update((event.path, slot.spec.shape) for slot in event.slots[:1])
            elif call is not None and ended > call.entry.index:
                source = latest
            elif call is not None:
                source = next((self._source.get(slot.tensor, "") for slot in call.entry.event.slots), "")
            for slot in event.slots:
                is_kept = not node.children or self._shapes.get(source) == slot.spec.shape
                self._source.setdefault(slot.tensor, source if is_kept else "")

    def _enter(self, event: CallEvent, node: Node) -> None:
        for slot in event.slots:
            self._source.setdefault(slot.tensor, "")
        if node.shapes and event.path not in self.feeds:
            sources = dict.fromkeys(self._source[slot.tensor] for slot in event.slots)
            self.feeds[event.path] = tuple(source for source in sources if source)
            for source in self.feeds[event.path]:
                self.fed[source].append(event.path)

    def is_sequential(self, nodes: Sequence[Node]) -> bool:
        """Whether each layer may work on what the one before it made; True without a trace."""
        return all(self._may_follow(before, node) for before, node in zip(nodes, nodes[1:]))

    def is_independent(self, nodes: Iterable[Node]) -> bool:
        """Whether none of the layers works on what another of them made, so that any order would do."""
        group = [node for node in nodes if node.entered is not None]
        group.sort(key=lambda node: node.order)
        return bool(group) and not any(itertools.starmap(self._may_follow, itertools.combinations(group, 2)))

    def _may_follow(self, before: Node, node: Node) -> bool:
        if before.entered is None or before.left is None or node.entered is None:
            return True
        return any(
            self._may_descend(slot.tensor, before.entered, before.left)
            for slot in node.inputs
            if str(slot.spec.dtype) not in _INTEGERS
        )

    def _may_descend(self, tensor: int, entered: int, left: int) -> bool:
        """Whether a tensor may be made of what was made between two events, the entry and exit of a call.

        A layer makes its outputs of its inputs; the code of a layer that holds others, of all that this code
        has seen by then.
        """
        waiting, done = [tensor], {tensor}
        while waiting:
            first = self._trace.first(waiting.pop()).at
            maker = first.name if first.event.moment is CallMoment.EXIT else self._trace.parent(first.name)
            call = self._trace.calls.get(maker) if maker is not None else None
            if first.index <= entered or call is None:
                continue
            if first.index <= left or call.entry.index < entered:
                return True
            taken = {slot.tensor for slot in call.entry.event.slots} - done
            waiting += taken
            done |= taken
        return False
