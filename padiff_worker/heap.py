"""The heap of this process, which the C library keeps for the next that asks."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, Optional


def give_back_free_memory() -> None:
    """Gives what nobody uses back to the machine, where the C library can; some milliseconds.

    The activations and gradients of a pass are hundreds of megabytes, and a worker may wait long for its
    next one while the other side works.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim() -> Optional[Any]:
    """Returns `malloc_trim` of the GNU C library; None where there is another."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
