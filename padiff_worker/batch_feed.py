"""The user's loader: batch after batch, as what a model, its loss or a train step is called with."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import StateError
from padiff_rpc.tensors import HostTensor
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import SPELLED_OUT, HostBatch

logger = logging.getLogger(__name__)

_ALLOWED = (
    "give a dict of keyword arguments, a tuple or list of positional ones (the last is the target where the "
    'loss takes one), a lone tensor, or {"args": (...), "kwargs": {...}, "target": ...}'
)


class BatchFeed:
    """The batches of one loader, in order; the one read last may be read again. On the model's thread.

    The loader is called, and its first batch taken, when a batch is first wanted.
    """

    def __init__(
        self, adapter: FrameworkAdapter, make: Callable[[], Any], reference: str, *, has_target: bool
    ) -> None:
        """`reference` names the loader in errors; `has_target`: the last of several items is the target."""
        self._adapter = adapter
        self._make = make
        self._reference = reference
        self._has_target = has_target
        self._items: Optional[Iterator[Any]] = None
        self._read = 0
        self._last: Optional[HostBatch] = None

    def read(self, index: int) -> Optional[HostBatch]:
        """Returns batch `index`, counted from 0; None where the loader has ended.

        What the user's loader raises passes through; TypeError where it gives what is no batch, and
        StateError for a batch that is neither the last one nor the next.
        """
        if self._read and index == self._read - 1:
            return self._last
        if index != self._read:
            raise StateError(f"batch {index} was asked for, and {self._read} of the loader were read")
        if self._items is None:
            made = self._make()
            try:
                self._items = iter(made)
            except TypeError:
                raise TypeError(
                    f"the loader {self._reference!r} returned a {_kind(made)}, which cannot be iterated; "
                    "return an iterable of batches"
                ) from None
        # The last one may be large, and nobody asks for it again.
        self._last = None
        try:
            item = next(self._items)
        except StopIteration:
            return None
        self._read += 1
        self._last = self._batch(item, index)
        return self._last

    def close(self) -> None:
        """Lets go of the loader, with its worker processes if it has any; may be called twice."""
        items, self._items, self._last = self._items, None, None
        close = getattr(items, "close", None)
        if callable(close):
            try:
                close()
            except Exception:
                logger.exception("closing the loader %r failed", self._reference)

    def _batch(self, item: Any, index: int) -> HostBatch:
        tensors: dict[int, HostTensor] = {}
        given = self._on_host(item, tensors, {})
        if isinstance(given, dict):
            if _is_spelled_out(given):
                return self._spelled_out(given, tensors, item, index)
            if not all(isinstance(name, str) for name in given):
                raise self._no_batch(item, index)
            return _host_batch(given, tensors, kwargs=given)
        if isinstance(given, (tuple, list)):
            if self._has_target and len(given) > 1:
                return _host_batch(given, tensors, args=given[:-1], target=given[-1], has_target=True)
            return _host_batch(given, tensors, args=given)
        if isinstance(given, (trees.TensorRef, bool, int, float, complex)):
            return _host_batch(given, tensors, args=(given,))
        raise self._no_batch(item, index)

    def _spelled_out(
        self, given: dict[str, Any], tensors: dict[int, HostTensor], item: Any, index: int
    ) -> HostBatch:
        args, kwargs = given.get("args", ()), given.get("kwargs", {})
        if not isinstance(args, (tuple, list)) or not isinstance(kwargs, dict):
            raise self._no_batch(item, index)
        return _host_batch(
            given,
            tensors,
            args=args,
            kwargs=kwargs,
            target=given.get("target"),
            has_target=given.get("target") is not None,
        )

    def _on_host(
        self, value: Any, tensors: dict[int, HostTensor], numbers: dict[int, tuple[int, Any]]
    ) -> Any:
        """Returns `value` with references in place of tensors and arrays; one object has one number.

        `numbers`: by identity, with the object itself: a mapping may make its values when they are asked for,
        and another one would get the address of one that is gone.
        """
        if isinstance(value, Mapping):
            return {key: self._on_host(item, tensors, numbers) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._on_host(item, tensors, numbers) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, np.generic):
            return value.item()
        is_tensor = self._adapter.is_tensor(value)
        if not is_tensor and not _is_array(value):
            return value
        number, _ = numbers.setdefault(id(value), (len(numbers) + 1, value))
        if number not in tensors:
            tensors[number] = self._adapter.host_copy(value) if is_tensor else HostTensor.from_array(value)
        return trees.TensorRef(
            number=number, requires_grad=is_tensor and self._adapter.requires_gradient(value)
        )

    def _no_batch(self, item: Any, index: int) -> TypeError:
        said = _kind(item)
        if isinstance(item, Mapping):
            said += f" with the keys {', '.join(map(repr, list(item)[:5]))}"
        return TypeError(f"the loader {self._reference!r} gave a {said} as batch {index}; {_ALLOWED}")


def takes_target(loss: Callable[..., Any]) -> bool:
    """Whether `loss` can be called with a second argument."""
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        pass
    return True


def _is_array(value: Any) -> bool:
    # Texts and objects stay what they are.
    return isinstance(value, np.ndarray) and value.dtype.kind not in "OSUMmV"


def _is_spelled_out(given: Mapping[Any, Any]) -> bool:
    return given.keys() <= SPELLED_OUT and bool(given.keys() & {"args", "kwargs"})


def _host_batch(
    given: Any,
    tensors: Mapping[int, HostTensor],
    *,
    args: Any = (),
    kwargs: Optional[dict[str, Any]] = None,
    target: Any = None,
    has_target: bool = False,
) -> HostBatch:
    return HostBatch(
        args=tuple(args),
        kwargs=kwargs or {},
        target=target,
        has_target=has_target,
        tensors=tensors,
        given=given,
    )


def _kind(value: Any) -> str:
    return type(value).__name__
