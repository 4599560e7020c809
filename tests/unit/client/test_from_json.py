"""Reports read back from JSON: whatever a report may hold."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from padiff_client import InvalidRequestError
from padiff_client.from_json import read_report
from padiff_client.from_values import hints, read
from padiff_client.json_values import plain
from padiff_rpc.convert import from_bytes, to_bytes
from padiff_rpc.errors import PaDiffError, ProtocolError
from padiff_rpc.trees import pack
from padiff_rpc.v1 import report_pb2
from padiff_rpc.v1.records import (
    Coverage,
    FirstDivergence,
    FunctionFinding,
    Note,
    Omitted,
    PlanPair,
    RandomOperation,
    Row,
    WeightFate,
)

PARTS = (Row, Note, WeightFate, FunctionFinding, FirstDivergence, Omitted, PlanPair, RandomOperation)
SCALARS = {
    bool: st.booleans(),
    int: st.integers(0, 9),
    float: st.floats().map(lambda number: float(f"{number:.9g}") + 0.0),
    str: st.text(max_size=3),
    bytes: st.binary(max_size=3),
}


@functools.cache
def any_record(kind: Any) -> st.SearchStrategy[Any]:
    """Returns a strategy for values of a field of this type."""
    if get_origin(kind) is Union:
        return st.none() | any_record(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return st.lists(any_record(get_args(kind)[0]), max_size=2).map(tuple)
    if getattr(kind, "__name__", "") == "Tree":
        return st.just(pack([1, "a"]))
    if dataclasses.is_dataclass(kind):
        parts = {name: st.deferred(lambda hint=hint: any_record(hint)) for name, hint in hints(kind).items()}
        return st.builds(kind, **parts)
    return SCALARS[kind] if kind in SCALARS else st.sampled_from(list(kind))


@pytest.mark.parametrize("kind", PARTS)
@given(drawn=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_part_comes_back_as_it_was(kind: type[Any], drawn: st.DataObject) -> None:
    record = drawn.draw(any_record(kind))
    try:
        written = plain(record)
    except (KeyError, ValueError, IndexError):  # no sentence says what nobody may say
        assume(False)
    again = read(json.loads(json.dumps(written, allow_nan=False)), kind)
    assert repr(again) == repr(record)  # NaN is not equal to itself
    assert repr(from_bytes(to_bytes(record), kind)) == repr(record)


def test_bytes_that_are_no_record_are_damage() -> None:
    with pytest.raises(ProtocolError, match="damaged"):
        from_bytes(b"\xff\xff\xff", Coverage)
    assert report_pb2.Coverage().SerializeToString() == b""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: no such file"),
        ("{", "is no JSON"),
        ("[]", "no report of a schema that is known here: None; allowed: padiff-report/3"),
        ('{"schema": "padiff-report/9"}', "'padiff-report/9'"),
        ('{"schema": "padiff-report/3"}', "lacks a part of a report"),
        ('{"schema": "padiff-report/3", "note_records": 3, "rows": []}', "lacks a part of a report"),
    ],
)
def test_what_is_no_report_is_one_line(tmp_path: Path, content: Any, said: str) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidRequestError) as caught:
        read_report(str(file))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, PaDiffError)
