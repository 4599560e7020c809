from __future__ import annotations

from padiff_client.sentences import reason
from padiff_compare.report.certainty import Doubts
from padiff_rpc.v1.records import FirstDivergence, Place, PlanPair, Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, Difference, PairedBy, Phase, Verdict

SURE = PlanPair(
    how=PairedBy.ORDER_AND_TYPE, reference=Place(path="a"), candidate=Place(path="x"), confidence=0.9
)
DOUBTFUL = PlanPair(
    how=PairedBy.ORDER_AND_TYPE,
    reference=Place(path="b"),
    candidate=Place(path="y"),
    confidence=0.45,
    reason="another pairing fits as well",
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


def test_a_verdict_says_that_it_rests_on_doubtful_pairs():
    (note,) = Doubts((SURE, DOUBTFUL)).notes([row("a", "x", Verdict.MATCH)], None)
    assert note.startswith("the verdict rests on 1 low-confidence pair: b ~ y (0.45: ")


def test_a_first_divergence_in_a_doubtful_pair_is_told():
    failed = row("b", "y", Verdict.MISMATCH)
    first = FirstDivergence(row=failed, cause=Difference.VALUE, position=1, compared=2)
    notes = Doubts((SURE, DOUBTFUL)).notes([failed], first)
    assert "the first divergence lies in a low-confidence pair" in notes[1]
    assert notes[2] == "every difference lies in low-confidence pairs"


def test_a_plan_without_doubt_says_nothing():
    assert Doubts((SURE, ALONE)).notes([row("a", "x", Verdict.MISMATCH)], None) == []
