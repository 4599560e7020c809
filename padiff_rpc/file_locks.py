"""Lock files, held by a process and by those that inherit the descriptor, until the last has ended."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def take_lock(descriptor: int) -> None:
    """Locks an open file. Raises BlockingIOError where another process has."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a living process has locked the file; False where there is none. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        take_lock(descriptor)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
