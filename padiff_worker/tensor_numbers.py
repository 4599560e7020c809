"""The numbers of the tensors of one step."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Optional

_UNSEEN = (0, None)


class TensorNumbers:
    """Gives each tensor object, at each of its versions, one number from 1. Not thread-safe.

    `identity` is the adapter's verb; since an identity may be given to a new tensor once its owner is
    dead, a tensor counts as seen only while the object that was seen is alive.
    """

    def __init__(self, identity: Callable[[Any], Hashable]) -> None:
        self._identity = identity
        self._seen: dict[Hashable, tuple[int, weakref.ref[Any]]] = {}
        self._last = 0

    def fresh(self) -> int:
        """Returns the next number, for what is no tensor of the model's calls."""
        self._last += 1
        return self._last

    def known(self, tensor: Any) -> Optional[int]:
        """Returns the number of a tensor that was seen before, or None."""
        number, alive = self._seen.get(self._identity(tensor), _UNSEEN)
        return number if alive is not None and alive() is tensor else None

    def of(self, tensor: Any) -> tuple[int, bool]:
        """Returns the tensor's number, and whether it is seen for the first time."""
        identity = self._identity(tensor)
        number, alive = self._seen.get(identity, _UNSEEN)
        if alive is not None and alive() is tensor:
            return number, False
        number = self.fresh()
        self._seen[identity] = (number, weakref.ref(tensor))
        return number, True

    def assign(self, tensor: Any, number: int) -> None:
        """From now on `tensor` goes by `number`."""
        self._seen[self._identity(tensor)] = (number, weakref.ref(tensor))

    def forget(self, tensor: Any) -> None:
        """The next sight of `tensor` is a first one."""
        self._seen.pop(self._identity(tensor), None)
