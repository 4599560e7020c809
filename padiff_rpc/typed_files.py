"""Typed files: a mapping of a YAML file becomes the record whose fields are its keys.

cattrs takes the record apart and asks for each value by the type of its field. It is given entries in
place of plain values, so that whatever is refused points at its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NewType, TypeVar, get_args, get_origin

from padiff_rpc.names import Advice
from padiff_rpc.yaml_nodes import Entry

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")
Kinds = Mapping[Any, Callable[[Entry], Any]]

# The default of a field whose key must be there.
REQUIRED: Any = object()
# Types of fields, beside those of Python. A path is made absolute, a count is at least 1.
FilePath = NewType("FilePath", str)
Count = NewType("Count", int)
_KINDS: Kinds = {
    Entry: lambda entry: entry,
    bool: Entry.flag,
    Count: Entry.count,
    FilePath: Entry.path,
}


class Reader:
    """Reads the records of one kind of file."""

    def __init__(self, kinds: Kinds, advice: Mapping[type, Advice] = {}) -> None:
        """`kinds`: how values of other types are read. `advice`: where a key belongs that a record lacks.

        What a kind or a record refuses is an InvalidRequestError whose field is "value", or the record's
        class with a dot and a key of it.
        """
        self._kinds = {**_KINDS, **kinds}
        self._advice = advice

    def read(self, entry: Entry, cls: type[T]) -> T:
        """Returns `entry` as a record. Raises InvalidRequestError with the line of what is wrong."""
        return self._converter.structure(entry, cls)

    @cached_property
    def _converter(self) -> Converter:
        # At the first file: a client that reads none would be slower to start by a fourth.
        from cattrs import Converter

        converter = Converter(detailed_validation=False)  # the first error is told, as it was raised
        converter.register_structure_hook(str, _text)
        converter.register_structure_hook_func(lambda kind: kind is Any, lambda entry, _: entry.value())
        converter.register_structure_hook_factory(_is_texts, self._texts)
        converter.register_structure_hook_factory(is_dataclass, self._by_keys)
        for kind, read in self._kinds.items():
            converter.register_structure_hook(kind, _pointing(read))
        return converter

    def _texts(self, cls: Any) -> Callable[[Entry, Any], Any]:
        """Returns the function that reads a list of texts; one text stands for a list of one."""
        kind = get_args(cls)[0]
        return lambda entry, _: tuple(self.read(one, kind) for one in entry.one_or_more())

    def _by_keys(self, cls: Any) -> Callable[[Entry, Any], Any]:
        """Returns the function that reads a record key by key."""
        from cattrs.gen import make_dict_structure_fn

        structured = make_dict_structure_fn(cls, self._converter, _cattrs_detailed_validation=False)
        defaults = {field.name: field.default for field in fields(cls)}

        def read(entry: Entry, _: Any) -> Any:
            found = entry.known(*defaults, advice=self._advice.get(cls, lambda key: ""))
            for name, default in defaults.items():
                if default is REQUIRED and name not in found:
                    raise entry.error(f"the key {name!r} is missing")
            with entry.pointing(cls.__name__):
                return structured(found, cls)

        return read


def _is_texts(kind: Any) -> bool:
    return get_origin(kind) is tuple and not is_dataclass(get_args(kind)[0])


def _text(given: Any, _: Any) -> str:
    # The keys of a mapping come as they are.
    return given if isinstance(given, str) else str(given.text())


def _pointing(read: Callable[[Entry], Any]) -> Callable[[Entry, Any], Any]:
    return lambda entry, _: entry.read(read)
