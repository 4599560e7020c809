"""Nested arguments as msgpack, with tensors by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import msgpack

from padiff_rpc.errors import InvalidRequestError, ProtocolError
from padiff_rpc.records import record
from padiff_rpc.types import Tree

_TENSOR, _TUPLE, _COMPLEX = 1, 2, 3
# Deeper nesting than any honest argument; msgpack itself stops at 1024.
MAX_DEPTH = 64

ABSENT = Tree(b"")


@record
class TensorRef:
    """Stands in a tree for the tensor of that number on the same stream."""

    number: int
    requires_grad: bool = False


def pack(value: Any, *, where: str = "value") -> Tree:
    """Returns `value` packed: None, bool, int, float, complex, str, bytes, list, tuple, dict, TensorRef.

    `where` names the value in errors. Raises InvalidRequestError for anything else, and for nesting
    deeper than MAX_DEPTH.
    """
    return Tree(msgpack.packb(_plain(value, where, 0), use_bin_type=True))


def unpack(tree: Tree) -> Any:
    """Returns what was packed. Raises ProtocolError for bytes that no `pack` made, ABSENT among them."""
    try:
        return msgpack.unpackb(tree, raw=False, strict_map_key=False, ext_hook=_from_extension)
    except ProtocolError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise ProtocolError(f"a nested argument cannot be read ({type(error).__name__}: {error})") from None


def map_leaves(value: Any, change: Callable[[Any, str], Any], where: str = "") -> Any:
    """Returns `value` with every leaf replaced by `change(leaf, path)`; containers keep their type."""
    if isinstance(value, dict):
        return {key: map_leaves(item, change, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [map_leaves(item, change, f"{where}.{i}".lstrip(".")) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return change(value, where)


def tensor_numbers(*packed: Tree) -> frozenset[int]:
    """Returns the numbers of the tensors that packed trees point at; ABSENT ones point at none."""
    found: set[int] = set()

    def note(leaf: Any, _: str) -> None:
        if isinstance(leaf, TensorRef):
            found.add(leaf.number)

    for tree in packed:
        if tree != ABSENT:
            map_leaves(unpack(tree), note)
    return frozenset(found)


def _plain(value: Any, where: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidRequestError(f"{where}: nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, (bool, float, str, bytes)):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise InvalidRequestError(f"{where}: the integer {value} does not fit 64 bits")
        return value
    if isinstance(value, complex):
        return msgpack.ExtType(_COMPLEX, msgpack.packb([value.real, value.imag]))
    if isinstance(value, TensorRef):
        return msgpack.ExtType(_TENSOR, msgpack.packb([value.number, value.requires_grad]))
    if isinstance(value, tuple):
        items = [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        return msgpack.ExtType(_TUPLE, msgpack.packb(items, use_bin_type=True))
    if isinstance(value, list):
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise InvalidRequestError(f"{where}: the key {key!r} is neither a string nor an integer")
        return {key: _plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    raise InvalidRequestError(
        f"{where}: a {type(value).__qualname__} cannot travel; allowed: NumPy arrays, numbers, strings, "
        "bytes, None, and lists, tuples and dicts of them"
    )


def _from_extension(code: int, content: bytes) -> Any:
    inner: Optional[Any] = msgpack.unpackb(content, raw=False, strict_map_key=False, ext_hook=_from_extension)
    if code == _TUPLE and isinstance(inner, list):
        return tuple(inner)
    if isinstance(inner, list) and len(inner) == 2:
        if code == _TENSOR and isinstance(inner[0], int) and isinstance(inner[1], bool):
            return TensorRef(number=inner[0], requires_grad=inner[1])
        if code == _COMPLEX:
            return complex(float(inner[0]), float(inner[1]))
    raise ProtocolError(f"a nested argument holds an unknown extension {code}")
