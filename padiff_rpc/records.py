"""The decorator of every value that this project passes around, and the type of a packed argument."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType, TypeVar

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
