"""A model that the worker's own script made, in place of one that a spec names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from padiff_rpc.records import record

if TYPE_CHECKING:
    from padiff_worker.watched_script import WatchedScript


@record
class ServedModel:
    """The live model, with what its script brought along.

    `script`: the script that makes the model's steps, and is watched; None: steps are made when asked for.
    """

    model: Any
    loss: Optional[Callable[..., Any]] = None
    optimizer: Optional[Any] = None
    script: Optional[WatchedScript] = None
