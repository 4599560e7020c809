"""One call of a user's train step, with what it does beside the layers told to us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Optional

from padiff_worker.adapter import AroundBackward, FrameworkAdapter


class StepEnded(BaseException):
    """Leaves a train step where nothing more of it is wanted. No Exception, so that nobody swallows it."""


def watched_call(
    adapter: FrameworkAdapter,
    train_step: Callable[..., Any],
    model: Any,
    batch: Any,
    optimizer: Optional[Any],
    *,
    around_backward: AroundBackward,
    before_step: Callable[[], None],
) -> Any:
    """Returns what `train_step(model, batch, optimizer)` returns.

    Every backward runs in a context of `around_backward` (also one inside another), and `before_step` is
    called when the optimizer is about to step.
    """
    with ExitStack() as exits:
        exits.enter_context(adapter.gradient_mode(True))
        exits.callback(adapter.watch_backward(around_backward))
        if optimizer is not None and adapter.is_optimizer(optimizer):
            exits.callback(adapter.watch_step(optimizer, before_step))
        elif optimizer is not None:
            optimizer = _after(before_step, optimizer)
        return train_step(model, batch, optimizer)


def call_until_backward(
    adapter: FrameworkAdapter,
    train_step: Callable[..., Any],
    model: Any,
    batch: Any,
    optimizer: Optional[Any],
    is_inside: Callable[[], bool],
) -> None:
    """Calls a train step up to its first backward, or its optimizer's step if that comes first.

    A backward `is_inside` a layer's call is the model's own, and no end.
    """

    @contextmanager
    def backward(_: tuple[Any, ...]) -> Iterator[None]:
        if not is_inside():
            raise StepEnded
        yield

    def step() -> None:
        raise StepEnded

    with suppress(StepEnded):
        watched_call(adapter, train_step, model, batch, optimizer, around_backward=backward, before_step=step)


def _after(before: Callable[[], None], optimizer: Callable[[], Any]) -> Callable[[], Any]:
    def step() -> Any:
        before()
        return optimizer()

    return step
