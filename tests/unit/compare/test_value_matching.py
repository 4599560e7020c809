"""Slots paired by their values: what is found, what confirms it, and what is never taken for the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
import pytest

from padiff_compare.alignment.activations import Activation
from padiff_compare.alignment.correspondences import Correspondence, Correspondences, Way
from padiff_compare.alignment.layouts import Layout
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.alignment.slots import Meeting
from padiff_compare.alignment.spreads import Spread
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName, Origin, Trace
from padiff_compare.join.calls import CallPairs, join_calls
from padiff_compare.model_index import ModelIndex
from padiff_compare.rehearsal.value_matching import ValueMatching
from padiff_rpc import trees
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, Layer, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType, PairedBy, Side

ENTRY, EXIT = CallMoment.ENTRY, CallMoment.EXIT
REFERENCE, CANDIDATE = Side.REFERENCE, Side.CANDIDATE
rng = np.random.default_rng(0)
X, A, B, C, Y = (rng.standard_normal((3, 3, 4), dtype=np.float32) for _ in range(5))


class Pass:
    """One side's forward pass: `enter` and `leave` take arrays; equal objects are one tensor."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.arrays: dict[int, np.ndarray] = {}
        self.layers: list[Layer] = []
        # Calls whose own code decides by chance.
        self.drawing: set[CallName] = set()

    def tell(self, path: str, activation: Optional[str] = "") -> Pass:
        """What the layer says that it applies to its result; "" for nothing, None where nobody knows."""
        settings = {} if activation == "" else {"fused_activation": activation}
        packed = trees.pack(settings, where="settings")
        self.layers.append(Layer(path=path, kind="batch_norm", hyper_parameters=packed))
        return self

    def enter(self, path: str, *arrays: np.ndarray) -> Pass:
        return self._see(ENTRY, path, arrays)

    def leave(self, path: str, *arrays: np.ndarray) -> Pass:
        return self._see(EXIT, path, arrays)

    def call(self, path: str, given: np.ndarray, *made: np.ndarray) -> Pass:
        return self.enter(path, given).leave(path, *made)

    def _see(self, moment: CallMoment, path: str, arrays: Sequence[np.ndarray]) -> Pass:
        slots = []
        for name, array in enumerate(arrays):
            self.arrays[id(array)] = array
            spec = TensorSpec(dtype=DType.FLOAT32, shape=array.shape)
            slots.append(Slot(name=str(name), tensor=id(array), spec=spec))
        self.events.append(CallEvent(moment=moment, path=path, slots=tuple(slots)))
        return self


class ValuesOfPasses:
    """What `ValueMatching` asks of the arrays of two passes; `measured` counts them."""

    def __init__(self, reference: Pass, candidate: Pass) -> None:
        self.arrays = reference.arrays, candidate.arrays
        self.measured = 0

    def agree(self, pair: TensorPair[int], way: Way) -> bool:
        self.measured += 1
        first, second = self.arrays[0][pair.reference], self.arrays[1][pair.candidate]
        tensors = [HostTensor(array=array, dtype=DType.FLOAT32) for array in (first, second)]
        meeting = way.values(*(one.spec for one in tensors)) if way is not None else Meeting()
        if meeting.reference.shape_or_none(first.shape) != meeting.candidate.shape_or_none(second.shape):
            return False
        ours, theirs = (
            rule.apply(one).array for rule, one in zip((meeting.reference, meeting.candidate), tensors)
        )
        return np.array_equal(ours, theirs)

    def makes(self, activation: Activation, side: Side, given: int, made: int) -> bool:
        arrays = self.arrays[SIDES.index(side)]
        [applied] = activation.rule.apply(HostTensor(array=arrays[given], dtype=DType.FLOAT32)).array[None]
        return np.array_equal(applied, arrays[made])

    def apart(self, pair: TensorPair[int]) -> float:
        first, second = (
            float(np.square(one[key]).mean())
            for one, key in zip(self.arrays, (pair.reference, pair.candidate))
        )
        return abs(first - second) / max(first, second)


