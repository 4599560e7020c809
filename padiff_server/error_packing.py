"""Own errors as bytes: for files of floors, and for recordings."""

from __future__ import annotations

import logging
from typing import Any, Optional, TypeVar

import msgpack
import numpy as np
from cattrs.preconf.msgpack import make_converter

from padiff_compare.judge.outliers import Indices
from padiff_compare.steps.own_errors import OwnErrors, StepErrors

# Part of every key and package; another number wherever own errors come to be measured otherwise.
MEASURED_AS = 1

logger = logging.getLogger(__name__)

E = TypeVar("E", OwnErrors, StepErrors)


class MsgpackErrors:
    """Packs own errors as msgpack. Thread-safe."""

    def __init__(self) -> None:
        self._converter = make_converter()
        self._converter.register_unstructure_hook_func(_is_positions, lambda positions: positions.tobytes())
        self._converter.register_structure_hook_func(_is_positions, lambda packed, _: _unpacked(packed))

    def packed(self, errors: E) -> bytes:
        """Returns own errors as bytes."""
        packed: bytes = msgpack.packb(self._converter.unstructure(errors))
        return packed

    def unpacked(self, packed: bytes, kind: type[E]) -> E:
        """Returns what `packed` made; raises whatever a damaged package may bring about."""
        return self._converter.structure(msgpack.unpackb(packed, strict_map_key=False), kind)

    def pack(self, errors: StepErrors) -> bytes:
        """Returns a step's own errors as a recording holds them."""
        return bytes([MEASURED_AS]) + self.packed(errors)

    def unpack(self, packed: bytes) -> Optional[StepErrors]:
        """Returns a step's own errors; None of damaged ones, or of a version that measured otherwise."""
        if packed[:1] != bytes([MEASURED_AS]):
            return None
        try:
            return self.unpacked(packed[1:], StepErrors)
        except Exception as error:  # whatever a damaged recording may hold
            logger.warning("floors of a recording are not used: %s", error)
            return None


def _is_positions(kind: Any) -> bool:
    return bool(kind == Indices)


def _unpacked(packed: bytes) -> Indices:
    return np.frombuffer(packed, np.int64)
