"""Progress as two lines that stay at the foot of a terminal. Needs rich, the `terminal` extra."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from padiff_client import wording
from padiff_client.progress import Course
from padiff_client.progress_lines import amounts, calls, where

_A_SECOND = 4
_BAR_WIDTH = 24


class LiveBar:
    """Shows where a run is, and clears that at its end. What others write to stderr stands above."""

    def __init__(self, course: Course) -> None:
        console = Console(stderr=True)
        self._live = Live(_Foot(course), console=console, refresh_per_second=_A_SECOND, transient=True)

    def __enter__(self) -> LiveBar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class _Foot:
    """Two lines: what is being done, with calls; a bar with seconds, bytes and what is left."""

    def __init__(self, course: Course) -> None:
        self._course = course

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        standing = self._course.standing()
        first = Text(where(standing), style="bold", no_wrap=True, overflow="ellipsis")
        counted = calls(standing.sides)
        if counted:
            first.append(f": {counted}", style="not bold")
        share = standing.share
        bar = ProgressBar(
            total=1.0,
            completed=share or 0.0,
            width=_BAR_WIDTH,
            pulse=share is None,
            animation_time=standing.seconds,
        )
        percent = "" if share is None else f"{share:4.0%}"
        told = ", ".join(filter(None, (wording.clock(standing.seconds), amounts(standing))))
        second = Table.grid(padding=(0, 1))
        second.add_row(bar, Text(percent), Text(told, no_wrap=True, overflow="ellipsis"))
        yield Group(first, second)
