from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from padiff_rpc.errors import BusyError, InvalidRequestError
from padiff_rpc.limits import Limits, exceeded, limits, setting


def test_every_limit_has_a_setting_of_its_own() -> None:
    for field in fields(Limits):
        given = Limits.from_environment({f"PADIFF_MAX_{field.name.upper()}": "7"})
        assert getattr(given, field.name) == 7
        assert [other.name for other in fields(Limits) if getattr(given, other.name) == 7] == [field.name]


def test_without_settings_the_defaults_hold() -> None:
    assert Limits.from_environment({"PADIFF_MAX_CALLS": "", "PATH": "/bin"}) == Limits()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "2048"])
def test_a_setting_out_of_range_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"PADIFF_MAX_MESSAGE_MIB: .* not allowed; allowed: a whole"
    ):
        Limits.from_environment({"PADIFF_MAX_MESSAGE_MIB": text})


def test_the_deepest_tree_that_may_be_allowed_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from padiff_rpc import trees

    monkeypatch.setenv("PADIFF_MAX_TREE_DEPTH", "128")
    limits.cache_clear()
    try:
        value: tuple[object, ...] = ()
        for _ in range(127):
            value = (value,)
        assert trees.unpack(trees.pack(value)) == value
    finally:
        limits.cache_clear()


def test_the_documents_list_every_limit_with_its_default() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text()
    listed = dict(re.findall(r"^\| `(PADIFF_MAX_\w+)` \| ([\d,]+) \|", text, re.MULTILINE))
    assert {name: int(default.replace(",", "")) for name, default in listed.items()} == {
        setting(field.name): getattr(Limits(), field.name) for field in fields(Limits)
    }


def test_an_error_names_the_setting() -> None:
    error = exceeded("more than 5 rows", "rows")
    assert isinstance(error, BusyError)
    assert str(error) == "more than 5 rows; PADIFF_MAX_ROWS sets this limit"
    assert error.context == {"limit": setting("rows")}
