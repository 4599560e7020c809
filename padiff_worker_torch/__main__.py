"""Starts the Torch worker: `python -m padiff_worker_torch --help`."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the worker until it is told to stop; returns the exit code."""
    from padiff_worker.main import run

    try:
        from padiff_worker_torch.adapter import TorchAdapter
    except ImportError as error:
        pip = f"{sys.executable} -m pip install torch"
        print(f"padiff-worker-torch: {sys.executable}: {error}; run: {pip}", file=sys.stderr)
        return 2
    return run(TorchAdapter())


if __name__ == "__main__":
    raise SystemExit(main())
