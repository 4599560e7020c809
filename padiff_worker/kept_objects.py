"""Objects that a model holds in plain attributes, remembered with what is in them and put back in place."""

from __future__ import annotations

import argparse
import enum
import functools
import operator
import os
import random
import sys
import types
from array import array
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Optional

import numpy as np

from padiff_worker.adapter import FrameworkAdapter, Restore

# What is in a longer container is put back as it stands there, and not looked into; nor is what lies beyond
# so many objects, those counted first that are nearest to the layers.
_LONGEST, _MOST_OBJECTS = 100_000, 300_000
# Classes of the standard library that hold what users put there.
_PLAIN = (types.SimpleNamespace, argparse.Namespace, UserDict, UserList)
# An object that holds something of these is shared with other threads, which may have it in use.
_OF_THREADS = frozenset(
    {"_thread", "threading", "queue", "_queue", "concurrent", "multiprocessing", "asyncio"}
)

# How to put an object back, and what it holds.
_Kept = tuple[Optional[Restore], Collection[Any]]
_Keeper = Callable[[Any], _Kept]


class KeptObjects:
    """What is in the attributes of layers and other objects, and in all that is reached from there.

    Each object is put back in place, so that whoever holds it sees it as it was: attributes, lists, sets,
    maps, arrays and generators. Code, closures, iterators, files and classes are left as they are, and so are
    objects of the standard library or of the framework other than its layers, tensors, optimizers, schedulers
    and generators.

    Attributes:
        tensors: those that were reached, each once; to put their values back is the caller's.
    """

    def __init__(self, adapter: FrameworkAdapter, roots: Iterable[Any]) -> None:
        self.tensors: list[Any] = []
        self._adapter = adapter
        self._restores: list[Restore] = []
        # By class; None where nothing in its objects can change.
        self._keepers: dict[type, Optional[_Keeper]] = {}
        # By identity, which holds as long as they are kept alive.
        self._seen: dict[int, Any] = {}
        self._waiting: deque[Any] = deque()
        self._reach(roots)
        while self._waiting:
            self._keep(self._waiting.popleft())

    def put_back(self) -> None:
        """Makes all that was reached what it was."""
        for restore in self._restores:
            restore()

    def _reach(self, values: Iterable[Any]) -> None:
        for value in values:
            if self._keeper(type(value)) is not None and id(value) not in self._seen:
                self._seen[id(value)] = value
                self._waiting.append(value)

    def _keep(self, value: Any) -> None:
        keeper = self._keeper(type(value))
        assert keeper is not None
        restore, held = keeper(value)
        if restore is not None:
            self._restores.append(restore)
        if len(held) <= _LONGEST and len(self._seen) < _MOST_OBJECTS:
            self._reach(held)

    def _keeper(self, cls: type) -> Optional[_Keeper]:
        if cls not in self._keepers:
            self._keepers[cls] = self._found_keeper(cls)
        return self._keepers[cls]

    def _found_keeper(self, cls: type) -> Optional[_Keeper]:
        adapter = self._adapter
        if issubclass(cls, adapter.reader.base):
            return self._layer
        if issubclass(cls, adapter.state_files.tensor):
            return self._tensor
        if issubclass(cls, (type, enum.Enum)):
            return None
        found = next((keeper for kind, keeper in _KEEPERS if issubclass(cls, kind)), None)
        if found is not None:
            return found if _is_standard(cls) else _of_users(found)
        if issubclass(cls, (*adapter.optimizer_reader.classes, *adapter.optimizer_reader.schedulers)):
            return _object
        if _root(cls) in (adapter.library.__name__, np.__name__):
            return _framework_generator if hasattr(cls, "set_state") else None
        return _object if issubclass(cls, _PLAIN) or not _is_standard(cls) else None

    def _tensor(self, tensor: Any) -> _Kept:
        if self._adapter.is_tensor(tensor):
            self.tensors.append(tensor)
        return None, ()

    def _layer(self, layer: Any) -> _Kept:
        """Keeps a layer's attributes, and what it has registered; modes are left alone.

        So are hooks, but for the objects whose methods they are.
        """
        reader, present = self._adapter.reader, vars(layer)
        restore, held = _attributes(present, left=reader.bookkeeping)
        stores = [present[name] for name in reader.stores if name in present]
        others = [present.get(name) for name in reader.bookkeeping if name not in reader.stores]
        hooks = [hook for one in others if isinstance(one, dict) for hook in one.values()]
        return restore, [*held, *stores, *hooks]


def _attributes(present: dict[str, Any], left: Collection[str] = ()) -> _Kept:
    kept = {name: value for name, value in present.items() if name not in left}

    def restore() -> None:
        for name in [name for name in present if name not in kept and name not in left]:
            del present[name]
        present.update(kept)

    return restore, kept.values()


