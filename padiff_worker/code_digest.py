"""Digest of the code that a process has imported, by which the same code is known again."""

from __future__ import annotations

import hashlib
import sys

from padiff_rpc.file_stamps import stamp_of


def code_digest() -> str:
    """Returns what tells the modules imported by now from others: their files, and when each was written.

    What is imported later, and what code reads (files, the environment), is not in it.
    """
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(file, str):
            continue
        stamp = stamp_of(file)
        if stamp is not None:
            digest.update(repr((name, file, stamp)).encode())
    return digest.hexdigest()
