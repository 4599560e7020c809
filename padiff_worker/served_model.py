"""A model that the worker's own script made, in place of one that a spec names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from padiff_rpc.records import record


@record
class ServedModel:
    """The live model, with what its script brought along."""

    model: Any
    loss: Optional[Callable[..., Any]] = None
    optimizer: Optional[Any] = None
