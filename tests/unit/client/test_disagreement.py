"""A report that is asserted to be a pass."""

from __future__ import annotations

import pytest
from sample_reports import failing, passing

from padiff_client import Disagreement, InvalidRequestError


def test_without_pytest_the_error_holds_the_report() -> None:
    passing().assert_agree()
    with pytest.raises(Disagreement) as caught:
        failing().assert_agree()
    assert str(caught.value).startswith("FAIL: forward of step 0, output 0 of encoder.norm")
    assert not caught.value.report


def test_a_notebook_shows_the_text_alone() -> None:
    error = Disagreement(failing())
    assert error._render_traceback_() == [f"Disagreement: {error}"]
    assert InvalidRequestError("no", field="x")._render_traceback_() == ["InvalidRequestError: x: no"]
