"""Mistakes of newcomers, made with the real command, and what has to hold for what it says of each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from padiff_rpc.records import record

SECONDS = 120
# As the script `padiff` runs it.
COMMAND = "import sys; from padiff_rpc.command import main; sys.exit(main())"
COMPARE = ("compare", "spec.yaml")
OURS = ("padiff_rpc", "padiff_worker", "padiff_worker_torch", "padiff_worker_paddle", "padiff_server")


@record
class Mistake:
    """What a newcomer got wrong, and what the command is to say of it.

    Attributes:
        spec: the file as the newcomer has it; names in braces stand for what a test has.
        arguments: of the command.
        status: its exit code.
        said: parts of what it prints, in their order.
    """

    spec: str
    arguments: Sequence[str] = COMPARE
    status: int = 2
    said: Sequence[str]


def check(
    mistake: Mistake,
    folder: Path,
    names: Mapping[str, str],
    environment: Optional[Mapping[str, str]] = None,
) -> None:
    """Makes a mistake in a folder, by the real command in a process of its own.

    What it says is one line, or where models ran, a report's first screen and nothing beside it; and no
    stack of ours.
    """
    (folder / "spec.yaml").write_text(mistake.spec.format(**names))
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, *mistake.arguments],
        cwd=folder,
        # Wide, so that no line is broken.
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    whole = f"{ended.stdout}{ended.stderr}"
    assert ended.returncode == mistake.status, whole
    at = 0
    for part in mistake.said:
        assert part in whole[at:], whole
        at = whole.index(part, at)
    own = [line for line in ended.stderr.splitlines() if not _is_progress(line)]
    assert len(own) == (0 if ended.stdout else 1), whole
    assert "Traceback" not in whole
    assert not any(f"{package}/" in whole for package in OURS), whole


def _is_progress(line: str) -> bool:
    """Whether a line tells how long something has lasted: "padiff: 2 s: connecting to the workers"."""
    first, _, _ = line.removeprefix("padiff: ").partition(": ")
    return first.endswith(" s") and first[:-2].isdecimal()