def matched(
    reference: Pass, candidate: Pass, *paths: str
) -> dict[tuple[str, CallMoment], list[tuple[str, str, Way, Mapping[Side, Origin]]]]:
    """Returns what was found, by call; the layers of `paths` are paired."""
    found = value_matching(reference, candidate, paths)[0].correspondences()
    return {
        (path, moment): [(one.reference, one.candidate, one.way, one.stand_ins) for one in several]
        for (path, _, moment), several in found.found.items()
        if several
    }


def measurements(reference: Pass, candidate: Pass, *paths: str) -> int:
    """Returns how many pairs of tensors are held against each other."""
    matching, values = value_matching(reference, candidate, paths)
    matching.correspondences()
    return values.measured


def value_matching(
    reference: Pass, candidate: Pass, paths: Sequence[str]
) -> tuple[ValueMatching, ValuesOfPasses]:
    plan = Plan(
        layers=tuple(
            PairedLayer(reference=path, candidate=path, how=PairedBy.SAME_PATH) for path in ("", *paths)
        )
    )
    traces = {
        side: Trace.of_events(one.events) for side, one in ((REFERENCE, reference), (CANDIDATE, candidate))
    }
    values = ValuesOfPasses(reference, candidate)
    drawing = {REFERENCE: reference.drawing, CANDIDATE: candidate.drawing}
    models = {REFERENCE: ModelIndex(reference.layers), CANDIDATE: ModelIndex(candidate.layers)}
    return ValueMatching(join_calls(plan, traces), values, models, drawing), values


def turned(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.swapaxes(0, 1))


TURNED = Layout(before=(1, 0, 2))


def test_outputs_in_another_order_are_told_by_their_values() -> None:
    reference = Pass().enter("", X).call("cell", X, A, B).call("fc", A, C).leave("", C)
    candidate = Pass().enter("", X).call("cell", X, B, A).call("fc", A, C).leave("", C)
    found = matched(reference, candidate, "cell", "fc")
    assert found == {("cell", EXIT): [("0", "1", None, {}), ("1", "0", None, {})]}


def test_outputs_that_are_swapped_and_used_so_differ() -> None:
    reference = Pass().enter("", X).call("cell", X, A, B).call("fc", A, C).leave("", C)
    candidate = Pass().enter("", X).call("cell", X, B, A).call("fc", B, Y).leave("", Y)
    assert matched(reference, candidate, "cell", "fc") == {}


def test_what_the_model_itself_returns_is_tried_in_no_other_order_or_layout() -> None:
    reference = Pass().enter("", X).call("fc", X, A).leave("", B, C)
    assert matched(reference, Pass().enter("", X).call("fc", X, A).leave("", C, B), "fc") == {}
    assert matched(reference, Pass().enter("", X).call("fc", X, A).leave("", turned(B), C), "fc") == {}


def test_what_the_model_returns_turned_is_so_where_it_was_made() -> None:
    given, made = turned(X), turned(A)
    reference = Pass().enter("", X).call("a", X, B).call("fc", B, A).leave("", A)
    candidate = Pass().enter("", X).call("a", given, turned(B)).call("fc", turned(B), made).leave("", made)
    assert ("fc", EXIT) not in matched(reference, candidate, "a", "fc")


