"""Paddle's process-wide settings: device, random generators, determinism, threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import paddle

from padiff_worker.adapter import FrameworkAdapter, Restore


class PaddleProcess(FrameworkAdapter):
    """Paddle's answers to the verbs of the process."""

    # What `set_up` has set; 0: nothing.
    _threads = 0

    def devices(self) -> tuple[str, ...]:
        if not paddle.is_compiled_with_cuda():
            return ("cpu",)
        return ("cpu", *(f"gpu:{index}" for index in range(paddle.device.cuda.device_count())))

    def set_up(self, device: str, *, deterministic: bool, threads: int) -> tuple[str, ...]:
        flags = []
        paddle.set_device(device)
        if device != "cpu":
            paddle.set_flags({"FLAGS_cudnn_deterministic": deterministic})
            # Both frameworks may round float32 products to 10 bits on a GPU, each in its own places.
            paddle.base.core.set_cublas_switch(False)
            paddle.base.core.set_cudnn_switch(False)
            flags.append("tf32=off")
        if threads:
            self._threads = threads
            paddle.base.core.set_num_threads(threads)
            flags.append(f"threads={threads}")
        return tuple(flags)

    @contextmanager
    def threads(self, count: int) -> Iterator[None]:
        # Paddle does not tell how many it uses; it sets the variable when it is imported, where it is not.
        before = self._threads or int(os.environ["OMP_NUM_THREADS"])
        paddle.base.core.set_num_threads(count)
        try:
            yield
        finally:
            paddle.base.core.set_num_threads(before)

    def seed(self, seed: int) -> None:
        # Paddle takes no negative seed.
        paddle.seed(seed % 2**64)

    def keep_random(self) -> Restore:
        host, on_devices = random_state()

        def restore() -> None:
            # The public way to name a device here is broken in 2.6.
            paddle.base.core.default_cpu_generator().set_state(host)
            if on_devices:
                paddle.set_cuda_rng_state(on_devices)

        return restore

    def accelerator(self) -> Optional[Any]:
        has_one = paddle.is_compiled_with_cuda() and paddle.get_device() != "cpu"
        return paddle.device.cuda if has_one else None


def random_state() -> tuple[Any, list[Any]]:
    """Returns the state of the host's generator, and those of the devices'."""
    on_devices = paddle.get_cuda_rng_state() if paddle.is_compiled_with_cuda() else []
    return paddle.base.core.default_cpu_generator().get_state(), on_devices
