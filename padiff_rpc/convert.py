"""Records to messages and back, by name: a record and its message share name and fields.

Field by field: an enum travels as the enum value of the same word, a Tree inside its message, None as
an absent field, a tuple as a repeated one, everything else as itself.
"""

from __future__ import annotations

import types as python_types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import DecodeError, Message

from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import Word
from padiff_rpc.v1 import (
    coordinator_pb2,
    functions_pb2,
    hints_pb2,
    models_pb2,
    notes_pb2,
    reasons_pb2,
    recording_pb2,
    report_pb2,
    tensors_pb2,
    worker_pb2,
)

T = TypeVar("T")
W = TypeVar("W", bound=Word)
_MODULES = (
    tensors_pb2,
    reasons_pb2,
    models_pb2,
    functions_pb2,
    worker_pb2,
    recording_pb2,
    notes_pb2,
    hints_pb2,
    report_pb2,
    coordinator_pb2,
)
_UNIONS = (Union, getattr(python_types, "UnionType", Union))


def message_class(cls: type) -> type[Message]:
    """Returns the message that the record class `cls` mirrors."""
    for module in _MODULES:
        found = getattr(module, cls.__name__, None)
        if found is not None:
            return found  # type: ignore[no-any-return]
    raise LookupError(f"no message is called {cls.__name__}")


def to_number(word: Word) -> Any:
    """Returns the number (int; the stubs want an enum) of `word` in the enum of its class's name."""
    return _numbers(type(word))[word]


def from_number(number: int, cls: type[W], *, field: str) -> W:
    """Returns the `cls` of that number; ProtocolError for the unspecified and the unknown."""
    for word, known in _numbers(cls).items():
        if known == number:
            return word  # type: ignore[return-value]
    raise ProtocolError(f"{field}: {number} is no {cls.__name__} known to this side")


def to_proto(value: Any) -> Any:
    """Returns the record `value` as its message."""
    message = message_class(type(value))()
    for codec in _codecs(type(value)):
        codec.write(message, getattr(value, codec.name))
    return message


def from_proto(message: Any, cls: type[T]) -> T:
    """Returns `message` as a record of class `cls`.

    Raises ProtocolError for an enum value that is unspecified where one is required, or unknown here,
    and InvalidRequestError where the record's own checks refuse a value.
    """
    return cls(**{codec.name: codec.read(message) for codec in _codecs(cls)})


def to_bytes(value: Any) -> bytes:
    """Returns the record `value` as its message's bytes, to be kept."""
    return to_proto(value).SerializeToString()  # type: ignore[no-any-return]


def from_bytes(content: bytes, cls: type[T]) -> T:
    """Returns the record of class `cls` that `to_bytes` made `content` of.

    Raises ProtocolError for bytes that are no such message, and as `from_proto`.
    """
    try:
        message = message_class(cls).FromString(content)
    except DecodeError:
        raise ProtocolError(
            f"{len(content)} bytes are no {cls.__name__}; what kept them is damaged"
        ) from None
    return from_proto(message, cls)


class _Codec:
    """Carries one field of one record class."""

    def __init__(self, cls: type, field: Field[Any], hint: Any) -> None:
        self.name = name = field.name
        self.default = field.default
        self.optional = get_origin(hint) in _UNIONS
        inner = next(arg for arg in get_args(hint) if arg is not type(None)) if self.optional else hint
        self.repeated = get_origin(inner) is tuple
        self.item = get_args(inner)[0] if self.repeated else inner
        self.descriptor: Any = message_class(cls).DESCRIPTOR.fields_by_name[name]
        self._encode, self._decode = self._item_codec()

    def _item_codec(self) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        item = self.item
        if getattr(item, "__name__", "") == "Tree":
            return (lambda tree: tensors_pb2.Tree(msgpack=tree)), (lambda tree: tree.msgpack)
        if is_dataclass(item):
            return to_proto, lambda message: from_proto(message, item)  # type: ignore[arg-type]
        if isinstance(item, type) and issubclass(item, Word):
            return self._enum_codec(item)
        return (_encodable if item is str else (lambda plain: plain)), (lambda plain: plain)

    def _enum_codec(self, item: type[Word]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        def decode(number: int) -> Any:
            if number == 0 and self.default is not MISSING:
                return self.default  # what a peer leaves out that does not know the field yet
            return None if number == 0 and self.optional else from_number(number, item, field=self.name)

        return to_number, decode

    def write(self, message: Any, value: Any) -> None:
        if value is None:
            return
        if self.repeated:
            getattr(message, self.name).extend([self._encode(item) for item in value])
        elif self.descriptor.message_type is not None:
            getattr(message, self.name).CopyFrom(self._encode(value))
        else:
            setattr(message, self.name, self._encode(value))

    def read(self, message: Any) -> Any:
        if self.repeated:
            return tuple(self._decode(item) for item in getattr(message, self.name))
        if self.optional and self.descriptor.has_presence and not message.HasField(self.name):
            return None
        return self._decode(getattr(message, self.name))


def _encodable(text: str) -> str:
    """Returns `text` with what UTF-8 has no bytes for, as a name of a file may hold it, written out."""
    return text.encode(errors="backslashreplace").decode()


_CODECS: dict[type, tuple[_Codec, ...]] = {}


def _codecs(cls: Any) -> tuple[_Codec, ...]:
    if cls not in _CODECS:
        hints = get_type_hints(cls)
        _CODECS[cls] = tuple(_Codec(cls, field, hints[field.name]) for field in fields(cls))
    return _CODECS[cls]


_NUMBERS: dict[type, dict[Word, int]] = {}


def _numbers(cls: type[Word]) -> dict[Word, int]:
    if cls not in _NUMBERS:
        wrapper = next(getattr(module, cls.__name__) for module in _MODULES if hasattr(module, cls.__name__))
        values = wrapper.DESCRIPTOR.values_by_name
        prefix = wrapper.DESCRIPTOR.values_by_number[0].name[: -len("UNSPECIFIED")]
        _NUMBERS[cls] = {word: values[prefix + word.name].number for word in cls}
    return _NUMBERS[cls]
