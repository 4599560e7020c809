"""Starts the coordinator: `python -m padiff_server --help`."""

from __future__ import annotations

from padiff_rpc.grpc_log import hush_grpc
from padiff_rpc.interrupts import end_at_interrupt


def main() -> int:
    """Serves comparisons until told to stop; returns the exit code."""
    end_at_interrupt("padiff-server")
    hush_grpc()
    from padiff_server.main import main as serve

    return serve()


if __name__ == "__main__":
    raise SystemExit(main())
