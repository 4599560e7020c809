"""What the layers of a model keep in Python attributes, remembered so that it can be put back.

Lists of earlier outputs, counters, flags of a first call, caches in objects of the user's own classes, and
which tensor is a layer's buffer: `self.mean = 0.9 * self.mean` makes it another one. What a tensor among
them holds is not copied: one that is written in place stays as it is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from padiff_rpc.v1.words import WeightKind
from padiff_worker.adapter import FrameworkAdapter

# A container -> its content, and how that is put in place of what it holds by then.
_CONTAINERS: tuple[tuple[Any, Callable[[Any], list[Any]], Callable[[Any, list[Any]], Any]], ...] = (
    (dict, lambda held: list(held.items()), lambda held, items: held.update(items)),
    (list, list, lambda held, items: held.extend(items)),
    (deque, list, lambda held, items: held.extend(items)),
    (set, list, lambda held, items: held.update(items)),
)
_HOLDING = tuple(kind for kind, _, _ in _CONTAINERS)


class PythonState:
    """The attributes of a model's layers, and all that they lead to, at one moment."""

    def __init__(self, adapter: FrameworkAdapter, model: Any) -> None:
        self._adapter = adapter
        self._model = model
        self._structure = self._parts()
        self._known: set[int] = set()
        self._contents: list[tuple[Any, list[Any]]] = []
        self._not_theirs = frozenset(vars(adapter.reader.base()))
        layers = [one.layer for one in adapter.layers(model) if not (one.opaque or one.hidden)]
        self._attributes = [(layer, self._theirs(layer)) for layer in layers]
        for _, attributes in self._attributes:
            self._remember(attributes.values())
        self._remember(map(adapter.reader.buffers, layers))

    def put_back(self) -> None:
        """Makes it what it was; where layers or parameters were made since, leaves all as it is.

        What was made stays, and the model would make it again if it had forgotten that it did.
        """
        if self._parts() != self._structure:
            return
        for layer, before in self._attributes:
            now = self._theirs(layer)
            if not _same(list(now.items()), list(before.items())):
                for name in now:
                    del vars(layer)[name]
                vars(layer).update(before)
        for held, content in self._contents:
            read, write = _access(held)
            if not _same(read(held), content):
                held.clear()
                write(held, content)

    def _theirs(self, layer: Any) -> dict[str, Any]:
        """Returns the attributes of a layer without those that every layer of the framework has."""
        return {name: value for name, value in vars(layer).items() if name not in self._not_theirs}

    def _parts(self) -> list[tuple[int, list[str]]]:
        return [
            (id(one.layer), [weight.name for weight in one.weights if weight.kind is WeightKind.PARAMETER])
            for one in self._adapter.layers(self._model)
        ]

    def _remember(self, values: Iterable[Any]) -> None:
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if id(value) in self._known:
                continue
            self._known.add(id(value))
            held = value if isinstance(value, _HOLDING) else self._inside(value)
            if held is not None:
                content = _access(held)[0](held)
                self._contents.append((held, content))
                waiting.extend(held.values() if isinstance(held, dict) else content)
            elif isinstance(value, tuple):
                waiting.extend(value)

    def _inside(self, value: Any) -> Any:
        """Returns the attributes of an object of the user's; None for all else."""
        adapter = self._adapter
        package = type(value).__module__.partition(".")[0]
        if package == adapter.name or isinstance(value, ModuleType) or callable(value):
            return None
        if adapter.is_model(value) or adapter.is_tensor(value):
            return None
        return getattr(value, "__dict__", None)


def _access(held: Any) -> tuple[Callable[[Any], list[Any]], Callable[[Any, list[Any]], Any]]:
    return next((read, write) for kind, read, write in _CONTAINERS if isinstance(held, kind))


def _same(one: list[Any], other: list[Any]) -> bool:
    """Whether both hold the same objects; entries of a dict are pairs of them."""
    if len(one) != len(other):
        return False
    return all(
        a is b or (isinstance(a, tuple) and isinstance(b, tuple) and a[0] is b[0] and a[1] is b[1])
        for a, b in zip(one, other)
    )
