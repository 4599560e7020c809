"""Records and words are carried to their messages and enums and back."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import sys
import tempfile
import typing

import pytest

from padiff_client.certs import make_certificates
from padiff_rpc.convert import from_proto, message_class, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import Tree, record
from padiff_rpc.v1 import records, tensors_pb2, words

RECORDS = [
    value
    for value in vars(records).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == records.__name__
]


def _example(hint: typing.Any, inside: tuple[type, ...] = ()) -> typing.Any:
    """Returns a value of a record field's type that differs from protobuf's default.

    A record within its own kind, which lies in those of `inside`, holds no more of it.
    """
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        return _example(next(one for one in arguments if one is not type(None)), inside)
    if typing.get_origin(hint) is tuple:
        return () if inside.count(arguments[0]) > 1 else (_example(arguments[0], inside),) * 2
    if hint is records.Tls:
        return _certificates()
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, inside)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return list(hint)[-1]
    if getattr(hint, "__name__", "") == "Tree":
        return Tree(b"\x91\x01")
    return {str: "text", int: 7, float: 0.25, bool: True, bytes: b"bytes"}[hint]


@functools.cache
def _certificates() -> records.Tls:
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(folder, [], days=2, force=False)
        paths = [f"{folder}/{name}" for name in ("ca.pem", "client.pem", "client-key.pem")]
        return records.Tls.from_files(*paths)


def _record(record: type, inside: tuple[type, ...] = ()) -> typing.Any:
    hints = typing.get_type_hints(record)
    # The two exclude each other.
    fixed = {"local_error": False}
    return record(
        **{name: fixed.get(name, _example(hint, (*inside, record))) for name, hint in hints.items()}
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_full_record_survives_the_wire(record: type) -> None:
    full = _example(record)
    wire = to_proto(full).SerializeToString()
    assert from_proto(message_class(record).FromString(wire), record) == full


def test_a_text_that_utf_8_has_no_bytes_for_is_written_out() -> None:
    failure = records.ModelFailure(phase=words.Phase.LOAD, exception="ValueError", text="na\udce9ve, größe")
    wire = to_proto(failure).SerializeToString()
    back = from_proto(message_class(records.ModelFailure).FromString(wire), records.ModelFailure)
    assert back.text == "na\\udce9ve, größe"


def test_an_absent_field_is_none_and_not_its_default() -> None:
    given = records.Options(atol=0.0)
    back = from_proto(to_proto(given), records.Options)
    assert back.atol == 0.0
    assert back.rtol is None


def test_an_unspecified_enum_is_refused_where_a_word_is_needed() -> None:
    with pytest.raises(ProtocolError, match="dtype: 0 is no DType"):
        from_proto(tensors_pb2.TensorSpec(), records.TensorSpec)


def test_an_unknown_enum_value_is_refused() -> None:
    with pytest.raises(ProtocolError, match="dtype: 99 is no DType"):
        from_proto(tensors_pb2.TensorSpec(dtype=99), records.TensorSpec)


def test_records_are_frozen_and_take_keywords_only() -> None:
    spec = records.TensorSpec(dtype=words.DType.FLOAT32, shape=(2, 3))
    assert str(spec) == "float32[2, 3]"
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.shape = ()  # type: ignore[misc]
    if sys.version_info >= (3, 10):
        with pytest.raises(TypeError):
            records.TensorSpec(words.DType.FLOAT32)  # type: ignore[misc]


def test_a_record_compiles_its_methods_when_the_first_is_called() -> None:
    @record
    class Fresh:
        shown: int
        hidden: int = dataclasses.field(default=0, compare=False, repr=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "shown", abs(self.shown))

    before = Fresh.__init__
    one = Fresh(shown=-1, hidden=2)
    assert Fresh.__init__ is not before
    assert repr(one).endswith("Fresh(shown=1)")
    assert one == Fresh(shown=1, hidden=3)
    assert hash(one) == hash(Fresh(shown=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.shown
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Fresh(shown=1, other=2)  # type: ignore[call-arg]


def test_a_record_that_no_constructor_made_is_compared_by_its_values() -> None:
    @record
    class Fresh:
        value: int

    one, other = Fresh.__new__(Fresh), Fresh.__new__(Fresh)
    vars(one)["value"], vars(other)["value"] = 1, 1
    assert one == other
    assert len({one, other}) == 1


def test_a_record_keeps_the_methods_of_its_own() -> None:
    @record
    class Fresh:
        value: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Fresh)

        def __repr__(self) -> str:
            return "fresh"

    assert Fresh(value=1) == Fresh(value=2)
    assert repr(Fresh(value=1)) == "fresh"
    assert hash(Fresh(value=1)) == hash(Fresh(value=1))


def test_equal_places_of_a_report_are_held_once():
    place = records.Place(path="encoder.fc", spec=records.TensorSpec(dtype=words.DType.FLOAT32, shape=(2, 8)))
    row = records.Row(
        step=0,
        order=1,
        phase=words.Phase.FORWARD,
        kind=words.CaptureKind.OUTPUT,
        verdict=words.Verdict.MATCH,
        reference=place,
        candidate=place,
    )
    one, other = (from_proto(to_proto(row), records.Row) for _ in range(2))
    assert one == other == row
    assert one.reference is one.candidate is other.reference


def test_a_packed_tuple_is_the_tuple_that_it_was_made_of():
    def element(*index: int, **given: float) -> records.WorstElement:
        return records.WorstElement(
            index=index, **{"reference": 1.5, "candidate": math.inf, "abs_diff": 1e-300, **given}
        )

    elements = element(1, 2**40), element(0, 3, reference=-0.0), element()
    kept = records.Figures(elements=4, bitwise_equal=False, worst=elements, histogram=(0, 7, 2**60)).worst
    assert not isinstance(kept, tuple)
    assert (kept, hash(kept), repr(kept), len(kept)) == (elements, hash(elements), repr(elements), 3)
    assert elements == kept != elements[:2]
    assert (kept[0], kept[1:], [*kept]) == (elements[0], elements[1:], [*elements])


def test_figures_with_packed_tuples_survive_the_wire_and_are_equal_as_before():
    worst = records.WorstElement(index=(2,), reference=0.5, candidate=-1.0, abs_diff=1.5, imaginary=True)
    figures = records.Figures(
        elements=4, bitwise_equal=False, cosine=1.0, scale=1.0, worst=(worst,) * 2, histogram=(0, 300)
    )
    again = from_proto(to_proto(figures), records.Figures)
    assert again == figures == dataclasses.replace(figures)
    assert hash(again) == hash(figures)
    assert records.Figures(elements=4, bitwise_equal=True).worst == ()
