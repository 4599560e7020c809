"""Records, words of fixed lists and packed arguments: the values that this project passes around."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NewType, TypeVar

from padiff_rpc.names import not_among

T = TypeVar("T")
# A nested argument, packed by `trees`; empty bytes mean "absent".
Tree = NewType("Tree", bytes)

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Returns `cls` as a frozen, keyword-only dataclass (Python 3.9 cannot enforce keyword-only)."""
    if sys.version_info >= (3, 10):
        return dataclass(frozen=True, kw_only=True)(cls)
    return dataclass(frozen=True)(cls)


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
