"""Runs the `padiff` command: `python -m padiff_client`."""

from __future__ import annotations

from padiff_rpc.command import main

if __name__ == "__main__":
    raise SystemExit(main())
