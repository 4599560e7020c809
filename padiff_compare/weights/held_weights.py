"""Weights that the candidate holds already, bit by bit, and that need not be written."""

from __future__ import annotations

from collections.abc import Sequence

from padiff_compare.capture.source import Source
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.tensors import HostTensor, byte_count, cast, digest
from padiff_rpc.v1.words import Transport

# Of weights whose digests are asked for at a time.
_ASKED_BYTES = 16 << 20


class HeldWeights:
    """Asks the candidate for digests ahead of what is to be written, as long as that saves anything.

    Digests are asked for where weights cross a connection: through shared memory a weight is sent in less
    time than it takes to hash. Once less than half of the bytes that were asked about were there already,
    the rest is written unasked.
    """

    def __init__(self, candidate: Source, pairs: Sequence[WeightPair]) -> None:
        """`pairs`: all that are to be written, in their order."""
        self._weights = candidate.weights
        self._left = list(reversed(pairs)) if candidate.transport is Transport.GRPC else []
        self._digests: dict[str, bytes] = {}
        self._asked_bytes = self._held_bytes = 0

    def has(self, pair: WeightPair, value: HostTensor) -> bool:
        """Whether the candidate's weight of the pair, the next to be written, is `value` to the last bit."""
        if not self._digests:
            self._ask()
        own = self._digests.pop(pair.candidate_name, None)
        is_held = own is not None and own == digest(cast(value, pair.candidate.weight.spec.dtype))
        self._held_bytes += byte_count(pair.candidate.weight.spec) if is_held else 0
        return is_held

    def _ask(self) -> None:
        """Asks for the next digests; for no more where that did not pay so far."""
        if 2 * self._held_bytes < self._asked_bytes:
            self._left.clear()
        names, size = [], 0
        while self._left and size < _ASKED_BYTES:
            pair = self._left.pop()
            names.append(pair.candidate_name)
            size += byte_count(pair.candidate.weight.spec)
        found = self._weights.digests(names) if names else ()
        if not found:  # a worker that has none to say
            self._left.clear()
        self._asked_bytes += size
        self._digests = dict(zip(names, found))
