"""Torch's process-wide settings: device, random generators, determinism, threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import torch

from padiff_worker.adapter import FrameworkAdapter, Restore


class TorchProcess(FrameworkAdapter):
    """Torch's answers to the verbs of the process."""

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))

    def set_up(self, device: str, *, deterministic: bool, threads: int) -> tuple[str, ...]:
        flags = []
        if deterministic and device != "cpu":
            # Read by cuBLAS when it makes its first handle.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        _use_deterministic_algorithms(deterministic)
        # Filling every new tensor costs a pass over memory and makes no kernel deterministic.
        torch.utils.deterministic.fill_uninitialized_memory = False
        torch.backends.cudnn.deterministic = deterministic
        torch.backends.cudnn.benchmark = False
        if device != "cpu":
            torch.cuda.set_device(device)
            # Both frameworks may round float32 products to 10 bits on a GPU, each in its own places.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            flags.append("tf32=off")
        if threads:
            torch.set_num_threads(threads)
        flags.append(f"threads={torch.get_num_threads()}")
        return tuple(flags)

    @contextmanager
    def threads(self, count: int) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def keep_random(self) -> Restore:
        host = torch.get_rng_state()
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []

        def restore() -> None:
            torch.set_rng_state(host)
            if cuda:
                torch.cuda.set_rng_state_all(cuda)

        return restore

    def accelerator(self) -> Optional[Any]:
        return torch.cuda if torch.cuda.is_initialized() else None


def _use_deterministic_algorithms(mode: bool) -> None:
    """Asks for deterministic kernels; of those that have none, a warning.

    Torch's own function imports its compiler, to tell that too, which takes as long as importing Torch.
    """
    set_for_kernels = getattr(torch._C, "_set_deterministic_algorithms", None)
    if set_for_kernels is None or "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(mode, warn_only=True)
    else:
        set_for_kernels(mode, warn_only=True)
