"""Settings of a worker process."""

from __future__ import annotations

import os
from typing import Optional

from padiff_rpc.arena_file import LEAST_BYTES, settled_folder
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.paths import checked_path
from padiff_rpc.records import record

# A lease, a step, a weights stream, look-ups; and room for callers that are told to wait.
STREAMS = 16


@record
class WorkerSettings:
    """What the worker's user decides, and its callers do not.

    Attributes:
        roots: folders whose modules may be named in references.
        allowed_packages: packages elsewhere that may be named too.
        save_root: the folder under which states may be saved; None forbids saving.
        capture_bytes: captured tensors waiting to be sent before the model waits for them.
        arena_folder: where memory lies that is shared with a coordinator on this host; NONE: none is.
        arena_bytes: how much of it at most.
        threads_alone: with how many threads the framework computes while no other worker does; 0: as ever.
    """

    roots: tuple[str, ...] = ()
    allowed_packages: tuple[str, ...] = ()
    save_root: Optional[str] = None
    capture_bytes: int = 2048 << 20
    arena_folder: str = ""
    arena_bytes: int = 2048 << 20
    threads_alone: int = 0

    def __post_init__(self) -> None:
        for field, folder in (*(("path", root) for root in self.roots), ("save_root", self.save_root)):
            if folder is not None and not os.path.isdir(checked_path(folder, field=field)):
                raise InvalidRequestError(
                    f"{folder!r} is no folder on this machine; make it first", field=field
                )
        if self.capture_bytes < 1:
            raise InvalidRequestError("allowed: a whole number of at least 1", field="capture_mib")
        if self.arena_bytes < LEAST_BYTES:
            raise InvalidRequestError("allowed: a whole number of at least 1", field="shared_mib")
        folder = settled_folder(self.arena_folder, field="shared_memory")
        object.__setattr__(self, "arena_folder", folder)
