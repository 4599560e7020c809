"""Readable asserts for a suite that lives in the package."""

import pytest

pytest.register_assert_rewrite("padiff_worker.conformance")
