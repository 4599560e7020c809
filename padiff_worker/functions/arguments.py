"""Arguments of functions that are no tensors, as records in the common vocabulary."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import PaDiffError
from padiff_rpc.records import Tree, record
from padiff_rpc.v1.records import FunctionArgument
from padiff_worker.functions.words import FunctionWords
from padiff_worker.tensor_verbs import TensorVerbs

# An argument without a default, or whose default nobody knows.
NO_DEFAULT: Any = inspect.Parameter.empty
_LONGEST_TEXT = 80
_MOST_ITEMS = 64
# What is its own neutral form.
_PLAIN = frozenset({type(None), bool, int, float, complex, str})


@record
class Argument:
    """An argument under the framework's own name; "" where nobody knows it."""

    value: Any
    name: str = ""
    default: Any = NO_DEFAULT


def records_of(
    given: Iterable[Argument], verbs: TensorVerbs, words: FunctionWords
) -> tuple[FunctionArgument, ...]:
    """Returns the arguments that are no tensors, nor lists of nothing else."""
    found = []
    for one in given:
        if one.name in words.unnamed or _is_of_tensors(one.value, verbs):
            continue
        name = words.argument(one.name)
        if type(one.value) in _PLAIN:
            found.append(_of_plain(name, repr(one.value), one.value, _equals(one.value, one.default)))
            continue
        found.append(
            FunctionArgument(
                name=name,
                text=_shortened(_text(one.value, verbs)),
                value=_packed(one.value, verbs),
                is_default=_equals(one.value, one.default),
            )
        )
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def _of_plain(name: str, text: str, value: Any, is_default: bool) -> FunctionArgument:
    """Returns the record of what is its own neutral form; `text` tells apart what Python holds equal."""
    return FunctionArgument(name=name, text=_shortened(text), value=_tree(value), is_default=is_default)


def bound(
    signature: Optional[inspect.Signature], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[Argument]:
    """Yields arguments with the names that the function's signature has for them, defaults among them."""
    parameters = list(signature.parameters.values()) if signature is not None else []
    rest = dict(kwargs)
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield Argument(name=parameter.name, value=args[index:])
            args = args[:index]
        elif parameter.kind is parameter.VAR_KEYWORD:
            continue
        elif index < len(args) and parameter.kind is not parameter.KEYWORD_ONLY:
            yield Argument(name=parameter.name, value=args[index], default=parameter.default)
        else:
            value = rest.pop(parameter.name, parameter.default)
            if value is not NO_DEFAULT:
                yield Argument(name=parameter.name, value=value, default=parameter.default)
    yield from (Argument(value=value) for value in args[len(parameters) :])
    yield from (Argument(name=name, value=value) for name, value in rest.items())


def of_frame(frame: FrameType) -> Iterator[Argument]:
    """Yields the arguments of the function that runs in `frame`, as they are by now."""
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    signature = _signature(frame)
    rest = code.co_varnames[count] if code.co_flags & inspect.CO_VARARGS else ""
    keywords = code.co_varnames[count + bool(rest)] if code.co_flags & inspect.CO_VARKEYWORDS else ""
    if not count:
        # It hands on what it was called with; what it takes, its signature may tell.
        yield from bound(signature, values.get(rest, ()), values.get(keywords, {}))
        return
    parameters = signature.parameters if signature is not None else {}
    for name in code.co_varnames[:count]:
        if name in values:
            default = parameters[name].default if name in parameters else NO_DEFAULT
            yield Argument(name=name, value=values[name], default=default)
    for value in values.get(rest, ()):
        yield Argument(value=value)


_SIGNATURES: dict[CodeType, Optional[inspect.Signature]] = {}


def _signature(frame: FrameType) -> Optional[inspect.Signature]:
    """Returns the signature of the function that runs, where its module holds it under its name."""
    code = frame.f_code
    if code not in _SIGNATURES:
        held: Any = frame.f_globals.get(code.co_name)
        function = inspect.unwrap(held) if callable(held) else None
        is_it = getattr(function, "__code__", None) is code
        _SIGNATURES[code] = inspect.signature(function) if is_it and function is not None else None
    return _SIGNATURES[code]


def _is_of_tensors(value: Any, verbs: TensorVerbs) -> bool:
    if type(value) in _PLAIN:
        return False
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_of_tensors(item, verbs) for item in value)
    return verbs.is_tensor(value)


def _equals(value: Any, default: Any) -> bool:
    if value is default:
        return True
    if isinstance(value, (list, tuple)) and isinstance(default, (list, tuple)):
        return len(value) == len(default) and all(map(_equals, value, default))
    simple = (bool, int, float, str)
    return isinstance(value, simple) and type(value) is type(default) and value == default


def _packed(value: Any, verbs: TensorVerbs) -> Tree:
    try:
        return _tree(_plain(value, verbs))
    except _NotPlain:
        return trees.ABSENT


def _tree(plain: Any) -> Tree:
    try:
        return trees.pack(plain)
    except (PaDiffError, OverflowError, ValueError):
        return trees.ABSENT


class _NotPlain(Exception):
    """A value that has no neutral form."""


def _plain(value: Any, verbs: TensorVerbs) -> Any:
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return value
    if isinstance(value, (list, tuple)) and len(value) <= _MOST_ITEMS:
        return [_plain(item, verbs) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    dtype = _dtype(value, verbs)
    if dtype:
        return dtype
    raise _NotPlain


def _dtype(value: Any, verbs: TensorVerbs) -> str:
    try:
        return str(verbs.dtypes[value]) if value in verbs.dtypes else ""
    except TypeError:  # what has no hash is no dtype
        return ""


def _text(value: Any, verbs: TensorVerbs) -> str:
    if verbs.is_tensor(value):
        return "tensor"
    if isinstance(value, (list, tuple)):
        items = [_text(item, verbs) for item in value[:_MOST_ITEMS]]
        listed = ", ".join(items) + ("," if len(items) == 1 and isinstance(value, tuple) else "")
        return f"[{listed}]" if isinstance(value, list) else f"({listed})"
    if isinstance(value, slice):
        ends = [_end(value.start, verbs), _end(value.stop, verbs)]
        return ":".join(ends if value.step is None else [*ends, _end(value.step, verbs)])
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.generic):
        return repr(value.item())
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return repr(value)
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    is_frameworks = type(value).__module__.partition(".")[0] == verbs.name and not hasattr(value, "shape")
    # A device, say; what else there is may hold tensors, and take long to write out.
    return _dtype(value, verbs) or (str(value) if is_frameworks else type(value).__name__)


def _end(value: Any, verbs: TensorVerbs) -> str:
    return "" if value is None else _text(value, verbs)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 3] + "..."
