"""Serves a recording: `python -m padiff_worker.recorded FILE`."""

from __future__ import annotations

from padiff_rpc.grpc_log import hush_grpc
from padiff_rpc.interrupts import end_at_interrupt


def main() -> int:
    """Serves until told to stop; returns the exit code."""
    end_at_interrupt("padiff-recording")
    hush_grpc()
    from padiff_worker.recorded.main import main as serve

    return serve()


if __name__ == "__main__":
    raise SystemExit(main())
