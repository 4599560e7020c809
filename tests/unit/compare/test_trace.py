"""Traces of one side's pass: which call made which, what came before and after it, what shows a tensor."""

from __future__ import annotations

from padiff_compare.capture.trace import Origin, Trace
from padiff_rpc.v1.records import CallEvent, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(4,))


def trace(*words: str) -> Trace:
    """`>a:1,2` enters the layer a with the tensors 1 and 2, `<a:3` leaves it; `>a#1` is another call."""
    return Trace.of_events([*map(event, words)])


def event(word: str, replay: bool = False) -> CallEvent:
    where, _, tensors = word[1:].partition(":")
    path, _, call = where.partition("#")
    return CallEvent(
        moment=CallMoment.ENTRY if word[0] == ">" else CallMoment.EXIT,
        path=path,
        call=int(call or 0),
        slots=tuple(
            Slot(name=str(place), tensor=int(number), spec=SPEC)
            for place, number in enumerate(filter(None, tensors.split(",")))
        ),
        replay=replay,
    )


def test_neighbours_are_those_of_the_same_parent() -> None:
    around = trace(">", ">a", ">a.b", "<a.b", "<a", ">c", "<c", "<")
    assert around.parent(("a.b", 0)) == ("a", 0)
    assert around.parents(("a.b", 0)) == [("a", 0), ("", 0)]
    assert around.parent(("", 0)) is None
    assert (around.before(("a", 0)), around.after(("a", 0))) == (None, ("c", 0))
    assert (around.before(("c", 0)), around.after(("c", 0))) == (("a", 0), None)


def test_a_call_that_the_pass_does_not_have_lies_nowhere() -> None:
    around = trace(">", ">a", "<a", "<")
    nowhere = ("b", 0)
    assert (around.parents(nowhere), around.before(nowhere), around.after(nowhere)) == ([], None, None)
    assert list(around.of_layer("b")) == list(around.exits("b")) == list(around.shown(7)) == []


def test_the_common_parent_is_the_innermost() -> None:
    around = trace(">", ">a", ">a.b", "<a.b", ">a.c", "<a.c", "<a", ">d", "<d", "<")
    assert around.common_parent([("a.b", 0), ("a.c", 0)]) == ("a", 0)
    assert around.common_parent([("a.b", 0), ("d", 0)]) == ("", 0)


def test_a_call_whose_exit_is_missing_ends_with_its_parent() -> None:
    around = trace(">", ">a", ">a.b", "<a", ">c", "<c", "<")
    assert around.calls["a.b", 0].exit is None
    assert around.parent(("c", 0)) == ("", 0)
    assert around.before(("c", 0)) == ("a", 0)


def test_a_name_that_comes_twice_lies_in_no_call_inside_itself() -> None:
    """A worker that sends nonsense makes nobody walk in circles."""
    assert trace(">a", ">b", ">a", "<a", "<b").parents(("b", 0)) == [("a", 0)]


def test_calls_of_a_layer_come_as_they_began_and_exits_as_they_ended() -> None:
    recursive = trace(">a", ">a#1", "<a#1", "<a", ">a#2")
    assert [call.name for call in recursive.of_layer("a")] == [("a", 0), ("a", 1), ("a", 2)]
    assert [end.name for end in recursive.exits("a")] == [("a", 1), ("a", 0)]
    assert [end.index for end in recursive.exits("a")] == [2, 3]


def test_a_tensor_is_named_by_the_slot_that_shows_it_first() -> None:
    seen = trace(">:1", ">a:1", "<a:2,1", ">b:2", "<b:3", "<:3")
    assert dict(seen.origins()) == {
        1: Origin("", 0, CallMoment.ENTRY, "0"),
        2: Origin("a", 0, CallMoment.EXIT, "0"),
        3: Origin("b", 0, CallMoment.EXIT, "0"),
    }
    assert [(shown.at.index, shown.slot.name) for shown in seen.shown(1)] == [(0, "0"), (1, "0"), (2, "1")]
    assert seen.first(2).at.index == 2


def test_replays_are_no_calls_of_the_pass() -> None:
    around = Trace.of_events([event(">"), event("<"), event(">a", replay=True), event("<a", replay=True)])
    assert list(around.calls) == [("", 0)]


def test_without_some_layers_tensors_are_named_by_what_is_left() -> None:
    left = trace(">:1", ">a:1", ">a.b:1", "<a.b:2", "<a:2", "<:2").without(["a.b"])
    assert list(left.calls) == [("", 0), ("a", 0)]
    assert left.first(2).origin == Origin("a", 0, CallMoment.EXIT, "0")