class TestActivations:
    """A layer of the candidate applies the activation itself: its output is B, where the reference has A."""

    reference = Pass().enter("", X).call("bn", X, A).call("fc", B, C).leave("", C)

    def test_are_found_where_the_other_side_shows_them_next(self) -> None:
        candidate = Pass().enter("", X).call("bn", X, B).call("fc", B, C).leave("", C)
        found = matched(self.reference, candidate, "bn", "fc")
        place = Origin("fc", 0, ENTRY, "0")
        assert found == {("bn", EXIT): [("0", "0", None, {REFERENCE: place})]}
        assert matched(candidate, self.reference, "bn", "fc") == {
            ("bn", EXIT): [("0", "0", None, {CANDIDATE: place})]
        }

    def test_are_found_in_another_layout(self) -> None:
        candidate = Pass().enter("", X).call("bn", X, turned(B)).call("fc", B, C).leave("", C)
        [(*_, layout, _stand_ins)] = matched(self.reference, candidate, "bn", "fc")["bn", EXIT]
        assert layout == TURNED

    def test_are_found_behind_a_layer_that_has_no_partner(self) -> None:
        reference = Pass().enter("", X).call("bn", X, A).call("relu", A, B).call("fc", C, Y).leave("", Y)
        candidate = Pass().enter("", X).call("bn", X, B).call("fc", C, Y).leave("", Y)
        [(*_, stand_ins)] = matched(reference, candidate, "bn", "fc")["bn", EXIT]
        assert stand_ins == {REFERENCE: Origin("relu", 0, EXIT, "0")}

    def test_are_computed_where_the_reference_shows_them_nowhere(self) -> None:
        reference = Pass().enter("", X).call("bn", X, A).call("fc", C, Y).leave("", Y)
        candidate = Pass().enter("", X).call("bn", X, np.maximum(A, 0)).call("fc", C, Y).leave("", Y)
        relu = [("0", "0", Activation(name="relu", side=CANDIDATE), {})]
        assert matched(reference, candidate, "bn", "fc") == {("bn", EXIT): relu}
        other_way = [("0", "0", Activation(name="relu", side=REFERENCE), {})]
        assert matched(candidate, reference, "bn", "fc") == {("bn", EXIT): other_way}
        wrong = Pass().enter("", X).call("bn", X, np.maximum(A, 0)).call("fc", B, X).leave("", X)
        assert matched(reference, wrong, "bn", "fc") == {}, "what follows does not confirm it"

    def test_that_are_wrong_differ(self) -> None:
        candidate = Pass().enter("", X).call("bn", X, C).call("fc", C, Y).leave("", Y)
        assert matched(self.reference, candidate, "bn", "fc") == {}

    def test_are_not_what_another_paired_layer_makes(self) -> None:
        """One layer doubles and the next halves, where on the other side neither does anything."""
        reference = Pass().enter("", X).call("double", X, A).call("halve", A, X.copy()).leave("", C)
        candidate = Pass().enter("", X).call("double", X, X).call("halve", X, X).leave("", C)
        assert matched(reference, candidate, "double", "halve") == {}

    def test_are_not_what_the_layer_was_given(self) -> None:
        reference = Pass().enter("", X).call("scale", X, A).call("fc", B, C).leave("", C)
        candidate = Pass().enter("", X).call("scale", X, X).call("fc", B, C).leave("", C)
        assert matched(reference, candidate, "scale", "fc") == {}


