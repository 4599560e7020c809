"""Records a conversation of client, coordinator and workers, for the tests that have it again.

Run it when PROTOCOL_VERSION was raised: `.venv/client/bin/python tests/record_conversation.py`. Where today's
code does not understand the recording any more, the version has to be raised first.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / name) for name in ("client", "tests/fakes", "tests/integration"))]

from conversation import write  # noqa: E402
from conversation_script import talk  # noqa: E402
from processes import running, running_worker  # noqa: E402
from proxy import Said, proxy  # noqa: E402

RECORDING = ROOT / "tests" / "recordings" / "comparison.bin"


def main() -> None:
    """Writes the recording, and says how large it is."""
    lines: list[tuple[str, Said]] = []

    def note(link: str, said: Said) -> bytes:
        lines.append((link, said))
        return said.content

    with ExitStack() as exits:
        start = exits.enter_context
        folder = Path(start(tempfile.TemporaryDirectory()))
        coordinator = start(running("-m", "padiff_server", "--allow-any-worker", log=folder / "c.log"))
        workers = {
            side: start(proxy(start(running_worker(folder, side)).address, partial(note, side)))
            for side in ("reference", "candidate")
        }
        client = start(proxy(coordinator.address, partial(note, "client")))
        talk(client, workers["reference"], workers["candidate"])
    RECORDING.parent.mkdir(exist_ok=True)
    write(RECORDING, lines)
    print(f"{RECORDING.relative_to(ROOT)}: {len(lines)} messages, {RECORDING.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
