from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padiff_rpc import trees
from padiff_rpc.errors import BusyError, InvalidRequestError, ProtocolError
from padiff_rpc.limits import limits
from padiff_rpc.records import Tree
from padiff_rpc.trees import TensorRef

REFERENCES = st.builds(TensorRef, number=st.integers(0, 2**40), requires_grad=st.booleans())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | REFERENCES
)
KEYS = st.text() | st.integers(-(2**31), 2**31)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


def _typed(value: Any) -> Any:
    """Equality that tells 1 from True and 1.0, and a list from a tuple."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [_typed(item) for item in value]
    return type(value), value


@settings(deadline=None)
@given(NESTED)
def test_a_tree_survives_packing_with_its_types(value: Any) -> None:
    assert _typed(trees.unpack(trees.pack(value))) == _typed(value)


def test_nan_survives() -> None:
    unpacked = trees.unpack(trees.pack(float("nan")))
    assert unpacked != unpacked


def test_none_is_not_absent() -> None:
    assert trees.pack(None) != trees.ABSENT
    with pytest.raises(ProtocolError):
        trees.unpack(trees.ABSENT)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, range(3), b"".join], ids=["object", "set", "range", "method"]
)
def test_what_cannot_travel_is_named_with_its_place(value: Any) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"kwargs\['a'\]\[1\]: a \w+ cannot travel; allowed: NumPy arrays"
    ):
        trees.pack({"a": [0, value]}, where="kwargs")


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"value: the key \(1,\) is neither a string nor an integer"
    ):
        trees.pack({(1,): 2})


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_an_integer_over_64_bits_is_refused(number: int) -> None:
    with pytest.raises(InvalidRequestError, match="does not fit 64 bits"):
        trees.pack([number])


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}], ids=["list", "tuple", "dict"]
)
def test_nesting_ends_at_its_limit(wrap: Any) -> None:
    value: Any = 1
    for _ in range(limits().tree_depth):
        value = wrap(value)
    assert trees.unpack(trees.pack(value)) == value
    with pytest.raises(InvalidRequestError, match="nested deeper than 64 levels"):
        trees.pack(wrap(value))


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidRequestError, match="nested deeper"):
        trees.pack(endless)


@pytest.mark.parametrize(
    "packed",
    [
        b"\xc1",
        b"\x92\x01",
        b"\x01\x02",
        msgpack.packb(msgpack.ExtType(9, b"")),
        msgpack.packb(msgpack.ExtType(9, msgpack.packb([]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb([1]))),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["x", True]))),
        msgpack.packb(msgpack.ExtType(2, msgpack.packb(7))),
        msgpack.packb(msgpack.ExtType(3, msgpack.packb(["a", "b"]))),
        msgpack.packb(msgpack.ExtType(3, msgpack.packb([[], 1]))),
        msgpack.packb({None: 1}),
        msgpack.packb({1.5: 1}),
        msgpack.packb({b"k": 1}),
        b"\x81\x90\x01",
        msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb(msgpack.ExtType(1, msgpack.packb([-1, True]))),
        msgpack.packb(msgpack.ExtType(3, msgpack.packb(["1", "2"]))),
        b"\xdd\xff\xff\xff\xff" * 3,
        b"\xc6\xff\xff\xff\xff",
        b"\xa2\xff\xff",
    ],
    ids=lambda packed: packed[:8].hex(),
)
def test_bytes_that_no_pack_made_are_a_protocol_error(packed: bytes) -> None:
    with pytest.raises(ProtocolError):
        trees.unpack(Tree(packed))


def _nested_tuples(depth: int) -> bytes:
    packed = msgpack.packb(1)
    for _ in range(depth):
        packed = msgpack.packb(msgpack.ExtType(2, b"\x91" + packed))
    return packed


@pytest.mark.parametrize(
    "packed",
    [b"\x91" * 65 + b"\x01", b"\x81\x01" * 65 + b"\x01", b"\x91" * 500_000 + b"\x01", _nested_tuples(65)],
    ids=["lists", "dicts", "far beyond", "tuples"],
)
def test_what_came_nested_too_deep_names_the_limit_and_its_setting(packed: bytes) -> None:
    with pytest.raises(BusyError, match="deeper than 64 levels; PADIFF_MAX_TREE_DEPTH sets this limit"):
        trees.unpack(Tree(packed))


def test_size_ends_at_its_limit() -> None:
    text = "x" * ((1 << 20) - 5)
    assert trees.unpack(trees.pack(text)) == text
    with pytest.raises(InvalidRequestError, match=r"value: over 1 MiB .* set PADIFF_MAX_TREE_MIB higher"):
        trees.pack(text + "x")
    with pytest.raises(BusyError, match=r"over 1 MiB .*; PADIFF_MAX_TREE_MIB sets this limit"):
        trees.unpack(Tree(msgpack.packb(text + "x")))


def test_what_is_claimed_and_does_not_come_takes_no_memory() -> None:
    # At each level an array that claims to have as many items as there are bytes in all.
    packed = b"\xdd\x00\x00\x40\x00" * 60 + b"\x01" * 0x4000
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            trees.unpack(Tree(packed))
        assert tracemalloc.get_traced_memory()[1] < 20 * len(packed)
    finally:
        tracemalloc.stop()


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_arbitrary_bytes_give_a_value_or_an_error_of_ours(packed: bytes) -> None:
    with contextlib.suppress(ProtocolError, BusyError):
        trees.pack(trees.unpack(Tree(packed)))


@settings(deadline=None)
@given(NESTED, st.data())
def test_a_damaged_tree_gives_a_value_or_an_error_of_ours(value: Any, data: st.DataObject) -> None:
    packed = bytearray(trees.pack(value))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError, BusyError):
        trees.pack(trees.unpack(Tree(bytes(packed))))


def test_leaves_are_changed_with_their_paths() -> None:
    seen: list[str] = []

    def note(leaf: Any, path: str) -> Any:
        seen.append(path)
        return leaf * 2

    value = {"a": [1, (2, 3)], "b": {"c": 4}}
    assert trees.map_leaves(value, note) == {"a": [2, (4, 6)], "b": {"c": 8}}
    assert seen == ["a.0", "a.1.0", "a.1.1", "b.c"]