class TestToldActivations:
    """A layer says that it applies a ReLU, and nothing of what it takes is negative."""

    made = np.abs(A)
    behind = made.copy()

    def told(self, applies: Pass, shows: Pass, partner: Optional[str] = "") -> tuple[Pass, Pass]:
        return applies.tell("bn", "relu"), shows.tell("bn", partner)

    def applying(self, made: np.ndarray = made) -> Pass:
        result = made.copy()
        return Pass().enter("", X).call("bn", X, result).call("fc", result, C).leave("", C)

    def showing(self, made: np.ndarray = made, behind: np.ndarray = behind) -> Pass:
        return Pass().enter("", X).call("bn", X, made).call("fc", behind, C).leave("", C)

    def hiding(self, made: np.ndarray = made) -> Pass:
        return Pass().enter("", X).call("bn", X, made).call("fc", B, C).leave("", C)

    def test_are_compared_behind_them_though_values_agree_before(self) -> None:
        candidate, reference = self.told(self.applying(), self.showing())
        place = Origin("fc", 0, ENTRY, "0")
        assert matched(reference, candidate, "bn", "fc") == {
            ("bn", EXIT): [("0", "0", None, {REFERENCE: place})]
        }
        assert matched(candidate, reference, "bn", "fc") == {
            ("bn", EXIT): [("0", "0", None, {CANDIDATE: place})]
        }

    def test_are_found_by_one_sides_values_where_both_differ_by_noise(self) -> None:
        candidate, reference = self.told(self.applying(np.abs(B)), self.showing())
        [(_, _, way, stand_ins)] = matched(reference, candidate, "bn", "fc")["bn", EXIT]
        assert (way, stand_ins) == (None, {REFERENCE: Origin("fc", 0, ENTRY, "0")})

    def test_are_no_other_function_of_what_the_layer_made(self) -> None:
        candidate, reference = self.told(self.applying(), self.showing(behind=self.made * 2))
        assert matched(reference, candidate, "bn", "fc") == {}, "what follows does not confirm the ReLU"

    def test_are_found_in_another_layout(self) -> None:
        behind = np.maximum(A, 0)
        candidate, reference = self.told(self.applying(behind), self.showing(A, turned(behind)))
        [(*_, layout, stand_ins)] = matched(reference, candidate, "bn", "fc")["bn", EXIT]
        assert (layout, stand_ins) == (TURNED, {REFERENCE: Origin("fc", 0, ENTRY, "0")})

    def hidden(
        self, partner: Optional[str] = ""
    ) -> dict[tuple[str, CallMoment], list[tuple[str, str, Way, Mapping]]]:
        candidate, reference = self.told(
            Pass().enter("", X).call("bn", X, self.made.copy()).call("fc", B, C).leave("", C),
            self.hiding(),
            partner,
        )
        return matched(reference, candidate, "bn", "fc")

    def test_are_computed_where_a_dropout_may_lie_before_what_the_other_side_shows(self) -> None:
        candidate, reference = self.told(self.applying(), self.showing())
        reference.drawing.add(("", 0))
        relu = [("0", "0", Activation(name="relu", side=CANDIDATE), {})]
        assert matched(reference, candidate, "bn", "fc") == {("bn", EXIT): relu}

    def test_are_computed_where_the_other_side_shows_them_nowhere(self) -> None:
        relu = [("0", "0", Activation(name="relu", side=CANDIDATE), {})]
        assert self.hidden() == {("bn", EXIT): relu}

    def test_are_not_computed_where_a_partner_may_apply_them_unsaid(self) -> None:
        assert self.hidden(None) == {}

    def test_that_both_say_are_compared_as_they_are(self) -> None:
        candidate, reference = self.told(self.applying(), self.applying(), "relu")
        assert matched(reference, candidate, "bn", "fc") == {}

    def test_are_not_computed_where_the_next_layer_takes_what_has_none(self) -> None:
        candidate, reference = self.told(self.applying(), self.showing(self.made, self.made))
        assert matched(reference, candidate, "bn", "fc") == {}

    def test_are_not_computed_for_what_the_model_returns(self) -> None:
        made = self.made.copy()
        candidate = Pass().enter("", X).call("bn", X, made).leave("", made).tell("bn", "relu")
        reference = Pass().enter("", X).call("bn", X, self.made).leave("", self.made).tell("bn")
        assert matched(reference, candidate, "bn") == {}


class TestLayouts:
    """The reference's values of `a` and `b`; the candidate has them turned."""

    def passes(self, after: np.ndarray, result: np.ndarray) -> tuple[Pass, Pass]:
        made = turned(A)
        reference = Pass().enter("", X).call("a", X, A).call("b", B, C).leave("", Y)
        candidate = (
            Pass().enter("", X).call("a", turned(X), made).call("b", after, turned(C)).leave("", result)
        )
        return reference, candidate

    def test_are_believed_where_all_that_follows_agrees(self) -> None:
        found = matched(*self.passes(turned(B), Y), "a", "b")
        assert set(found) == {("a", ENTRY), ("a", EXIT), ("b", ENTRY), ("b", EXIT)}
        assert {one[2] for several in found.values() for one in several} == {TURNED}

    def test_are_believed_where_code_between_the_layers_agrees_in_them(self) -> None:
        assert set(matched(*self.passes(turned(B), A), "a", "b")) == {
            ("a", ENTRY),
            ("a", EXIT),
            ("b", ENTRY),
            ("b", EXIT),
        }

    def test_are_not_believed_where_the_next_code_goes_wrong(self) -> None:
        assert matched(*self.passes(A, B), "a", "b") == {}

    def test_are_not_believed_for_a_mask_that_agrees_beside_them(self) -> None:
        reference = Pass().enter("", X).enter("a", X, Y).leave("a", A).call("b", B, C).leave("", B)
        candidate = Pass().enter("", X).enter("a", turned(X), Y).leave("a", turned(A)).call("b", A, Y)
        assert matched(reference, candidate.leave("", A), "a", "b") == {}

    def test_that_would_also_fit_are_not_tried_where_values_agree_as_they_are(self) -> None:
        symmetric = X + turned(X)
        reference = Pass().enter("", X).call("a", symmetric, A).leave("", A)
        candidate = Pass().enter("", X).call("a", symmetric.copy(), A).leave("", A)
        assert matched(reference, candidate, "a") == {}


