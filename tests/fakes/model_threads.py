"""A model's thread that works beside a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from padiff_worker.model_thread import ModelThread

PATIENCE = 30.0

T = TypeVar("T", bound=ModelThread)


@contextmanager
def working(thread: T) -> Iterator[T]:
    """Provides `thread` while it takes jobs."""
    serving = threading.Thread(target=thread.serve_forever)
    serving.start()
    try:
        yield thread
    finally:
        thread.stop()
        serving.join(PATIENCE)
