"""Nested arguments as msgpack, with tensors by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import msgpack.fallback

from padiff_rpc.errors import BusyError, InvalidRequestError, ProtocolError
from padiff_rpc.limits import exceeded, limits, setting
from padiff_rpc.records import Tree, record

_TENSOR, _TUPLE, _COMPLEX = 1, 2, 3
ABSENT = Tree(b"")


@record
class TensorRef:
    """Stands in a tree for the tensor of that number on the same stream."""

    number: int
    requires_grad: bool = False


_LEAVES = (bool, int, float, complex, str, bytes, TensorRef)


def pack(value: Any, *, where: str = "value") -> Tree:
    """Returns `value` packed: None, bool, int, float, complex, str, bytes, list, tuple, dict, TensorRef.

    `where` names the value in errors. Raises InvalidRequestError for anything else, and for what is larger
    or nested deeper than the limits.
    """
    packed = msgpack.packb(_plain(value, where, 0), use_bin_type=True)
    if len(packed) > limits().tree_mib << 20:
        raise InvalidRequestError(
            f"over {limits().tree_mib} MiB without its arrays; give lists of numbers as arrays, or "
            f"set {setting('tree_mib')} higher on both ends",
            field=where,
        )
    return Tree(packed)


def too_deep(where: str) -> InvalidRequestError:
    """Returns the error that `where`, which was to be packed, is nested deeper than the limit."""
    return InvalidRequestError(
        f"nested deeper than {limits().tree_depth} levels; flatten it, or set "
        f"{setting('tree_depth')} higher on both ends",
        field=where,
    )


def unpack(tree: Tree) -> Any:
    """Returns what was packed.

    Raises ProtocolError for bytes that no `pack` made, ABSENT among them, and BusyError for what is larger
    or nested deeper than the limits.
    """
    if len(tree) > limits().tree_mib << 20:
        raise exceeded(f"a nested argument has over {limits().tree_mib} MiB without its tensors", "tree_mib")
    try:
        value = _decode(tree, 0)
    except (ProtocolError, BusyError):
        raise
    except msgpack.exceptions.StackError:
        raise _sent_too_deep() from None
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise ProtocolError(f"a nested argument cannot be read ({type(error).__name__}: {error})") from None
    _check(value)
    return value


def unpack_map(tree: Tree) -> dict[str, Any]:
    """Returns a packed map with texts for keys; empty for ABSENT. Raises as `unpack`."""
    value = {} if tree == ABSENT else unpack(tree)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ProtocolError("a nested argument is no map from names to values, where one is needed")
    return value


def _decode(packed: bytes, depth: int) -> Any:
    if depth > limits().tree_depth:
        raise _sent_too_deep()

    def from_extension(code: int, content: bytes) -> Any:
        return _from_extension(code, _decode(content, depth + 1))

    # Msgpack's compiled reader takes memory for as many items as an array claims to have, at each level;
    # this one for those that came.
    return msgpack.fallback.unpackb(packed, raw=False, strict_map_key=False, ext_hook=from_extension)


def _sent_too_deep() -> BusyError:
    return exceeded(f"an argument is nested deeper than {limits().tree_depth} levels", "tree_depth")


def _check(value: Any) -> None:
    """Raises for what `pack` would not have made of anything: kinds of keys and leaves, depth."""
    waiting, most = [(value, 0)], limits().tree_depth
    while waiting:
        item, depth = waiting.pop()
        if depth > most:
            raise _sent_too_deep()
        if isinstance(item, dict):
            if not all(isinstance(key, (str, int)) for key in item):
                raise ProtocolError("a nested argument has a key that is neither a string nor an integer")
            waiting += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += [(inner, depth + 1) for inner in item]
        elif item is not None and not isinstance(item, _LEAVES):
            raise ProtocolError(
                f"a nested argument holds a {type(item).__name__}, which is not allowed in one"
            )


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
    if depth > limits().tree_depth:
        raise too_deep(where)
    if value is None or isinstance(value, (bool, float, str, bytes)):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise InvalidRequestError(f"the integer {value} does not fit 64 bits", field=where)
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
                raise InvalidRequestError(f"the key {key!r} is neither a string nor an integer", field=where)
        return {key: _plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    raise InvalidRequestError(
        f"a {type(value).__qualname__} cannot travel; allowed: NumPy arrays, numbers, strings, "
        "bytes, None, and lists, tuples and dicts of them",
        field=where,
    )


def _from_extension(code: int, inner: Any) -> Any:
    if code == _TUPLE and isinstance(inner, list):
        return tuple(inner)
    if isinstance(inner, list) and len(inner) == 2:
        first, second = inner
        if code == _TENSOR and type(first) is int and first >= 0 and isinstance(second, bool):
            return TensorRef(number=first, requires_grad=second)
        if code == _COMPLEX and isinstance(first, (int, float)) and isinstance(second, (int, float)):
            return complex(first, second)
    raise ProtocolError(f"a nested argument holds an unknown extension {code}")
