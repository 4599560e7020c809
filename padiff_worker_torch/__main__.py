"""Starts the Torch worker: `python -m padiff_worker_torch --help`."""

from __future__ import annotations

from padiff_rpc.grpc_log import hush_grpc
from padiff_rpc.interrupts import end_at_interrupt


def main() -> int:
    """Runs the worker until it is told to stop; returns the exit code."""
    end_at_interrupt("padiff-worker-torch")
    hush_grpc()
    from padiff_worker.main import start

    return start("torch", "padiff_worker_torch.adapter:TorchAdapter", distribution="torch")


if __name__ == "__main__":
    raise SystemExit(main())
