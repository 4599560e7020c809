"""Surroundings of calls: which call made which, and what was made before and after it."""

from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment
from padiff_server.steps.surroundings import Surroundings


def events(*words):
    """`>a` enters the layer a, `<a` leaves it."""
    return [
        CallEvent(moment=CallMoment.ENTRY if word[0] == ">" else CallMoment.EXIT, path=word[1:])
        for word in words
    ]


def test_neighbours_are_those_of_the_same_parent():
    around = Surroundings(events(">", ">a", ">a.b", "<a.b", "<a", ">c", "<c", "<"))
    assert around.parent(("a.b", 0)) == ("a", 0)
    assert around.parents(("a.b", 0)) == [("a", 0), ("", 0)]
    assert around.parent(("", 0)) is None
    assert (around.before(("a", 0)), around.after(("a", 0))) == (None, ("c", 0))
    assert (around.before(("c", 0)), around.after(("c", 0))) == (("a", 0), None)


def test_the_common_parent_is_the_innermost():
    around = Surroundings(events(">", ">a", ">a.b", "<a.b", ">a.c", "<a.c", "<a", ">d", "<d", "<"))
    assert around.common_parent([("a.b", 0), ("a.c", 0)]) == ("a", 0)
    assert around.common_parent([("a.b", 0), ("d", 0)]) == ("", 0)


def test_a_call_whose_exit_is_missing_ends_with_its_parent():
    around = Surroundings(events(">", ">a", ">a.b", "<a", ">c", "<c", "<"))
    assert around.parent(("c", 0)) == ("", 0)
    assert around.before(("c", 0)) == ("a", 0)
