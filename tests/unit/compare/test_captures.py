"""The pairing of one step's captures, from plain records."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.source import Announced
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.join.captures import LOSSES, PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.join.pairs import Half
from padiff_compare.judge.measured import measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.model_index import ModelIndex
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.steps.step_pass import StepPass
from padiff_compare.steps.step_rows import PassEnd, StepRows
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_compare.weights.weight_plan import WeightPlan
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, CaptureId, Layer, Options, Slot, TensorSpec, Weight
from padiff_rpc.v1.words import (
    CallMoment,
    CaptureKind,
    DType,
    PairedBy,
    Pass,
    Phase,
    Side,
    Verdict,
    WeightKind,
)

REFERENCE, CANDIDATE = Side.REFERENCE, Side.CANDIDATE
SIDES = (REFERENCE, CANDIDATE)
ENTRY, EXIT = CallMoment.ENTRY, CallMoment.EXIT
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(3,))
OPTIONS = Options()
WEIGHT = Weight(name="weight", kind=WeightKind.PARAMETER, spec=SPEC)


def event(moment, path, *tensors, call=0, replay=False):
    slots = tuple(Slot(name=str(i), tensor=number, spec=SPEC) for i, number in enumerate(tensors))
    return CallEvent(moment=moment, path=path, call=call, slots=slots, replay=replay)


# root(1) -> a(1) gives 2 -> b(2) gives 3, which the root returns.
CALLS = (
    event(ENTRY, "", 1),
    event(ENTRY, "a", 1),
    event(EXIT, "a", 2),
    event(ENTRY, "b", 2),
    event(EXIT, "b", 3),
    event(EXIT, "", 3),
)
ORIGINS = {1: ("", "input"), 2: ("a", "output"), 3: ("b", "output")}


def plan_of(*paths, **given):
    return Plan(
        layers=tuple(PairedLayer(reference=path, candidate=path, how=PairedBy.SAME_PATH) for path in paths),
        **given,
    )


PLAN = plan_of("", "a", "b")
WEIGHTS = WeightPlan(
    pairs=(
        WeightPair(
            kind=WeightKind.PARAMETER,
            references=(OwnedWeight(path="b", weight=WEIGHT),),
            candidate=OwnedWeight(path="b", weight=WEIGHT),
            rule=IDENTITY,
        ),
    )
)
MODELS = {
    side: ModelIndex(
        [
            Layer(path="", classes=("fake.Root",)),
            Layer(path="a", classes=("fake.ReLU",)),
            Layer(path="b", classes=("fake.Linear",), weights=(WEIGHT,)),
            Layer(path="c", classes=("fake.Linear",), weights=(WEIGHT,)),
        ]
    )
    for side in SIDES
}


class Bench:
    """One step's captures with hands to feed them; measures whatever becomes ready at once."""

    def __init__(self, store, plan=PLAN, traces=None, expectations="from traces"):
        self.store = store
        self.measured = []
        self.embeddings = []
        if expectations == "from traces":
            calls = traces or dict.fromkeys(SIDES, CALLS)
            traced = {side: Trace.of_events(calls[side]) for side in SIDES}
            expectations = Expectations(join_calls(PLAN if plan is None else plan, traced))
        self.captures = StepCaptures(
            PassPlan(plan=plan, weights=WEIGHTS, expectations=expectations), store, self._ready
        )
        self.history = StepHistory()

    def _ready(self, table, pair):
        first, second = table.halves(pair)
        self.measured.append((table.aspect(pair).phase, pair.reference, pair.candidate))
        self.embeddings += [first.is_embedding] if table.aspect(pair).phase is Phase.GRADIENTS else []
        table.settle(
            pair,
            measure_pair(
                table.aspect(pair),
                first.tensors,
                second.tensors[0],
                tolerances=Tolerances(OPTIONS),
            ),
        )

    def calls(self, *events):
        for side in SIDES:
            for one in events:
                self.captures.call(side, one)

    def send(self, side, number, path, kind, values=(1.0, 2.0, 3.0), gradient_of=0, slot="0"):
        """Sends a capture as a worker would; returns whether it was kept."""
        capture = Announced(
            id=CaptureId(step=0, path=path, call=0, slot=slot, kind=CaptureKind(kind)),
            number=number,
            gradient_of=gradient_of,
        )
        if not self.captures.announce(side, capture):
            return False
        array = self.store.allocate(SPEC)
        array[...] = values
        half = Half(
            tensors=(HostTensor(array=array, dtype=DType.FLOAT32),), sum_squares=float(np.dot(array, array))
        )
        self.captures.arrive(side, capture, half)
        return True

    def send_values(self, side, *numbers, **given):
        for number in numbers:
            self.send(side, number, *ORIGINS[number], **given)

    def rows(self, is_complete=True):
        this = StepPass(step=0, kind=Pass.FREE, history=self.history)
        floors = RoundingFloors(self.captures, MODELS, {})
        end = PassEnd(is_complete=is_complete, floors=floors)
        made = StepRows(this, self.captures, MODELS, OPTIONS, end)
        return list(made.all_rows()), list(made.unmatched_calls())


