"""YAML with line numbers: readers that say where in the file something is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import yaml

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import Advice, known_names, reason, shown
from padiff_rpc.paths import UNREADABLE, checked_path

T = TypeVar("T")

# Values that a file may stand for, each alias (`*name`) as all that it repeats. A layer map of a large model
# has some ten thousand; a few lines of aliases of aliases stand for billions.
MOST_VALUES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, which YAML 1.1 does not, and refuses a key that is given twice."""

    def __init__(self, content: str, file: str) -> None:
        super().__init__(content)
        self._file = file
        self._names = [""]  # of the values that are being read, outermost first
        self._counts: dict[yaml.Node, int] = {}  # of the values that each holds, itself among them

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Reads a value; `index` is its key's node, its place in a list, or None."""
        name = self._names[-1]
        if isinstance(index, yaml.Node):
            name = _inside(name, index.value)
            if any((key.tag, key.value) == (index.tag, index.value) for key, _ in parent.value):
                raise Entry(self, self._file, index, name).error("given twice")
        elif index is not None:
            name = f"{name}[{index}]"
        self._names.append(name)
        try:
            is_alias = self.check_event(yaml.AliasEvent)
            node = super().compose_node(parent, index)
            if node is not None:
                self._count(node, is_alias=is_alias, name=name)
            return node
        finally:
            self._names.pop()

    def _count(self, node: yaml.Node, *, is_alias: bool, name: str) -> None:
        if is_alias and node not in self._counts:
            raise Entry(self, self._file, node, name).error("holds an alias of itself; write it out")
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        held = [one for each in inside for one in (each if isinstance(each, tuple) else (each,))]
        count = self._counts[node] = 1 + sum(self._counts[one] for one in held)
        if count > MOST_VALUES:
            raise Entry(self, self._file, node, name).error(
                f"with its aliases (*name) written out it has over {MOST_VALUES} values; write less"
            )


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
            outer, _, inner = error.field.partition(".")
            if outer != prefix:
                raise self.error(str(error)) from None
            raise (self._named(inner) if inner else self).error(error.problem) from None

    def located(self, error: InvalidRequestError, aliases: Mapping[str, str]) -> InvalidRequestError:
        """Returns `error` as one that points into this mapping, if its field is a place there.

        The field's first key may be one of `aliases` for the key that it stands for.
        """
        first = _keys(error.field)[0]
        key = aliases.get(first, first)
        if self._holds(error) or key not in self.entries():
            return error
        return self._named(key + error.field[len(first) :]).error(error.problem)

    def _holds(self, error: InvalidRequestError) -> bool:
        """Whether an error points into this file already."""
        return error.context.get("file") == self._file

    def _named(self, field: str) -> Entry:
        """Returns the innermost value on the way to `field` ("kwargs['a']"), under the whole of that name."""
        entry = self
        for key in _keys(field):
            known = entry.entries() if entry.is_mapping else {}
            if key not in known:
                break
            entry = known[key]
        return Entry(self._loader, self._file, entry._node, _inside(self.name, field))

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
            name = _inside(self.name, key)
            if not isinstance(key, str):
                raise Entry(self._loader, self._file, key_node, name).error(
                    f"the key {key!r} is not a text; put it in quotes"
                )
            found[key] = Entry(self._loader, self._file, value_node, name)
        return found

    def __iter__(self) -> Iterator[Entry]:
        """Yields a list's values. Raises InvalidRequestError where this is none."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error(f"{shown(self.value())} is not allowed; allowed: a list, as [a, b]")
        for i, node in enumerate(self._node.value):
            yield Entry(self._loader, self._file, node, f"{self.name}[{i}]")

    def items(self) -> Iterable[tuple[str, Entry]]:
        """Returns a mapping's keys and values, as `entries`."""
        return self.entries().items()

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

    def path(self) -> str:
        """Returns the absolute path that a text names; a relative one starts at the file's folder."""
        written = self.text()
        with self.pointing("path"):
            checked_path(written, field="path")
        return os.path.abspath(os.path.join(self.folder, os.path.expanduser(written)))

    @property
    def folder(self) -> str:
        """Where the file lies."""
        return os.path.dirname(os.path.abspath(self._file))

    def one_or_more(self) -> Iterable[Entry]:
        """Returns a list's values; another value stands for a list of one."""
        return self if self.is_list else (self,)

    def texts(self) -> tuple[str, ...]:
        """Returns a list of texts; one text stands for a list of one."""
        return tuple(one.text() for one in self.one_or_more())

    def flag(self) -> bool:
        """Returns true or false."""
        return self.of_type(bool, "true, false")

    def count(self, least: int = 1) -> int:
        """Returns a whole number of at least `least`."""
        said = f"a whole number of at least {least}"
        count = self.of_type(int, said)
        if count < least:
            raise self.error(f"{count} is not allowed; allowed: {said}")
        return count

    def read(self, reader: Callable[[Entry], T]) -> T:
        """Returns what `reader` makes of this, its errors pointing here."""
        with self.pointing():
            return reader(self)


def load(file: str, hint: str = "") -> Entry:
    """Returns the mapping at the top of a YAML file. Raises InvalidRequestError with its line.

    `hint` ends the error for a file that cannot be read.
    """
    checked_path(file, field="")
    try:
        with open(file, encoding="utf-8") as opened:
            content = opened.read()
    except UNREADABLE as error:
        raise InvalidRequestError(f"{file}: cannot be read: {reason(error)}{hint}") from None
    try:
        loader = _Loader(content, file)
        node = loader.get_single_node()
    except RecursionError:
        raise InvalidRequestError(f"{file}: too many brackets or levels within each other") from None
    except yaml.YAMLError as error:
        raise InvalidRequestError(f"{file}:{_problem_with_lines(error, content)}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InvalidRequestError(f"{file}:1: not allowed; allowed: a mapping (key: value)")
    return Entry(loader, file, node, "")


def _inside(outer: str, key: Any) -> str:
    return f"{outer}.{key}" if outer else str(key)


def _keys(field: str) -> list[str]:
    """Returns the keys that a field's name is made of: of "reference.kwargs['a']", reference and kwargs."""
    return field.partition("[")[0].split(".")


def _problem_with_lines(error: yaml.YAMLError, content: str) -> str:
    """Returns the line of a problem, what it is, and where what it broke off begins."""
    mark, begin = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = mark.line if mark is not None else 0
    text = f"{line + 1}: {_problem(error)}"
    context = getattr(error, "context", None)
    if context and begin is not None:
        text += f", {context} that begins in line {begin.line + 1}"
    lines = content.splitlines()
    indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())] if line < len(lines) else ""
    return f"{text}; indent by spaces, a tab is not allowed" if "\t" in indent else text


def _problem(error: yaml.YAMLError) -> str:
    text = getattr(error, "problem", None) or str(error)
    return f"not valid YAML: {' '.join(str(text).split())}"
