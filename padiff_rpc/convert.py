"""Records to messages and back, by name: a record and its message share name and fields.

Field by field: an enum travels as the enum value of the same word, a Tree inside its message, None as
an absent field, a tuple as a repeated one, everything else as itself.
"""

from __future__ import annotations

import functools
import types as python_types
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import DecodeError, Message

from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import PackedTuple, Word, record
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
from padiff_rpc.v1.records import Place, SourceLine, TensorSpec

T = TypeVar("T")
W = TypeVar("W", bound=Word)
F = TypeVar("F", bound=Callable[..., Any])
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


def _cached(function: F) -> F:
    """Returns `function` with a cache; mypy takes types, which are keys here, for unhashable."""
    return functools.cache(function)  # type: ignore[return-value]


@_cached
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
    word = _words(cls).get(number)
    if word is None:
        raise ProtocolError(f"{field}: {number} is no {cls.__name__} known to this side")
    return word  # type: ignore[return-value]


def to_proto(value: Any) -> Any:
    """Returns the record `value` as its message."""
    return message_class(type(value))(**content_of(value))


def content_of(value: Any) -> dict[str, Any]:
    """Returns what the constructor of the record's message takes, and `add` of a repeated field of it."""
    made = {}
    for name, says_empty, encode in _encoders(type(value)):
        item = getattr(value, name)
        if item or (says_empty and item is not None):
            made[name] = item if encode is None else encode(item)
    return made


# Rows of a report name each place about ten times.
_SHARED = (Place, SourceLine, TensorSpec)


@_cached
def _shared(cls: type) -> Callable[[Any], Any]:
    """Returns what reads messages as records, equal ones as one record for as long as anyone holds it."""
    known: weakref.WeakValueDictionary[bytes, Any] = weakref.WeakValueDictionary()

    def decode(message: Any) -> Any:
        key = message.SerializeToString()
        found = known.get(key)
        if found is None:
            found = known[key] = from_proto(message, cls)
        return found

    return decode


def from_proto(message: Any, cls: type[T]) -> T:
    """Returns `message` as a record of class `cls`.

    Raises ProtocolError for an enum value that is unspecified where one is required, or unknown here,
    and InvalidRequestError where the record's own checks refuse a value.
    """
    reader = _reader(cls)
    values = dict(reader.absent)
    for descriptor, value in message.ListFields():
        codec = reader.codecs.get(descriptor.name)
        if codec is not None:
            values[codec.name] = codec.decoded(value)
    for codec in reader.required:
        if codec.name not in values:
            values[codec.name] = codec.read(message)
    return cls(**values)


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
        self.has_presence = self.descriptor.has_presence
        self.is_record = is_dataclass(self.item)
        # An empty value differs from a field's absence; a negative zero always does.
        self.says_empty = self.has_presence or inner is float
        encode, self._decode = self._item_codec()
        # Returns the record's field as the message's constructor takes it; None: as itself.
        self.encode = self._every(encode) if self.repeated and encode is not None else encode

    def _item_codec(self) -> tuple[Optional[Callable[[Any], Any]], Optional[Callable[[Any], Any]]]:
        """Returns what encodes and what decodes an item; None where it travels as itself."""
        item = self.item
        if getattr(item, "__name__", "") == "Tree":
            return (lambda tree: {"msgpack": tree}), (lambda tree: tree.msgpack)
        if self.is_record:
            decode = _shared(item) if item in _SHARED else lambda message: from_proto(message, item)
            return content_of, decode
        if isinstance(item, type) and issubclass(item, Word):
            return self._enum_codec(item)
        return (_encodable if item is str else None), None

    def _enum_codec(self, item: type[Word]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        def decode(number: int) -> Any:
            if number == 0 and self.default is not MISSING:
                return self.default  # what a peer leaves out that does not know the field yet
            return None if number == 0 and self.optional else from_number(number, item, field=self.name)

        return _numbers(item).__getitem__, decode

    def _every(self, encode: Callable[[Any], Any]) -> Callable[[Any], Iterable[Any]]:
        def encode_all(values: Any) -> Iterable[Any]:
            is_packed = self.is_record and isinstance(values, PackedTuple)
            return values.mappings() if is_packed else [encode(value) for value in values]

        return encode_all

    def read(self, message: Any) -> Any:
        """Returns the field of a message that may lack it."""
        if self.optional and self.has_presence and not message.HasField(self.name):
            return None
        return self.decoded(getattr(message, self.name))

    def decoded(self, value: Any) -> Any:
        """Returns what a message has in this field as what the record has."""
        if self.repeated:
            return tuple(value) if self._decode is None else tuple(map(self._decode, value))
        return value if self._decode is None else self._decode(value)


@record
class _Reader:
    """Reads messages of one record class.

    Attributes:
        codecs: by the name of the field.
        absent: values of fields that a message lacks.
        required: fields that every message has, or whose absence is an error.
    """

    codecs: Mapping[str, _Codec]
    absent: Mapping[str, Any]
    required: tuple[_Codec, ...]


@_cached
def _reader(cls: type) -> _Reader:
    empty, codecs = message_class(cls)(), _codecs(cls)
    required = tuple(one for one in codecs if _is_required(one))
    return _Reader(
        codecs={one.name: one for one in codecs},
        absent={one.name: one.read(empty) for one in codecs if one not in required},
        required=required,
    )


def _is_required(codec: _Codec) -> bool:
    """Whether what a message lacks in this field is more than an empty value."""
    is_word = isinstance(codec.item, type) and issubclass(codec.item, Word)
    return not codec.repeated and not codec.optional and (codec.is_record or is_word)


def _encodable(text: str) -> str:
    """Returns `text` with what UTF-8 has no bytes for, as a name of a file may hold it, written out."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


@_cached
def _codecs(cls: Any) -> tuple[_Codec, ...]:
    hints = get_type_hints(cls)
    return tuple(_Codec(cls, field, hints[field.name]) for field in fields(cls))


@_cached
def _encoders(cls: Any) -> tuple[tuple[str, bool, Optional[Callable[[Any], Any]]], ...]:
    return tuple((one.name, one.says_empty, one.encode) for one in _codecs(cls))


@_cached
def _numbers(cls: type[Word]) -> dict[Word, int]:
    wrapper = next(getattr(module, cls.__name__) for module in _MODULES if hasattr(module, cls.__name__))
    values = wrapper.DESCRIPTOR.values_by_name
    prefix = wrapper.DESCRIPTOR.values_by_number[0].name[: -len("UNSPECIFIED")]
    return {word: values[prefix + word.name].number for word in cls}


@_cached
def _words(cls: type[Word]) -> dict[int, Word]:
    return {number: word for word, number in _numbers(cls).items()}