@pytest.fixture
def store():
    with TensorStore(1 << 20) as store:
        yield store


@pytest.mark.parametrize(
    ("dtypes", "is_embedding"),
    [
        (["int64"], True),
        (["int64", "int32"], True),
        (["float32"], False),
        (["int64", "float32"], False),
        (["bool"], False),
        ([], False),
    ],
)
def test_the_weights_of_a_layer_that_takes_nothing_but_integers_are_tables(store, dtypes, is_embedding):
    bench = Bench(store)
    for number, dtype in enumerate(dtypes):
        taken = Slot(name="0", tensor=9 + number, spec=TensorSpec(dtype=DType(dtype), shape=(3,)))
        bench.calls(CallEvent(moment=ENTRY, path="b", call=number, slots=(taken,)))
    for side in SIDES:
        bench.send(side, 1, "b", "parameter_gradient", slot="weight")
    assert bench.embeddings == [is_embedding]


def described(rows):
    return [(row.phase.value, row.kind.value, row.reference.path, row.verdict.value) for row in rows]


def test_a_tensor_that_several_calls_see_is_measured_once_and_shown_in_all(store):
    bench = Bench(store)
    bench.calls(*CALLS)
    for side in SIDES:
        bench.send_values(side, 1, 2, 3)
    assert bench.measured == [(Phase.INPUTS, 1, 1), (Phase.FORWARD, 2, 2), (Phase.FORWARD, 3, 3)]
    rows, unmatched = bench.rows()
    assert described(rows) == [
        ("inputs", "input", "", "match"),
        ("forward", "input", "a", "match"),
        ("forward", "output", "a", "match"),
        ("forward", "input", "b", "match"),
        ("forward", "output", "b", "match"),
        ("forward", "output", "", "match"),
    ]
    assert [row.order for row in rows] == [0, 0, 1, 2, 3, 4]
    assert not unmatched


def test_halves_may_come_before_the_calls_that_pair_them(store):
    bench = Bench(store)
    for side in SIDES:
        bench.send_values(side, 1, 2, 3)
    assert bench.measured == []
    bench.calls(*CALLS)
    assert len(bench.measured) == 3


def test_a_tensor_is_released_with_its_last_pair(store):
    bench = Bench(store)
    bench.calls(*CALLS)
    bench.send_values(REFERENCE, 1, 2, 3)
    assert store.in_memory_bytes == 36
    bench.send_values(CANDIDATE, 1)
    assert store.in_memory_bytes == 24
    bench.send_values(CANDIDATE, 2, 3)
    assert store.in_memory_bytes == 0


def test_a_tensor_with_two_partners_waits_for_both(store):
    # The candidate makes two tensors where the reference shows one in two calls.
    candidate = (
        event(ENTRY, "", 1),
        event(ENTRY, "a", 1),
        event(EXIT, "a", 2),
        event(ENTRY, "b", 7),
        event(EXIT, "b", 3),
        event(EXIT, "", 3),
    )
    bench = Bench(store, traces={REFERENCE: CALLS, CANDIDATE: candidate})
    for one, two in zip(CALLS, candidate):
        bench.captures.call(REFERENCE, one)
        bench.captures.call(CANDIDATE, two)
    bench.send_values(REFERENCE, 2)
    bench.send_values(CANDIDATE, 2)
    assert store.in_memory_bytes == 12, "the reference's tensor has another partner to come"
    bench.send(CANDIDATE, 7, "b", "input")
    assert store.in_memory_bytes == 0


