"""Digest of the code that a process has imported, by which the same code is known again."""

from __future__ import annotations

import hashlib
import os
import sys


def code_digest() -> str:
    """Returns what tells the modules imported by now from others: their files, and when each was written.

    What is imported later, and what code reads (files, the environment), is not in it.
    """
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(file, str):
            continue
        try:
            status = os.stat(file)
        except OSError:
            continue
        digest.update(repr((name, file, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()
