"""Readable asserts for a suite that lives in the package; the frameworks' layers beside this file."""

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("padiff_worker.conformance")
sys.path.insert(0, str(Path(__file__).resolve().parent))
