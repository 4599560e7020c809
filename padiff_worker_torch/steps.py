"""Parts of a step beside its layers: autocast, and the optimizer with its learning-rate scheduler."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import FrameworkAdapter, Remove, nothing
from padiff_worker_torch.optimizers import stepping_optimizer


class TorchSteps(FrameworkAdapter):
    """Torch's answers to the verbs of a step and its optimizer."""

    def autocast(self, device: str, dtype: DType) -> AbstractContextManager[None]:
        kind = torch.device(device).type
        with warnings.catch_warnings():
            # Said below, and as an error: autocast that does nothing would compare something else.
            warnings.simplefilter("ignore")
            context: Any = torch.autocast(kind, dtype=getattr(torch, dtype.value))
        if not context._enabled:
            raise InvalidRequestError(
                f"torch has no autocast to {dtype} on {kind}; leave autocast out, or take another dtype",
                field="autocast",
            )
        made: AbstractContextManager[None] = context
        return made

    def watch_step(
        self, optimizer: Any, before: Callable[[], None], after: Callable[[], None] = nothing
    ) -> Remove:
        stepping = stepping_optimizer(optimizer)
        handles = (
            stepping.register_step_pre_hook(lambda *_: before()),
            stepping.register_step_post_hook(lambda *_: after()),
        )

        def remove() -> None:
            for handle in handles:
                handle.remove()

        return remove

    def is_compiling(self) -> bool:
        return bool(torch.compiler.is_compiling())

    def step(self, optimizer: Any) -> None:
        """A learning-rate scheduler stands for its optimizer, and is stepped after it."""
        stepping = stepping_optimizer(optimizer)
        stepping.step()
        if stepping is not optimizer:
            optimizer.step()
        stepping.zero_grad(set_to_none=True)
