"""Messages of the contract with whatever a confused or hostile peer might put into them."""

from __future__ import annotations

from typing import Any

import msgpack
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st

_FLOATS = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# Few, so that messages speak of the same things.
TEXTS = st.sampled_from(["", "a", "a.b", "b", "0", "1", "weight", "fake_models:net", "\x00", "é" * 3])
TREES = st.one_of(
    st.binary(max_size=8),
    st.recursive(
        st.none() | st.integers(-2, 4) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=5,
    ).map(msgpack.packb),
    st.integers(-1, 4).map(
        lambda number: msgpack.packb([msgpack.ExtType(1, msgpack.packb([number, False]))])
    ),
)


def any_message(kind: type[Message], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Returns a strategy for messages of `kind`; `fixed` draws fields of that name, at any depth."""

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        message = kind()
        _fill(draw, message, fixed)
        return message

    return build()


@st.composite
def damaged(draw: st.DrawFn, messages: list[Any], strange: st.SearchStrategy[Any]) -> list[Any]:
    """Draws `messages` with some lost, doubled, moved, changed in a byte, or with `strange` ones between."""
    made = list(messages)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(made) - 1, 0)))
        damage = draw(st.sampled_from(["lose", "double", "move", "change", "change", "change", "insert"]))
        if damage == "insert" or not made:
            made.insert(at, draw(strange))
        elif damage == "lose":
            del made[at]
        elif damage == "double":
            made.insert(draw(st.integers(0, len(made))), made[at])
        elif damage == "move":
            made.insert(draw(st.integers(0, len(made) - 1)), made.pop(at))
        else:
            made[at] = draw(_changed(made[at]))
    return made


@st.composite
def _changed(draw: st.DrawFn, message: Any) -> Any:
    content = bytearray(message.SerializeToString())
    if content:
        at = draw(st.integers(0, len(content) - 1))
        content[at] = draw(st.integers(0, 5) | st.integers(0, 255))
    try:
        return type(message).FromString(bytes(content))
    except DecodeError:
        return message


def _fill(draw: st.DrawFn, message: Any, fixed: dict[str, st.SearchStrategy[Any]], most: int = 3) -> None:
    """Fills a message; `most`: of what is repeated, and fewer the deeper it lies, so that it all ends."""
    descriptor: Descriptor = message.DESCRIPTOR
    chosen = {oneof.name: draw(st.sampled_from(tuple(oneof.fields))).name for oneof in descriptor.oneofs}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and chosen[oneof.name] != field.name:
            continue
        if draw(st.integers(0, 7)) == 0:
            continue
        if _repeats(field):
            for _ in range(draw(st.integers(0, most))):
                if field.message_type is not None:
                    _fill(draw, getattr(message, field.name).add(), fixed, max(most - 1, 1))
                else:
                    getattr(message, field.name).append(draw(_scalars(field, fixed)))
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            _fill(draw, getattr(message, field.name), fixed, max(most - 1, 1))
        else:
            setattr(message, field.name, draw(_scalars(field, fixed)))


def _repeats(field: FieldDescriptor) -> bool:
    # protobuf replaced `label` by `is_repeated`.
    is_repeated = getattr(field, "is_repeated", None)
    return field.label == FieldDescriptor.LABEL_REPEATED if is_repeated is None else bool(is_repeated)


def _scalars(field: FieldDescriptor, fixed: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if field.name in fixed:
        return fixed[field.name]
    if field.enum_type is not None:
        known = [value.number for value in field.enum_type.values]
        return st.sampled_from([*known, *known, 99])
    if field.name == "msgpack":
        return TREES
    if field.cpp_type in _RANGES:
        least, most = _RANGES[field.cpp_type]
        return st.integers(0, 3) | st.sampled_from([least, most, most // 2, 2**20])
    if field.cpp_type in _FLOATS:
        return st.floats()
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    return st.binary(max_size=8) if field.type == FieldDescriptor.TYPE_BYTES else TEXTS