def test_what_the_plan_gives_no_partner_is_dropped_on_arrival(store):
    alone = (*CALLS, event(ENTRY, "c", 3), event(EXIT, "c", 9))
    bench = Bench(store, traces={REFERENCE: alone, CANDIDATE: CALLS})
    assert not bench.send(REFERENCE, 9, "c", "output")
    assert store.in_memory_bytes == 0


def test_what_no_trace_knows_is_kept_to_the_end(store):
    bench = Bench(store)
    second = (event(ENTRY, "b", 2, call=1), event(EXIT, "b", 8, call=1))
    bench.calls(*CALLS, *second)
    for side in SIDES:
        bench.send_values(side, 1, 2, 3)
        bench.send(side, 8, "b", "output", slot="9")
    assert store.in_memory_bytes == 24
    rows, _ = bench.rows()
    assert [row.reference.call for row in rows if reason(row).startswith("off plan")] == [1, 1]
    bench.captures.close()
    assert store.in_memory_bytes == 0


def test_a_pair_whose_half_was_let_go_says_so(store):
    bench = Bench(store)
    bench.calls(*CALLS)
    for side in SIDES:
        bench.send_values(side, 1, 2, 3)
    bench.captures.call(REFERENCE, event(ENTRY, "b", 1, call=1))
    bench.captures.call(CANDIDATE, event(ENTRY, "b", 2, call=1))
    rows, _ = bench.rows()
    [row] = [row for row in rows if row.verdict is Verdict.NOT_COMPARED]
    assert "after it was freed" in reason(row)
    assert row.counts


def test_without_a_plan_calls_are_paired_at_the_end(store):
    bench = Bench(store, plan=None, expectations=None)
    bench.calls(*CALLS)
    for side in SIDES:
        bench.send_values(side, 1, 2, 3)
    assert bench.measured == []
    bench.captures.pair_calls(PLAN)
    assert len(bench.measured) == 3
    assert store.in_memory_bytes == 72


def test_replays_and_skipped_calls_are_no_calls(store):
    plan = plan_of("", "a", "b", ignored_reference=("b",), ignored_candidate=("b",))
    bench = Bench(store, plan=plan)
    bench.calls(*CALLS, event(ENTRY, "a", replay=True))
    _, unmatched = bench.rows()
    assert not unmatched
    assert len(bench.captures.joined.pairs) == 4


def test_a_call_on_one_side_only_counts_where_it_holds_parameters(store):
    bench = Bench(store)
    bench.calls(*CALLS)
    bench.captures.call(CANDIDATE, event(ENTRY, "c", 3))
    bench.captures.call(CANDIDATE, event(ENTRY, "a", 3, call=1))
    _, unmatched = bench.rows()
    assert [(lone.side, lone.path, lone.call, lone.counts) for lone in unmatched] == [
        (CANDIDATE, "c", 0, True),
        (CANDIDATE, "a", 1, False),
    ]


def test_an_output_more_on_the_root_counts_and_an_input_more_does_not(store):
    bench = Bench(store)
    bench.captures.call(REFERENCE, event(ENTRY, "", 1))
    bench.captures.call(CANDIDATE, event(ENTRY, "", 1, 4))
    bench.captures.call(REFERENCE, event(EXIT, "", 3))
    bench.captures.call(CANDIDATE, event(EXIT, "", 3, 5))
    rows, _ = bench.rows()
    lone = [(row.kind.value, row.counts) for row in rows if row.verdict is Verdict.UNMATCHED]
    assert lone == [("input", False), ("output", True)]


