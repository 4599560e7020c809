"""Torch's process-wide settings: device, random generators, determinism, threads."""

from __future__ import annotations

import os
from typing import Any

import torch

from padiff_worker.devices import own_name


def devices() -> tuple[str, ...]:
    return ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))


def configure(*, device: str, seed: int, deterministic: bool, threads: int) -> tuple[str, ...]:
    device = own_name(device, devices())
    flags = [f"deterministic={'on' if deterministic else 'off'}"]
    if deterministic and device != "cpu":
        # Read by cuBLAS when it makes its first handle.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
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
    set_seed(seed)
    return tuple(flags)


def set_seed(seed: int) -> None:
    torch.manual_seed(seed)


def random_state() -> Any:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


def set_random_state(state: Any) -> None:
    host, cuda = state
    torch.set_rng_state(host)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)


def synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def release_memory() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
