"""Facts behind what a framework says when a model cannot take its batch."""

from __future__ import annotations

import inspect
import re
from typing import Any

from padiff_rpc import trees
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import Arguments

# What a batch is called that the user's loader gave.
_LOADED = "batch"
# Words by which frameworks name dtypes in errors.
_DTYPES = re.compile(
    r"\b(data[_ ]?types?|dtypes?|scalar types?|(u?int|b?float|complex)\d+|long|int|double|float|half"
    r"|[\w.]*(Long|Int|Double|Float|Half)Tensor)\b",
    re.IGNORECASE,
)

_POSITION = re.compile(r"\.(\d+)(?=\.|$)")


def hint(adapter: FrameworkAdapter, model: Any, given: Arguments, error: BaseException) -> str:
    """Returns what a reader of `error`, which `model` raised when called with `given`, has to know; or ""."""
    if isinstance(error, TypeError):
        return _wanted(model, given)
    if isinstance(error, (RuntimeError, ValueError)) and _DTYPES.search(str(error)):
        return _dtypes(adapter, model, given)
    return ""


def _wanted(model: Any, given: Arguments) -> str:
    """Returns what the model's forward takes where that is not what it was given."""
    try:
        signature = inspect.signature(model.forward)
    except (AttributeError, TypeError, ValueError):  # some that are built in have none
        return ""
    try:
        signature.bind(*given.args, **given.kwargs)
    except TypeError:
        bare = (one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values())
        return f"forward takes: {', '.join(map(str, bare)) or 'nothing'}"
    return ""


def _dtypes(adapter: FrameworkAdapter, model: Any, given: Arguments) -> str:
    """Returns the dtypes of the batch's tensors, by what its user calls them, and those of the weights."""
    parts: list[str] = []

    def note(leaf: Any, place: str) -> None:
        if adapter.is_tensor(leaf):
            written = _POSITION.sub(r"[\1]", place)
            parts.append(f"{written}.dtype is {adapter.spec(leaf).dtype}")

    trees.map_leaves(given.args, note, given.args_name or _LOADED)
    trees.map_leaves(given.kwargs, note, given.kwargs_name or _LOADED)
    if not parts:
        return ""
    found = {adapter.spec(weight).dtype: None for weight in adapter.weights(model).values()}
    computing = " and ".join(str(dtype) for dtype in found if dtype in FLOATING | COMPLEX)
    return ", ".join(parts) + (f"; the weights are {computing}" if computing else "")