class TestGradients:
    def send(self, bench, sides=SIDES, of=2, values=(1.0, 2.0, 3.0)):
        for side in sides:
            bench.send(side, 100 + of, *ORIGINS[of], gradient_of=of, values=values)

    def test_run_backwards_and_share_the_pairs_of_their_tensors(self, store):
        bench = Bench(store)
        bench.calls(*CALLS)
        for side in SIDES:
            bench.send_values(side, 1, 2, 3)
        for of in (3, 2):
            self.send(bench, of=of)
        rows, _ = bench.rows()
        backward = [row for row in described(rows) if row[0] == "backward"]
        assert backward == [
            ("backward", "output_gradient", "", "match"),
            ("backward", "output_gradient", "b", "match"),
            ("backward", "input_gradient", "b", "match"),
            ("backward", "output_gradient", "a", "match"),
        ]
        assert store.in_memory_bytes == 0

    def test_on_one_side_only_are_no_failure(self, store):
        bench = Bench(store)
        bench.calls(*CALLS)
        self.send(bench, sides=[CANDIDATE])
        row = next(row for row in bench.rows()[0] if row.phase is Phase.BACKWARD)
        assert (row.verdict, row.counts, row.reference) == (Verdict.UNMATCHED, False, None)

    def test_of_a_step_that_broke_off_are_not_missed(self, store):
        bench = Bench(store)
        bench.calls(*CALLS)
        self.send(bench, sides=[CANDIDATE])
        assert not [row for row in bench.rows(is_complete=False)[0] if row.phase is Phase.BACKWARD]

    def parameter(self, bench, side, values):
        bench.send(side, 300, "b", "parameter_gradient", values=values, slot="weight")

    @pytest.mark.parametrize(
        ("values", "verdict"), [((0.0, 0.0, 0.0), Verdict.MATCH), ((0.0, 1e-9, 0.0), Verdict.MISMATCH)]
    )
    def test_of_a_parameter_on_one_side_agree_with_zeros_alone(self, store, values, verdict):
        bench = Bench(store)
        self.parameter(bench, REFERENCE, values)
        [row] = bench.rows()[0]
        assert (row.phase, row.verdict, row.counts) == (Phase.GRADIENTS, verdict, True)
        assert "no gradient on the candidate" in reason(row)

    def test_of_a_parameter_on_neither_side_are_no_row(self, store):
        assert Bench(store).rows() == ([], [])


class TestLosses:
    def loss(self, bench, side, values=(1.0, 2.0, 3.0)):
        bench.send(side, 200, "", "loss", values=values, slot="loss")

    def test_are_one_row(self, store):
        bench = Bench(store)
        for side in SIDES:
            self.loss(bench, side)
        assert described(bench.rows()[0]) == [("loss", "loss", "", "match")]
        assert bench.captures.losses.measured(LOSSES) is not None

    def test_on_one_side_only_fail(self, store):
        bench = Bench(store)
        self.loss(bench, REFERENCE)
        [row] = bench.rows()[0]
        assert (row.verdict, row.counts) == (Verdict.UNMATCHED, True)


def test_two_readers_may_feed_it_at_once(store):
    calls = [
        event(moment, "a", number, call=call)
        for call in range(200)
        for moment, number in ((ENTRY, 2 * call + 1), (EXIT, 2 * call + 2))
    ]
    bench = Bench(store, expectations=None)

    def feed(side):
        for one in calls:
            bench.captures.call(side, one)
            kind = "input" if one.moment is ENTRY else "output"
            bench.send(side, one.slots[0].tensor, "a", kind)

    threads = [threading.Thread(target=feed, args=(side,)) for side in SIDES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bench.measured) == len(set(bench.measured)) == 400


def test_a_pair_that_cannot_be_measured_says_why(store):
    bench = Bench(store)
    bench.calls(*CALLS)
    values = bench.captures.values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bench.captures.values, "_ready", lambda table, pair: table.settle(pair, None, trouble="too odd")
        )
        for side in SIDES:
            bench.send_values(side, 2)
    assert values.measured(TensorPair(reference=2, candidate=2)) is None
    row = next(row for row in bench.rows()[0] if row.reference.path == "a" and row.kind.value == "output")
    assert (row.verdict, row.counts, reason(row)) == (Verdict.NOT_COMPARED, True, "too odd")
