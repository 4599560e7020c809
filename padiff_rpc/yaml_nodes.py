"""YAML with line numbers: readers that say where in the file something is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import yaml

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import Advice, known_names, shown

T = TypeVar("T")
_WORD = re.compile(r"\w+")


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, which YAML 1.1 does not."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


class Entry:
    """One value of a file, where it stands, and what it is called there ("reference.kwargs")."""

    def __init__(self, loader: _Loader, file: str, node: yaml.Node, name: str) -> None:
        self._loader = loader
        self._file = file
        self._node = node
        self.name = name

    def error(self, text: str) -> InvalidRequestError:
        """Returns an error that points at this value's line."""
        line = self._node.start_mark.line + 1
        name = f"{self.name}: " if self.name else ""
        return InvalidRequestError(f"{self._file}:{line}: {name}{text}", file=self._file)

    @contextmanager
    def pointing(self, prefix: str = "value") -> Iterator[None]:
        """Makes InvalidRequestErrors raised inside point here.

        An error whose field is `prefix` is one of this value; of `prefix`, a dot and one of this mapping's
        keys, it is one of that key, and points at its line.
        """
        try:
            yield
        except InvalidRequestError as error:
            if self._holds(error):
                raise
            if error.field == prefix:
                raise self.error(error.problem) from None
            if error.field.startswith(f"{prefix}."):
                raise self._named(error.field[len(prefix) + 1 :]).error(error.problem) from None
            raise self.error(str(error)) from None

    def located(self, error: InvalidRequestError, aliases: Mapping[str, str]) -> InvalidRequestError:
        """Returns `error` as one that points into this mapping, if its field is a place there.

        The field's first key may be one of `aliases` for the key that it stands for.
        """
        first = _WORD.match(error.field)
        key = aliases.get(first[0], first[0]) if first is not None else ""
        if self._holds(error) or key not in self.entries():
            return error
        return self._named(key + error.field.removeprefix(first[0] if first else "")).error(error.problem)

    def _holds(self, error: InvalidRequestError) -> bool:
        """Whether an error points into this file already."""
        return error.context.get("file") == self._file

    def _named(self, field: str) -> Entry:
        """Returns the innermost value on the way to `field` ("kwargs['a']"), under the whole of that name."""
        entry = self
        for key in _WORD.findall(field.partition("[")[0]):
            known = entry.entries() if entry.is_mapping else {}
            if key not in known:
                break
            entry = known[key]
        name = f"{self.name}.{field}" if self.name else field
        return Entry(self._loader, self._file, entry._node, name)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, yaml.SequenceNode)

    def entries(self) -> dict[str, Entry]:
        """Returns a mapping's values by key, merged ones (<<) included; its own override these.

        Raises InvalidRequestError for odd keys.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.error(f"{shown(self.value())} is not allowed; allowed: a mapping (key: value)")
        try:
            # Puts what is merged in front, so the last of one name is the mapping's own.
            self._loader.flatten_mapping(self._node)
        except yaml.YAMLError as error:
            raise self.error(_problem(error)) from None
        found: dict[str, Entry] = {}
        for key_node, value_node in self._node.value:
            key = self._loader.construct_object(key_node, deep=True)
            name = f"{self.name}.{key}" if self.name else str(key)
            if not isinstance(key, str):
                raise Entry(self._loader, self._file, key_node, name).error(
                    f"the key {key!r} is not a text; put it in quotes"
                )
            found[key] = Entry(self._loader, self._file, value_node, name)
        return found

    def check_repeated_keys(self) -> None:
        """Raises InvalidRequestError for a key given twice in one mapping, here or anywhere inside.

        For the document as written: once merged, an overridden key looks the same.
        """
        seen: set[int] = set()  # an alias is its anchor's node again, perhaps inside itself
        waiting = [self]
        while waiting:
            entry = waiting.pop()
            if id(entry._node) in seen:
                continue
            seen.add(id(entry._node))
            if entry.is_list:
                waiting.extend(reversed(entry.items()))
            elif isinstance(entry._node, yaml.MappingNode):
                waiting.extend(reversed(entry._written(entry._node)))

    def _written(self, mapping: yaml.MappingNode) -> list[Entry]:
        """Returns the values of a mapping that nothing was merged into yet."""
        keys: set[tuple[str, str]] = set()
        values = []
        for key_node, value_node in mapping.value:
            name = f"{self.name}.{key_node.value}" if self.name else str(key_node.value)
            key = (key_node.tag, str(key_node.value))
            if key in keys:
                raise Entry(self._loader, self._file, key_node, name).error("given twice")
            keys.add(key)
            values.append(Entry(self._loader, self._file, value_node, name))
        return values

    def items(self) -> list[Entry]:
        """Returns a list's values."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error(f"{shown(self.value())} is not allowed; allowed: a list, as [a, b]")
        return [
            Entry(self._loader, self._file, node, f"{self.name}[{i}]")
            for i, node in enumerate(self._node.value)
        ]

    def known(self, *allowed: str, advice: Advice = lambda key: "", kind: str = "key") -> dict[str, Entry]:
        """Returns a mapping's values by key; another key than `allowed` is an InvalidRequestError.

        `advice` returns where a key belongs that is none of them, or an empty text.
        """
        if not self.is_mapping:
            given, keys = shown(self.value()), ", ".join(allowed)
            raise self.error(f"{given} is not allowed; allowed: a mapping (key: value) of {keys}")
        found = self.entries()
        for key, entry in found.items():
            if key not in allowed:
                raise entry.error(advice(key) or f"unknown {kind}; {known_names(key, allowed)}")
        return found

    def value(self) -> Any:
        """Returns the value as plain Python. Raises InvalidRequestError."""
        try:
            return self._loader.construct_object(self._node, deep=True)
        except yaml.YAMLError as error:
            raise self.error(_problem(error)) from None

    def of_type(self, kind: type[T], said: str) -> T:
        """Returns the value if it is a `kind`, which `said` calls by name in the error."""
        value = self.value()
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(f"{shown(value)} is not allowed; allowed: {said}")
        return value

    def as_written(self) -> Any:
        """Returns the value, but `off`, which YAML reads as false, and its like as words."""
        value = self.value()
        return self._node.value if isinstance(value, bool) else value

    def text(self) -> str:
        """Returns a text."""
        return self.of_type(str, "a text")

    def texts(self) -> tuple[str, ...]:
        """Returns a list of texts; one text stands for a list of one."""
        return tuple(item.text() for item in self.items()) if self.is_list else (self.text(),)

    def read(self, reader: Callable[[Entry], T]) -> T:
        """Returns what `reader` makes of this, its errors pointing here."""
        with self.pointing():
            return reader(self)


def load(content: str, file: str) -> Entry:
    """Returns the mapping at the top of a YAML document. Raises InvalidRequestError with its line."""
    loader = _Loader(content)
    try:
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise InvalidRequestError(f"{file}:{line}: {_problem(error)}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InvalidRequestError(f"{file}:1: not allowed; allowed: a mapping (key: value)")
    top = Entry(loader, file, node, "")
    top.check_repeated_keys()
    return top


def _problem(error: yaml.YAMLError) -> str:
    text = getattr(error, "problem", None) or str(error)
    return f"not valid YAML: {' '.join(str(text).split())}"
