"""Writes the records and words of the contract: one frozen record a message, one list of words an enum.

Usage: python tools/generate_records.py DESCRIPTORS FOLDER, where DESCRIPTORS is what `protoc
--include_source_info --include_imports --descriptor_set_out` wrote. A message with a oneof is an envelope
of a stream and gets no record, nor does an empty one, nor what is made of these.
`proto/padiff_rpc/v1/records.proto` says which annotations shape a record; a class `<Record>Methods` in
`padiff_rpc/record_methods.py` becomes its base.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "padiff_rpc.v1"
_METHODS = Path(__file__).resolve().parents[1] / "padiff_rpc" / "record_methods.py"
_WIDTH = 100
_TYPES = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    _TYPES.TYPE_STRING: ("str", '""'),
    _TYPES.TYPE_BYTES: ("bytes", 'b""'),
    _TYPES.TYPE_BOOL: ("bool", "False"),
    _TYPES.TYPE_DOUBLE: ("float", "0.0"),
    _TYPES.TYPE_INT32: ("int", "0"),
    _TYPES.TYPE_UINT32: ("int", "0"),
    _TYPES.TYPE_UINT64: ("int", "0"),
    _TYPES.TYPE_INT64: ("int", "0"),
}
_HEAD = '"""The {}, written by `make proto` from proto/padiff_rpc/v1; do not edit."""\n\n'


class Contract:
    """The contract's files as descriptors, with comments and with the annotations of records."""

    def __init__(self, descriptors: bytes) -> None:
        """`descriptors`: a serialized FileDescriptorSet."""
        # Read twice: the annotations are extensions, which only a pool that knows them can parse.
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            pool.Add(file)
        files = message_factory.GetMessageClass(
            pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
        ).FromString(descriptors)
        self.files = [file for file in files.file if file.package == _PACKAGE]
        self._annotations = {
            name: pool.FindExtensionByName(f"{_PACKAGE}.{name}")
            for name in ("required", "default", "secret", "checked")
        }
        self._comments = {
            (file.name, tuple(location.path)): location.leading_comments
            for file in self.files
            for location in file.source_code_info.location
        }

    def annotation(self, described: Any, name: str) -> Any:
        """Returns an annotation of a field or a message: false or empty where there is none."""
        return described.options.Extensions[self._annotations[name]]

    def comment(self, file: Any, *path: int) -> str:
        """Returns the comment before what lies at a descriptor's path, on one line."""
        return " ".join(self._comments.get((file.name, path), "").split())

    def about(self, named: Any, file: Any, *path: int) -> str:
        """Returns the comment on a message or an enum; its name and its file where there is none."""
        return self.comment(file, *path) or f"`{named.name}` of {Path(file.name).name}."

    def enums(self) -> Iterator[tuple[Any, int, Any]]:
        """Yields each enum with its file and its number there."""
        for file in self.files:
            for number, enum in enumerate(file.enum_type):
                yield file, number, enum

    def messages(self) -> Iterator[tuple[Any, int, Any]]:
        """Yields each message that gets a record, with its file and number, after those it is made of."""
        left = [
            (file, number, message)
            for file in self.files
            for number, message in enumerate(file.message_type)
            if message.field and not _has_oneof(message)
        ]
        done = {"Tree"}
        while ready := [found for found in left if _parts(found[2]) <= done]:
            yield from (found for found in ready if found[2].name not in done)
            done.update(found[2].name for found in ready)
            left = [found for found in left if found not in ready]


def _has_oneof(message: Any) -> bool:
    # An optional field has a oneof of its own in descriptors.
    return any(field.HasField("oneof_index") and not field.proto3_optional for field in message.field)


def _parts(message: Any) -> set[str]:
    """Returns the messages that a message is made of, itself left out."""
    return {_bare(field) for field in message.field if field.type == _TYPES.TYPE_MESSAGE} - {message.name}


def _bare(field: Any) -> str:
    return str(field.type_name).rpartition(".")[2]


def _docstring(indent: str, text: str, attributes: list[tuple[str, str]]) -> Iterator[str]:
    """Yields the lines of a docstring: sentences, then one entry a commented attribute."""
    first, *more = textwrap.wrap(text, _WIDTH - len(indent))
    if not more and not attributes:
        yield f'{indent}"""{first}"""'
        return
    yield f'{indent}"""{first}'
    yield from (f"{indent}{line}" for line in more)
    if attributes:
        yield f"\n{indent}Attributes:"
        for name, comment in attributes:
            lines = textwrap.wrap(f"{name}: {comment}", _WIDTH - len(indent) - 8)
            yield f"{indent}    {lines[0]}"
            yield from (f"{indent}        {line}" for line in lines[1:])
    yield f'{indent}"""'


