"""Calls of a model as a whole, seen before anything of the model runs.

A hook on the model would not serve: what begins a step attaches hooks itself, and no framework lets a hook
attach others to the layer that it runs for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from padiff_worker.adapter import Remove


def watch_calls(
    owner: type, before: Callable[[Any], None], is_compiling: Callable[[], bool] = lambda: False
) -> Remove:
    """Calls `before` with each object of the class `owner`, or of one below, that is about to be called.

    Not where the framework only reads the call, to compile it (`is_compiling`).
    """
    plain = owner.__call__
    is_own = "__call__" in vars(owner)

    @functools.wraps(plain)
    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_compiling():
            before(layer)
        return plain(layer, *args, **kwargs)

    owner.__call__ = called  # type: ignore[method-assign]

    def remove() -> None:
        if vars(owner).get("__call__") is not called:
            return
        if is_own:
            owner.__call__ = plain  # type: ignore[method-assign]
        else:
            del owner.__call__

    return remove


def is_of_class(layer: Any, name: str) -> bool:
    """Whether a class of an object, or a base of it, has this name, bare ("ResNet") or qualified."""
    return any(
        name in (one.__qualname__, f"{one.__module__}.{one.__qualname__}") for one in type(layer).__mro__
    )
