from __future__ import annotations

from padiff_client.sentences import reason
from padiff_compare.report.builder import Doubts
from padiff_rpc.v1.records import FirstDivergence, Place, PlanPair, Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, Difference, NoteKind, PairedBy, Phase, Verdict

SURE = PlanPair(
    how=PairedBy.ORDER_AND_TYPE, reference=Place(path="a"), candidate=Place(path="x"), confidence=0.9
)
DOUBTFUL = PlanPair(
    how=PairedBy.ORDER_AND_TYPE,
    reference=Place(path="b"),
    candidate=Place(path="y"),
    confidence=0.45,
    reasons=(Reason(cause=Cause.DOUBTED),),
)
ALONE = PlanPair(how=PairedBy.UNMATCHED, reference=Place(path="c"), confidence=0.1)


def row(reference, candidate, verdict, reasons=()):
    return Row(
        step=0,
        phase=Phase.FORWARD,
        kind=CaptureKind.OUTPUT,
        order=0,
        verdict=verdict,
        reference=Place(path=reference),
        candidate=Place(path=candidate),
        reasons=reasons,
    )


def test_rows_of_a_doubtful_pair_say_so_and_others_stay_as_they_are():
    doubts = Doubts((SURE, DOUBTFUL, ALONE))
    sure, doubtful = (
        row("a", "x", Verdict.MATCH),
        row("b", "y", Verdict.MISMATCH, (Reason(cause=Cause.MESSAGE, names=("far off",)),)),
    )
    assert doubts.marked(sure) is sure
    assert reason(doubts.marked(doubtful)) == (
        "far off; low-confidence pair (0.45: another pairing fits as well)"
    )


def kinds(doubts, rows, first=None):
    return [note.kind for note in doubts.notes(rows, first)]


def test_a_verdict_says_that_it_rests_on_doubtful_pairs():
    found = kinds(Doubts((SURE, DOUBTFUL)), [row("a", "x", Verdict.MATCH)])
    assert found == [NoteKind.LOW_CONFIDENCE]


def test_a_first_divergence_in_a_doubtful_pair_is_told():
    failed = row("b", "y", Verdict.MISMATCH)
    first = FirstDivergence(row=failed, cause=Difference.VALUE, position=1, compared=2)
    assert kinds(Doubts((SURE, DOUBTFUL)), [failed], first) == [
        NoteKind.LOW_CONFIDENCE,
        NoteKind.LOW_CONFIDENCE_DIVERGENCE,
        NoteKind.LOW_CONFIDENCE_EVERYWHERE,
    ]


def test_a_plan_without_doubt_says_nothing():
    assert kinds(Doubts((SURE, ALONE)), [row("a", "x", Verdict.MISMATCH)]) == []
