"""Starts the Paddle worker: `python -m padiff_worker_paddle --help`."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the worker until it is told to stop; returns the exit code."""
    from padiff_worker.main import run

    try:
        from padiff_worker_paddle.adapter import PaddleAdapter
    except ImportError as error:
        pip = f"{sys.executable} -m pip install paddlepaddle"
        print(f"padiff-worker-paddle: {sys.executable}: {error}; run: {pip}", file=sys.stderr)
        return 2
    return run(PaddleAdapter())


if __name__ == "__main__":
    raise SystemExit(main())
