"""Records, words of fixed lists, packed arguments and tuples: the values that this project passes around."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, FrozenInstanceError, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NewType, NoReturn, TypeVar, cast, overload

from padiff_rpc.names import Advice, arguments_checked, not_among

T = TypeVar("T")
# A nested argument, packed by `trees`; empty bytes mean "absent".
Tree = NewType("Tree", bytes)

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Returns `cls` as a frozen, keyword-only dataclass (Python 3.9 cannot enforce keyword-only).

    Its methods are compiled when one of them is first called: most records are made in one or two of a
    comparison's four processes, and compiling them took most of the time in which these import us.
    """
    made = dataclass(init=False, repr=False, eq=False, **_KEYWORDS_ONLY)(cls)
    for name in _METHODS:
        if name not in vars(made) or vars(made)[name] is None:  # a class with its own __eq__ hides its hash
            setattr(made, name, _compiling(made, name))
    setattr(made, "__setattr__", _refuse_assignment)  # noqa: B010
    setattr(made, "__delattr__", _refuse_deletion)  # noqa: B010
    return made


def fields_checked(called: str, advice: Advice = lambda name: "") -> Callable[[type[T]], type[T]]:
    """Makes a class check the arguments of its constructor as `arguments_checked` has it."""

    def decorate(cls: type[T]) -> type[T]:
        if hasattr(cls.__init__, _COMPILES):
            _compile(cls)
        setattr(cls, "__init__", arguments_checked(called, advice)(cls.__init__))  # noqa: B010
        return cls

    return decorate


_KEYWORDS_ONLY: dict[str, Any] = {"kw_only": True} if sys.version_info >= (3, 10) else {}
_METHODS = ("__repr__", "__eq__", "__hash__", "__init__")
_COMPILES = "_compiles_the_record"


def _compiling(cls: type, name: str) -> Callable[..., Any]:
    """Returns a method that compiles those of `cls` and does what the compiled one does."""

    def method(self: Any, *args: Any, **values: Any) -> Any:
        _compile(cls)
        return getattr(cls, name)(self, *args, **values)

    setattr(method, _COMPILES, True)
    return method


def _compile(cls: type) -> None:
    """Gives a record its methods. Threads may do so at once: what each sets is the same."""
    parts = [
        (one.name, one.type, field(default=one.default, default_factory=one.default_factory, **_shown(one)))
        for one in fields(cls)
    ]
    behind = {"__post_init__": None} if hasattr(cls, "__post_init__") else {}
    made = make_dataclass(cls.__name__, parts, namespace=behind, frozen=True, **_KEYWORDS_ONLY)
    for name in _METHODS:
        if hasattr(vars(cls)[name], _COMPILES):
            setattr(cls, name, vars(made)[name])


def _shown(one: Field[Any]) -> dict[str, Any]:
    return {"repr": one.repr, "hash": one.hash, "compare": one.compare}


def _refuse_assignment(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


class Word(str, enum.Enum):
    """A value from a fixed list; equal to, and printed as, its lower-case word."""

    # That of the word, which it is equal to; an Enum's own is computed in Python.
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return str(self.value)


W = TypeVar("W", bound=Word)


def word(kind: type[W], value: Any, *, field: str) -> W:
    """Returns `value` (a word or its text) as a `kind`; InvalidRequestError lists the allowed ones."""
    try:
        return kind(value)
    except ValueError:
        raise not_among(value, map(str, kind), field=field) from None


class PackedTuple(Sequence[T]):
    """A tuple of numbers, or of records of plain fields, unpacked at each use. Immutable.

    Equal to that tuple, and of its hash and text. Takes a fifth of its memory.
    """

    __slots__ = ("_content", "_kind", "_length")

    def __init__(self, items: Sequence[T]) -> None:
        """`items`: at least one, all of one kind."""
        import msgpack  # which those who want records alone do without

        first: Any = items[0]
        kind: Any = type(first) if is_dataclass(first) else None
        values = items if kind is None else [*map(_reader(kind), items)]
        self._content: bytes = msgpack.packb(values)
        self._kind, self._length = kind, len(items)

    def mappings(self) -> Iterator[dict[str, Any]]:
        """Yields of each record its fields' values by name."""
        names = _names(self._kind)
        return (dict(zip(names, one)) for one in self._values())

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._items()[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedTuple):
            return self._content == other._content or self._items() == other._items()
        return self._items() == other

    def __hash__(self) -> int:
        return hash(self._items())

    def __repr__(self) -> str:
        return repr(self._items())

    def _values(self) -> tuple[Any, ...]:
        """Returns the numbers; of each record its fields' values, in their order."""
        import msgpack

        return cast("tuple[Any, ...]", msgpack.unpackb(self._content, use_list=False))

    def _items(self) -> tuple[T, ...]:
        kind = self._kind
        return self._values() if kind is None else tuple(kind(**plain) for plain in self.mappings())


def packed(items: tuple[T, ...]) -> tuple[T, ...]:
    """Returns `items` packed, which reads as a tuple; nothing, and what is packed already, as it is."""
    if not items or isinstance(items, PackedTuple):
        return items
    return cast("tuple[T, ...]", PackedTuple(items))


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    return attrgetter(*_names(kind))
