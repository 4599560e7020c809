"""Traces and random operations in a few words, for the tests of random decisions."""

from __future__ import annotations

from collections import Counter

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import join_calls
from padiff_rpc.v1.records import CallEvent, RandomOperation, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType, PairedBy, Side

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(4,))
REFERENCE, CANDIDATE = Side.REFERENCE, Side.CANDIDATE


def events(text):
    """`>fc:1,2` enters the layer fc with the tensors 1 and 2, `<fc:3` leaves it with 3; `>:1` is the root."""
    made, entered, left = [], Counter(), Counter()
    for word in text.split():
        path, _, tensors = word[1:].partition(":")
        moment, counts = (CallMoment.ENTRY, entered) if word[0] == ">" else (CallMoment.EXIT, left)
        slots = [
            Slot(name=str(place), tensor=int(number), spec=SPEC)
            for place, number in enumerate(filter(None, tensors.split(",")))
        ]
        made.append(CallEvent(moment=moment, path=path, call=counts[path], slots=tuple(slots)))
        counts[path] += 1
    return tuple(made)


def plan_of(*pairs, units=(), **given):
    """Pairs "a" with "a", and "a/b" with b on the candidate."""
    layers = []
    for pair in pairs:
        ours, _, theirs = pair.partition("/")
        layers.append(
            PairedLayer(
                reference=ours,
                candidate=theirs if "/" in pair else ours,
                how=PairedBy.SAME_PATH,
                unit=ours in units,
            )
        )
    return Plan(layers=tuple(layers), **given)


def seen_in(plan, reference, candidate=None):
    """Both sides alike where the candidate is left out."""
    traces = {REFERENCE: reference, CANDIDATE: candidate or reference}
    return join_calls(plan, {side: Trace.of_events(events(text)) for side, text in traces.items()})


def made(*texts):
    """`drop` is a dropout in the first call of drop; `drop#1` in its second; `a!noise` cannot be shared."""
    found = []
    for text in texts:
        where, _, other = text.partition("!")
        path, _, call = where.partition("#")
        found.append(
            RandomOperation(path=path, call=int(call or 0), name=other or "dropout", shared=not other)
        )
    return tuple(found)
