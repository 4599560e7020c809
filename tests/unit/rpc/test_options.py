from __future__ import annotations

import math

import pytest

from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CompareMode, DiffPhase, TraceMode


def test_words_may_be_given_as_text() -> None:
    options = Options(diff_phase="forward", compare_mode="mean")  # type: ignore[arg-type]
    assert options.diff_phase is DiffPhase.FORWARD
    assert options.compare_mode is CompareMode.MEAN


def test_both_phases_by_name_is_not_what_nobody_asked_for() -> None:
    assert Options().diff_phase is None
    for given in (None, *DiffPhase):
        assert from_proto(to_proto(Options(diff_phase=given)), Options).diff_phase is given


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("diff_phase", "sideways", "allowed: both, forward, backward"),
        ("compare_mode", "loose", "allowed: strict, mean"),
        ("trace", "never", "allowed: before, first_step"),
        ("loss", "sum", "allowed: projection, mean"),
        ("detail", "all", "allowed: auto, layers, functions"),
        ("atol", -1, "allowed: a number of at least 0, or None"),
        ("rtol", math.nan, "allowed: a number of at least 0, or None"),
        ("rtol", "1e-3", "allowed: a number of at least 0, or None"),
        ("atol", True, "allowed: a number of at least 0, or None"),
        ("check_dtype", 1, "allowed: true, false"),
        ("threads", -1, "allowed: a whole number of at least 0"),
        ("threads", 1.5, "allowed: a whole number of at least 0"),
        ("single_step", 1, "allowed: true, false"),
    ],
)
def test_a_wrong_value_names_its_option_and_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Options.from_mapping({name: value})
    assert str(raised.value).startswith(f"options.{name}: ")
    assert allowed in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["single_step", "local_error"])
def test_lockstep_may_begin_behind_a_first_step_that_is_the_trace(name: str) -> None:
    given = Options.from_mapping({name: True, "trace": "first_step"})
    assert getattr(given, name)
    assert given.trace is TraceMode.FIRST_STEP


def test_local_errors_and_single_step_exclude_each_other() -> None:
    with pytest.raises(InvalidRequestError, match=r"options\.local_error: .*leave single_step out"):
        Options(single_step=True, local_error=True)


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(InvalidRequestError, match=r"options\.atoll: unknown option; allowed: atol, rtol, "):
        Options.from_mapping({"atoll": 1e-3})
