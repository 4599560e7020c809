"""The base of the contract's fixed lists (`padiff_rpc.v1.words`), and how a word is read from text."""

from __future__ import annotations

import enum
from typing import Any, TypeVar

from padiff_rpc.names import not_among


class Word(str, enum.Enum):
    """A value from a fixed list; equal to, and printed as, its lower-case word."""

    def __str__(self) -> str:
        return str(self.value)


W = TypeVar("W", bound=Word)


def word(kind: type[W], value: Any, *, field: str) -> W:
    """Returns `value` (a word or its text) as a `kind`; InvalidRequestError lists the allowed ones."""
    try:
        return kind(value)
    except ValueError:
        raise not_among(value, map(str, kind), field=field) from None
