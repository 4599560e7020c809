"""Parts of a step beside its layers: autocast, and the optimizer with its learning-rate scheduler."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import paddle

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import FrameworkAdapter, Remove, nothing


class PaddleSteps(FrameworkAdapter):
    """Paddle's answers to the verbs of a step and its optimizer."""

    def autocast(self, device: str, dtype: DType) -> AbstractContextManager[None]:
        if device == "cpu":
            # Paddle warns and goes on without; something else would be compared.
            raise InvalidRequestError(
                f"paddle has none on the CPU; leave autocast out, take a GPU, or set dtype to {dtype}",
                field="autocast",
            )
        if dtype not in (DType.FLOAT16, DType.BFLOAT16):
            raise InvalidRequestError(
                f"paddle has none to {dtype}; allowed: float16, bfloat16", field="autocast"
            )
        context: AbstractContextManager[None] = paddle.amp.auto_cast(True, level="O1", dtype=dtype.value)
        return context

    def watch_step(
        self, optimizer: Any, before: Callable[[], None], after: Callable[[], None] = nothing
    ) -> Remove:
        # A user's script may have put its own there.
        own = {name: vars(optimizer)[name] for name in _STEPS if name in vars(optimizer)}
        for name in _STEPS:
            setattr(optimizer, name, _between(before, getattr(optimizer, name), after))

        def remove() -> None:
            for name in _STEPS:
                vars(optimizer).pop(name, None)
            vars(optimizer).update(own)

        return remove

    def step(self, optimizer: Any) -> None:
        """A learning-rate scheduler inside the optimizer is stepped after it."""
        optimizer.step()
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()
        optimizer.clear_grad(set_to_zero=False)


# `minimize` does not go through `step`.
_STEPS = ("step", "minimize")


def _between(
    before: Callable[[], None], method: Callable[..., Any], after: Callable[[], None]
) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        before()
        returned = method(*args, **kwargs)
        after()
        return returned

    return watched
