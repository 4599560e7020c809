"""Protocol of what a framework tells of its functions while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Optional, Protocol

from padiff_worker.functions.arguments import Argument

# Given the frame of the framework's outermost function around a call, or None, returns the call's arguments.
Describe = Callable[[Optional[FrameType]], Iterable[Argument]]


class FunctionWatcher(Protocol):
    """Is told of each function that runs, and runs it."""

    @property
    def is_listening(self) -> bool:
        """Whether anything is to be told now; costs little."""

    @property
    def is_fine(self) -> bool:
        """Whether functions that the framework writes in Python are to be told of as those that they call."""

    def call(
        self,
        name: str,
        run: Callable[[], Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        describe: Describe,
        *,
        writes: bool = False,
        own_backward: bool = False,
    ) -> Any:
        """Returns what `run()` does; what runs in it is a part of the function `name`, and not told of.

        `writes`: it changes its first argument, even where the tensor's version does not tell;
        `own_backward`: the user's code sends its gradients.
        """

    def hook(self, run: Callable[[], Any], tensor: Any) -> Any:
        """Returns what `run()` does, which puts a hook of the user's on the tensor's gradient.

        As `call`, where `is_listening` alone.
        """
