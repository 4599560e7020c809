"""Open files that show whether this process has begun to use a device: its forks could not."""

from __future__ import annotations

import os
from collections.abc import Iterable

_DEVICE_FILES = ("/dev/nvidia-uvm", "/dev/kfd")


def open_files() -> list[str]:
    """Returns what this process's descriptors stand for."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:  # the listing's own
            continue
    return found


def holds_device(files: Iterable[str]) -> bool:
    """Whether a process with these open files has begun to use a device."""
    return any(name.startswith(_DEVICE_FILES) for name in files)
