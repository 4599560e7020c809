"""Parameters that no pass is expected to change, known by digests in place of copies of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from padiff_rpc.tensors import byte_count, checksum
from padiff_worker.adapter import FrameworkAdapter

# A smaller parameter is copied whatever is expected of it: together these are little, and what models change
# in place is small more often than not (a temperature that is clipped, the scales of a quantizer).
_LEAST_BYTES = 64 * 2**10


class SparedParameters:
    """Large parameters whose values are not remembered, and which are noticed when they change all the same.

    By a CRC-32 of their bytes, at some 2 GB/s. A framework's counter of changes in place would cost nothing,
    but Torch's does not see what is written through `.data`, nor does any see what NumPy writes into shared
    memory. A change that nobody means to hide needs no stronger digest: one in four thousand million would be
    overlooked.
    """

    def __init__(self, adapter: FrameworkAdapter, parameters: Mapping[str, Any]) -> None:
        """Takes those of `parameters`, by their full names, that are large enough, as they are now."""
        self._adapter = adapter
        self._known = {
            name: (tensor, self._digest(tensor))
            for name, tensor in parameters.items()
            if byte_count(adapter.spec(tensor)) >= _LEAST_BYTES
        }

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def changed(self) -> tuple[str, ...]:
        """Returns the names of those that are not as they were; their values then are nowhere."""
        return tuple(name for name, (tensor, digest) in self._known.items() if self._digest(tensor) != digest)

    def leave(self, name: str) -> None:
        """Spares a parameter no longer."""
        del self._known[name]

    def _digest(self, tensor: Any) -> tuple[Any, int]:
        return self._adapter.spec(tensor), checksum(self._adapter.host_view(tensor))