class TestPresumedLayouts:
    """What differs in every way, behind places that agree turned."""

    x, a, b, c, wrong = (rng.standard_normal((2, 3, 4), dtype=np.float32) for _ in range(5))

    def passes(self, made: np.ndarray, result: np.ndarray) -> tuple[Pass, Pass]:
        x, a, b, c = self.x, self.a, self.b, self.c
        reference = Pass().enter("", x).call("a", x, a).call("b", b, c).leave("", Y)
        candidate = Pass().enter("", x).call("a", turned(x), turned(a)).call("b", turned(b), made)
        return reference, candidate.leave("", result)

    def test_are_those_of_the_places_before(self) -> None:
        found = matched(*self.passes(turned(self.wrong), X), "a", "b")
        assert {one[2] for several in found.values() for one in several} == {TURNED}
        assert set(found) == {("a", ENTRY), ("a", EXIT), ("b", ENTRY), ("b", EXIT)}

    def test_are_none_where_the_shapes_do_not_fit(self) -> None:
        assert ("b", EXIT) not in matched(*self.passes(self.wrong[:, :2], X), "a", "b")

    def test_are_none_where_nothing_before_was_turned(self) -> None:
        x, wrong = self.x, turned(self.wrong)
        reference = Pass().enter("", x).call("a", x, self.a).leave("", Y)
        assert matched(reference, Pass().enter("", x).call("a", x, wrong).leave("", Y), "a") == {}

    def test_are_none_of_what_the_model_itself_returns(self) -> None:
        reference, candidate = self.passes(wrong := turned(self.wrong), wrong)
        reference.events[-1] = Pass().leave("", self.c).events[0]
        assert ("b", EXIT) not in matched(reference, candidate, "a", "b")

    def test_of_equal_lengths_need_another_place_of_the_call(self) -> None:
        reference = Pass().enter("", X).call("a", X, A).call("b", B, C).call("c", Y, A).leave("", Y)
        candidate = Pass().enter("", X).call("a", turned(X), turned(A)).call("b", turned(B), X)
        found = matched(reference, candidate.call("c", X, B).leave("", Y), "a", "b", "c")
        assert set(found) == {("a", ENTRY), ("a", EXIT), ("b", ENTRY), ("b", EXIT)}


def test_slots_without_a_partner_meet_before_another_slots_partner_is_taken() -> None:
    """As a keyword argument meets a positional one; the second is wrong, and holds what the third holds."""
    x, q, v = (rng.standard_normal((2, 3, 4), dtype=np.float32) for _ in range(3))
    reference, candidate = Pass().enter("", x).enter("a", q, q), Pass().enter("", x)
    [event] = reference.events[-1:]
    reference.arrays[id(v)] = v
    value = Slot(name="value", tensor=id(v), spec=event.slots[0].spec)
    reference.events[-1] = dataclasses.replace(event, slots=(*event.slots, value))
    candidate.enter("a", turned(q), taken := turned(v), taken)
    reference.leave("a", x).leave("", Y)
    candidate.leave("a", x).leave("", Y)
    pairs = {one[:2] for one in matched(reference, candidate, "a").get(("a", ENTRY), [])}
    assert ("value", "1") not in pairs


class TestSpreads:
    """One side's position embeddings have the batch's rows, the other's one row for all."""

    once = rng.standard_normal((1, 3, 4), dtype=np.float32)
    rows = np.ascontiguousarray(np.broadcast_to(once, (3, 3, 4)))
    alone = Pass().enter("", X).call("table", A, once).call("fc", B, C).leave("", Y)

    def repeating(self, rows: np.ndarray, after: np.ndarray = B) -> Pass:
        return Pass().enter("", X).call("table", A, rows).call("fc", after, C).leave("", Y)

    def test_are_believed_where_what_follows_agrees(self) -> None:
        candidate = self.repeating(self.rows)
        for passes, side in (((self.alone, candidate), CANDIDATE), ((candidate, self.alone), REFERENCE)):
            assert matched(*passes, "table", "fc") == {
                ("table", EXIT): [("0", "0", Spread(side=side, axes=(0,)), {})]
            }

    def test_are_none_where_one_row_differs(self) -> None:
        rows = self.rows.copy()
        rows[1, 2, 3] += 1e-3
        assert matched(self.alone, self.repeating(rows), "table", "fc") == {}
        assert matched(self.repeating(rows), self.alone, "table", "fc") == {}

    def test_are_not_believed_where_the_next_code_goes_wrong(self) -> None:
        assert matched(self.alone, self.repeating(self.rows, after=X), "table", "fc") == {}

    def test_are_none_of_what_the_model_itself_returns(self) -> None:
        reference = Pass().enter("", X).call("table", A, self.once).leave("", self.once)
        candidate = Pass().enter("", X).call("table", A, self.rows).leave("", self.rows)
        assert matched(reference, candidate, "table") == {}


