"""Watching a layer's calls in every version of Paddle, without an assignment to the layer.

A class may do as it likes with what is assigned to its layers: large model libraries wrap any `forward`.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Optional

import paddle

from padiff_worker.adapter import EntryHook, ExitHook, Remove

# Before 3.0 no hook sees keyword arguments.
_HOOKS_SEE_KEYWORDS = "with_kwargs" in inspect.signature(paddle.nn.Layer.register_forward_pre_hook).parameters


def watch(layer: Any, entry: EntryHook, exit: ExitHook) -> Remove:
    def after(_: Any, args: tuple[Any, ...], output: Any) -> Optional[Any]:
        return exit(output)

    remove_before = (_watch_entry if _HOOKS_SEE_KEYWORDS else _watch_entry_in_forward)(layer, entry)
    handle = layer.register_forward_post_hook(after)

    def remove() -> None:
        remove_before()
        handle.remove()

    return remove


def _watch_entry(layer: Any, entry: EntryHook) -> Remove:
    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Optional[tuple[Any, Any]]:
        return entry(args, kwargs)

    remove: Remove = layer.register_forward_pre_hook(before, with_kwargs=True).remove
    return remove


def _watch_entry_in_forward(layer: Any, entry: EntryHook) -> Remove:
    """Calls `entry` from a `forward` that shadows the layer's own, since hooks see no keyword arguments."""
    forward, attributes = layer.forward, vars(layer)
    own = {"forward": attributes["forward"]} if "forward" in attributes else {}
    is_called = False

    def before(_: Any, args: tuple[Any, ...]) -> None:
        nonlocal is_called
        is_called = True

    @functools.wraps(forward)  # a model may look at its signature
    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal is_called
        # A `forward` that the user's code calls itself is no call of the layer.
        replaced = entry(args, kwargs) if is_called else None
        is_called = False
        if replaced is not None:
            args, kwargs = replaced
        return forward(*args, **kwargs)

    handle = layer.register_forward_pre_hook(before)
    attributes["forward"] = watched

    def remove() -> None:
        handle.remove()
        if attributes.get("forward") is watched:
            del attributes["forward"]
            attributes.update(own)

    return remove
