"""Paddle's process-wide settings: device, random generators, determinism, threads."""

from __future__ import annotations

from typing import Any

import paddle

from padiff_worker.devices import own_name


def devices() -> tuple[str, ...]:
    if not paddle.is_compiled_with_cuda():
        return ("cpu",)
    return ("cpu", *(f"gpu:{index}" for index in range(paddle.device.cuda.device_count())))


def configure(*, device: str, seed: int, deterministic: bool, threads: int) -> tuple[str, ...]:
    device = own_name(device, devices())
    flags = [f"deterministic={'on' if deterministic else 'off'}"]
    paddle.set_device(device)
    if device != "cpu":
        paddle.set_flags({"FLAGS_cudnn_deterministic": deterministic})
        # Both frameworks may round float32 products to 10 bits on a GPU, each in its own places.
        paddle.base.core.set_cublas_switch(False)
        paddle.base.core.set_cudnn_switch(False)
        flags.append("tf32=off")
    if threads:
        paddle.base.core.set_num_threads(threads)
        flags.append(f"threads={threads}")
    set_seed(seed)
    return tuple(flags)


def set_seed(seed: int) -> None:
    # Paddle takes no negative seed.
    paddle.seed(seed % 2**64)


def random_state() -> Any:
    on_devices = paddle.get_cuda_rng_state() if paddle.is_compiled_with_cuda() else []
    return paddle.base.core.default_cpu_generator().get_state(), on_devices


def set_random_state(state: Any) -> None:
    host, on_devices = state
    # The public way to name a device here is broken in 2.6.
    paddle.base.core.default_cpu_generator().set_state(host)
    if on_devices:
        paddle.set_cuda_rng_state(on_devices)


def synchronize() -> None:
    if paddle.is_compiled_with_cuda() and paddle.get_device() != "cpu":
        paddle.device.synchronize()


def release_memory() -> None:
    if paddle.is_compiled_with_cuda() and paddle.get_device() != "cpu":
        paddle.device.cuda.empty_cache()