def test_a_call_that_was_not_seen_has_the_layouts_of_the_first_and_no_stand_ins() -> None:
    layout = Correspondence(reference="0", candidate="0", way=TURNED)
    stand_in = Correspondence(reference="1", candidate="1", stand_ins={REFERENCE: Origin("b", 0, ENTRY, "0")})
    found = Correspondences(found={("a", 0, EXIT): (layout, stand_in), ("a", 1, EXIT): ()})
    assert found.at("a", 0, EXIT) == (layout, stand_in)
    assert found.at("a", 1, EXIT) == ()
    assert found.at("a", 2, EXIT) == (layout,)
    assert found.at("b", 0, EXIT) == ()


@pytest.mark.parametrize("waiting", SIDES)
def test_a_pair_waits_for_the_place_that_stands_for_its_output(waiting: Side) -> None:
    stand_in = Correspondence(reference="0", candidate="0", stand_ins={waiting: Origin("fc", 0, ENTRY, "0")})
    plan = Plan(
        layers=tuple(
            PairedLayer(reference=path, candidate=path, how=PairedBy.SAME_PATH) for path in ("", "bn", "fc")
        ),
        correspondences=Correspondences(found={("bn", 0, EXIT): (stand_in,)}),
    )
    events = {
        side: Pass().enter("", X).call("bn", X, A).call("fc", B, C).leave("", C).events for side in SIDES
    }
    pairs = CallPairs(plan)
    for one in events[REFERENCE][:3]:
        pairs.add(REFERENCE, one)
    for one in events[CANDIDATE][:3]:
        pairs.add(CANDIDATE, one)
    assert [pair.moment for pair in pairs.pairs] == [ENTRY, ENTRY]
    assert [held.layer.reference for held in pairs.held] == ["bn"]
    assert pairs.unpaired(waiting) == [], "its call did end"
    [made] = pairs.add(waiting, events[waiting][3])
    [slots] = made.slots.pairs
    tensors = {REFERENCE: slots.reference.tensor, CANDIDATE: slots.candidate.tensor}
    assert tensors == {side: id(B if side is waiting else A) for side in SIDES}
    assert slots.notes[0].names == ("input 0 of fc",)
    assert pairs.held == []


@pytest.mark.parametrize("count", [4, 96])
def test_measurements_of_a_call_of_many_slots_are_few(count: int) -> None:
    """As a decoder's keys and values behind an early fault: all of one shape and of much the same size."""
    made = [[rng.standard_normal((8, 8), dtype=np.float32) for _ in range(count)] for _ in SIDES]
    passes = [Pass().enter("", X).call("decoder", X, *own).leave("", A) for own in made]
    measured = measurements(*passes, "decoder")
    assert count < measured < 400 + 20 * count, "in proportion, and not by the square"


def test_many_slots_in_another_order_are_found() -> None:
    made = [rng.standard_normal((8, 8), dtype=np.float32) for _ in range(96)]
    order = rng.permutation(96)
    reference = Pass().enter("", X).call("decoder", X, *made).call("fc", A, B).leave("", B)
    candidate = (
        Pass().enter("", X).call("decoder", X, *(made[n] for n in order)).call("fc", A, B).leave("", B)
    )
    found = matched(reference, candidate, "decoder", "fc")["decoder", EXIT]
    moved = {(str(number), str(place)) for place, number in enumerate(order) if number != place}
    assert {(ours, theirs) for ours, theirs, *_ in found} == moved
