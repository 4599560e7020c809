"""Exit codes of commands, as those of diff(1)."""

from __future__ import annotations

MATCH, MISMATCH, TROUBLE = 0, 1, 2