def _object(value: Any) -> _Kept:
    """Keeps an object's attributes, those in slots too."""
    present = getattr(value, "__dict__", None)
    attributes = present if type(present) is dict else {}
    slots = {slot: slot.__get__(value) for slot in _slots(type(value)) if _has(value, slot)}
    held = [*attributes.values(), *slots.values()]
    if any(_root(type(one)) in _OF_THREADS for one in held):
        return None, ()
    restore_attributes, _ = _attributes(attributes)

    def restore() -> None:
        assert restore_attributes is not None
        restore_attributes()
        for slot in _slots(type(value)):
            if slot in slots:
                slot.__set__(value, slots[slot])
            elif _has(value, slot):
                slot.__delete__(value)

    return restore, held


def _slots(cls: type) -> tuple[Any, ...]:
    """Returns the descriptors of the attributes that objects of a class keep outside a dictionary."""
    bases = [vars(base) for base in cls.__mro__ if "__slots__" in vars(base) and not _is_standard(base)]
    return tuple(
        one for base in bases for one in base.values() if isinstance(one, types.MemberDescriptorType)
    )


def _has(value: Any, slot: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _of_users(keeper: _Keeper) -> _Keeper:
    """Returns what keeps objects of a user's class that is a container too."""

    def kept(value: Any) -> _Kept:
        restores, held = zip(*(one(value) for one in (keeper, _object)))

        def restore() -> None:
            for one in restores:
                if one is not None:
                    one()

        return restore, [*held[0], *held[1]]

    return kept


def _container(kept: list[Any], read: Callable[[], Iterable[Any]], write: Callable[[], None]) -> _Kept:
    """Keeps by reference what a container holds; it is written where it holds anything else by then."""

    def restore() -> None:
        now = list(read())
        if len(now) != len(kept) or not all(map(operator.is_, now, kept)):
            write()

    return restore, kept


def _list(value: list[Any]) -> _Kept:
    kept = list(value)
    return _container(kept, lambda: value, lambda: list.__setitem__(value, slice(None), kept))


def _map(value: dict[Any, Any]) -> _Kept:
    base = OrderedDict if isinstance(value, OrderedDict) else dict
    keys, values = list(base.keys(value)), list(base.values(value))

    def write() -> None:
        base.clear(value)
        base.update(value, zip(keys, values))

    return _container([*keys, *values], lambda: [*base.keys(value), *base.values(value)], write)


def _set(value: set[Any]) -> _Kept:
    kept = list(value)

    def write() -> None:
        value.clear()
        value.update(kept)

    return _container(kept, lambda: value, write)


def _deque(value: deque[Any]) -> _Kept:
    kept = list(value)

    def write() -> None:
        value.clear()
        value.extend(kept)

    return _container(kept, lambda: value, write)


def _buffer(value: Any) -> _Kept:
    kept = value[:]

    def restore() -> None:
        value[:] = kept

    return restore, ()


def _array(value: np.ndarray[Any, Any]) -> _Kept:
    """Keeps an array's elements; what is read-only is left alone, and so is a file's memory."""
    if not value.flags.writeable or isinstance(value, np.memmap):
        return None, ()
    kept = value.copy()

    def restore() -> None:
        if value.shape == kept.shape and value.flags.writeable:
            value[...] = kept

    return restore, kept.ravel().tolist() if value.dtype.hasobject else ()


def _random(value: random.Random) -> _Kept:
    if isinstance(value, random.SystemRandom):
        return None, ()
    state = value.getstate()
    return lambda: value.setstate(state), ()


def _bit_generator(value: Any) -> _Kept:
    state = value.state

    def restore() -> None:
        value.state = state

    return restore, ()


def _framework_generator(value: Any) -> _Kept:
    state = value.get_state()
    return lambda: value.set_state(state), ()


_KEEPERS: tuple[tuple[Any, _Keeper], ...] = (
    (list, _list),
    (dict, _map),
    (set, _set),
    (deque, _deque),
    ((bytearray, array), _buffer),
    ((tuple, frozenset), lambda value: (None, value)),
    (types.MethodType, lambda value: (None, (value.__self__,))),
    (functools.partial, lambda value: (None, (value.func, *value.args, *value.keywords.values()))),
    (np.ndarray, _array),
    (random.Random, _random),
    (np.random.Generator, lambda value: (None, (value.bit_generator,))),
    (np.random.BitGenerator, _bit_generator),
)


def _is_standard(cls: type) -> bool:
    """Whether a class is Python's own."""
    return _is_pythons(_root(cls))


@functools.cache
def _is_pythons(root: str) -> bool:
    """Whether a top-level module is of the standard library."""
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    library = os.path.dirname(os.__file__)
    is_below = os.path.commonpath([library, file]) == library if os.path.isabs(file) else False
    first = os.path.relpath(file, library).partition(os.sep)[0] if is_below else ""
    return root in sys.builtin_module_names or (is_below and not first.endswith("-packages"))


def _root(cls: type) -> str:
    return str(cls.__module__).partition(".")[0]
