"""Every record has exactly its message's fields, every list of words its enum's."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing

import pytest
from google.protobuf.descriptor import FieldDescriptor

from padiff_rpc import options, results, types, words
from padiff_rpc.convert import from_proto, message_class, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.v1 import coordinator_pb2, models_pb2, report_pb2, tensors_pb2, worker_pb2

MESSAGE_MODULES = (tensors_pb2, models_pb2, worker_pb2, report_pb2, coordinator_pb2)
RECORDS = [
    value
    for module in (types, options, results)
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.__name__
]
WORDS = [
    value
    for value in vars(words).values()
    if isinstance(value, type) and issubclass(value, words.Word) and value is not words.Word
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_has_exactly_its_messages_fields(record: type) -> None:
    descriptor = message_class(record).DESCRIPTOR
    assert {field.name for field in dataclasses.fields(record)} == set(descriptor.fields_by_name)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_repeats_what_its_message_repeats(record: type) -> None:
    hints = typing.get_type_hints(record)
    for name, field in message_class(record).DESCRIPTOR.fields_by_name.items():
        repeats = typing.get_origin(hints[name]) is tuple
        # protobuf replaced `label` by `is_repeated`.
        is_repeated = getattr(field, "is_repeated", None)
        if is_repeated is None:
            is_repeated = field.label == FieldDescriptor.LABEL_REPEATED
        assert repeats == is_repeated, name


def _enums() -> dict[str, typing.Any]:
    return {
        name: found
        for module in MESSAGE_MODULES
        for name, found in module.DESCRIPTOR.enum_types_by_name.items()
    }


def test_every_enum_has_its_list_of_words() -> None:
    assert {word.__name__ for word in WORDS} == set(_enums())


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.__name__)
def test_a_list_of_words_holds_exactly_its_enums_values(word: type[enum.Enum]) -> None:
    names = list(_enums()[word.__name__].values_by_name)
    prefix = names[0].removesuffix("UNSPECIFIED")
    assert [name.removeprefix(prefix) for name in names[1:]] == [member.name for member in word]
    assert [member.name.lower() for member in word] == [member.value for member in word]


def _example(hint: typing.Any, depth: int = 0) -> typing.Any:
    """Returns a value of a record field's type that differs from protobuf's default."""
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        return _example(next(one for one in arguments if one is not type(None)), depth)
    if typing.get_origin(hint) is tuple:
        return (_example(arguments[0], depth),) * 2
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, depth + 1)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return list(hint)[-1]
    if getattr(hint, "__name__", "") == "Tree":
        return types.Tree(b"\x91\x01")
    return {str: "text", int: 7, float: 0.25, bool: True, bytes: b"bytes"}[hint]


def _record(record: type, depth: int = 0) -> typing.Any:
    hints = typing.get_type_hints(record)
    # Lockstep and a trace of the first step exclude each other.
    fixed = {"single_step": False, "local_error": False}
    return record(**{name: fixed.get(name, _example(hint, depth)) for name, hint in hints.items()})


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_full_record_survives_the_wire(record: type) -> None:
    full = _record(record)
    wire = to_proto(full).SerializeToString()
    assert from_proto(message_class(record).FromString(wire), record) == full


def test_an_absent_field_is_none_and_not_its_default() -> None:
    given = options.Options(atol=0.0)
    back = from_proto(to_proto(given), options.Options)
    assert back.atol == 0.0
    assert back.rtol is None


def test_an_unspecified_enum_is_refused_where_a_word_is_needed() -> None:
    with pytest.raises(ProtocolError, match="dtype: 0 is no DType"):
        from_proto(tensors_pb2.TensorSpec(), types.TensorSpec)


def test_an_unknown_enum_value_is_refused() -> None:
    with pytest.raises(ProtocolError, match="dtype: 99 is no DType"):
        from_proto(tensors_pb2.TensorSpec(dtype=99), types.TensorSpec)


def test_records_are_frozen_and_take_keywords_only() -> None:
    spec = types.TensorSpec(dtype=words.DType.FLOAT32, shape=(2, 3))
    assert str(spec) == "float32[2, 3]"
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.shape = ()  # type: ignore[misc]
    if sys.version_info >= (3, 10):
        with pytest.raises(TypeError):
            types.TensorSpec(words.DType.FLOAT32)  # type: ignore[misc]