def words(contract: Contract) -> Iterator[str]:
    """Yields the lines of words.py."""
    yield _HEAD.format("contract's enums as lists of words") + "from padiff_rpc.records import Word"
    for file, number, enum in contract.enums():
        prefix = enum.value[0].name[: -len("UNSPECIFIED")]
        yield f"\n\nclass {enum.name}(Word):"
        notes = [
            (value.name[len(prefix) :], contract.comment(file, 5, number, 2, index))
            for index, value in enumerate(enum.value)
        ]
        yield from _docstring(
            "    ", contract.about(enum, file, 5, number), [(name, note) for name, note in notes if note]
        )
        yield ""
        for value in enum.value[1:]:
            name = value.name[len(prefix) :]
            yield f'    {name} = "{name.lower()}"'


def records(contract: Contract) -> Iterator[str]:
    """Yields the lines of records.py."""
    with_methods = {
        node.name for node in ast.parse(_METHODS.read_text()).body if isinstance(node, ast.ClassDef)
    }
    messages = list(contract.messages())
    bases = sorted(f"{of.name}Methods" for _, _, of in messages if f"{of.name}Methods" in with_methods)
    enums = sorted(enum.name for _, _, enum in contract.enums())
    yield _HEAD.format("contract's messages as frozen records") + "from __future__ import annotations\n"
    yield "import math\nfrom dataclasses import field"
    yield "from typing import TYPE_CHECKING, Literal, Optional, Union\n"
    yield _imports("padiff_rpc.record_methods", bases)
    yield "from padiff_rpc.records import Tree, fields_checked, record"
    yield _imports("padiff_rpc.v1.words", enums)
    for file, number, message in messages:
        base = f"({message.name}Methods)" if f"{message.name}Methods" in with_methods else ""
        checks = f'@fields_checked("{message.name}")\n' if contract.annotation(message, "checked") else ""
        yield f"\n\n{checks}@record\nclass {message.name}{base}:"
        notes = [(of.name, contract.comment(file, 4, number, 2, i)) for i, of in enumerate(message.field)]
        yield from _docstring(
            "    ", contract.about(message, file, 4, number), [(name, note) for name, note in notes if note]
        )
        yield ""
        # Python wants those without a default first.
        lines = [_field(contract, of) for of in message.field]
        yield from sorted(lines, key=lambda line: " = " in line)
        if contract.annotation(message, "checked") and any(
            of.type == _TYPES.TYPE_ENUM for of in message.field
        ):
            yield from _constructor(contract, message, lines)


def _constructor(contract: Contract, message: Any, lines: list[str]) -> Iterator[str]:
    """Yields the constructor as type checkers see it: a checked record takes words as texts too."""
    words_of = {enum.name: enum for _, _, enum in contract.enums()}
    yield "\n    if TYPE_CHECKING:\n        def __init__(\n            self,\n            *,"
    for field, line in zip(message.field, lines):
        enum = words_of.get(_bare(field))
        if enum is not None:
            prefix = enum.value[0].name[: -len("UNSPECIFIED")]
            texts = ", ".join(f'"{one.name[len(prefix) :].lower()}"' for one in enum.value[1:])
            line = line.replace(f"{enum.name}]", f"Union[{enum.name}, Literal[{texts}]]]", 1).replace(
                f": {enum.name} =", f": Union[{enum.name}, Literal[{texts}]] =", 1
            )
        yield f"        {line},"
    yield "        ) -> None: ..."


def _imports(module: str, names: list[str]) -> str:
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _field(contract: Contract, field: Any) -> str:
    kind, zero = _SCALARS.get(field.type, (_bare(field), ""))
    required, default = contract.annotation(field, "required"), contract.annotation(field, "default")
    if field.label == _TYPES.LABEL_REPEATED:
        kind, zero = f"tuple[{kind}, ...]", "()"
    elif kind == "Tree":
        zero = 'Tree(b"")'
    elif field.proto3_optional or (field.type == _TYPES.TYPE_MESSAGE and not required and not default):
        kind, zero = f"Optional[{kind}]", "None"
    default = default or ("" if required else zero)
    if contract.annotation(field, "secret"):
        default = f"field(default={default}, repr=False)"
    return f"    {field.name}: {kind}{f' = {default}' if default else ''}"


def main() -> None:
    descriptors, folder = Path(sys.argv[1]), Path(sys.argv[2])
    contract = Contract(descriptors.read_bytes())
    for name, lines in (("words", words(contract)), ("records", records(contract))):
        (folder / f"{name}.py").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
