"""Marks as layers of a pairing that the user may have stated in part."""

from __future__ import annotations

from padiff_compare.marks import Marks
from padiff_rpc.v1.records import IgnoredLayers, Layer, LayerPair, StatedPairing, TraceResponse
from padiff_rpc.v1.words import NoteKind, Side

TRACED = {
    Side.REFERENCE: TraceResponse(calls=(), marks=("a.b", "mine", "moved")),
    Side.CANDIDATE: TraceResponse(calls=(), marks=("yours", "a.b")),
}


def test_each_name_is_a_layer_and_common_ones_are_a_pair() -> None:
    marks = Marks.of(TRACED)
    root = (Layer(path=""),)
    layers = marks.layers({Side.REFERENCE: root, Side.CANDIDATE: root})
    assert [layer.path for layer in layers[Side.REFERENCE]] == ["", "mark a/b", "mark mine", "mark moved"]
    assert [layer.path for layer in layers[Side.CANDIDATE]] == ["", "mark yours", "mark a/b"]
    paired = marks.pairing(StatedPairing())
    assert paired.pairs == (LayerPair(reference="mark a/b", candidate="mark a/b"),)
    assert paired.ignored == IgnoredLayers(reference=("mark mine", "mark moved"), candidate=("mark yours",))
    assert [(note.kind, note.side, note.names) for note in marks.notes()] == [
        (NoteKind.MARKED_ALONE, Side.REFERENCE, ("mine",)),
        (NoteKind.MARKED_ALONE, Side.REFERENCE, ("moved",)),
        (NoteKind.MARKED_ALONE, Side.CANDIDATE, ("yours",)),
    ]


def test_what_the_user_stated_stays() -> None:
    stated = StatedPairing(
        pairs=(
            LayerPair(reference="mark a/b", candidate="mark a/b"),
            LayerPair(reference="mark mine", candidate="mark yours"),
        )
    )
    paired = Marks.of(TRACED).pairing(stated)
    assert paired.pairs == stated.pairs
    assert paired.ignored == IgnoredLayers(reference=("mark moved",))


def test_without_a_trace_there_are_none() -> None:
    marks = Marks.of(None)
    assert marks.pairing(StatedPairing()) == StatedPairing()
    assert marks.notes() == ()
