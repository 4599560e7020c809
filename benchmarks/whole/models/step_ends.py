"""Times at which the optimizers of the benchmark of steps have stepped, told through a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path


def stepped(framework: str) -> None:
    """Writes the time, as seconds since the epoch, over that of the step before."""
    folder = os.environ.get("BENCHMARK_ENDS")
    if folder:
        (Path(folder) / framework).write_text(repr(time.time()))
