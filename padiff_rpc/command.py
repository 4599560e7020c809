"""The `padiff` command, before the client is imported: the client's own package imports all of it."""

from __future__ import annotations

import importlib
import time

from padiff_rpc.collector import collect_seldom
from padiff_rpc.grpc_log import hush_grpc
from padiff_rpc.interrupts import end_at_interrupt

_COMMAND = "padiff_client.cli"


def main() -> int:
    """Runs the command; returns the exit code."""
    began = time.monotonic()
    end_at_interrupt("padiff")
    hush_grpc()
    collect_seldom()
    return int(importlib.import_module(_COMMAND).main(began=began))
