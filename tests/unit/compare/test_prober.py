"""The prober: which rows get hints, what settings add, what is remembered of earlier tensors."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import numpy as np
import pytest

from padiff_compare.hints.prober import MOST_PROBED, Prober
from padiff_compare.hints.registry import ranked
from padiff_compare.hints.settings import Sides
from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.judged_row import blank_row, judged_row
from padiff_compare.judge.measured import Aspect, ShownAt, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_rpc import trees
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    Hint,
    HyperParameterDifference,
    Layer,
    OptimizerDifference,
    Options,
    Place,
    Row,
    TensorSpec,
    Weight,
)
from padiff_rpc.v1.words import CaptureKind, DType, HintKind, NoteKind, Pass, Phase, Side, WeightKind

X = np.random.default_rng(3).standard_normal((6, 16)).astype(np.float32)
OPTIONS = Options()


@record
class Told:
    """What a report knows of settings."""

    hyper_parameters: tuple[HyperParameterDifference, ...] = ()
    optimizer: tuple[OptimizerDifference, ...] = ()


def layer(path: str, kind: str, **settings: Any) -> Layer:
    weights = (
        Weight(
            name="_mean",
            kind=WeightKind.BUFFER,
            canonical_name="running_mean",
            spec=TensorSpec(dtype=DType.FLOAT32, shape=(16,)),
        ),
    )
    packed = trees.pack(settings, where="hyper_parameters")
    return Layer(path=path, classes=(f"f.{kind}",), kind=kind, hyper_parameters=packed, weights=weights)


def prober(told: Optional[Told] = None, *, modes: tuple[bool, bool] = (False, False), **kinds: str) -> Prober:
    layers = tuple(
        layer(path, kind, momentum=0.1)
        for path, kind in {"fc": "linear", "norm": "batch_norm", **kinds}.items()
    )
    sides = Sides(layers=dict.fromkeys(Side, layers), train=dict(zip(Side, modes)))
    return Prober(OPTIONS, sides, told or Told(), lambda: None)


def measured(
    one: Prober,
    candidate: Any,
    reference: Any = X,
    *,
    path: str = "fc",
    slot: str = "0",
    phase: Phase = Phase.FORWARD,
    kind: CaptureKind = CaptureKind.OUTPUT,
) -> Measured:
    aspect = Aspect(phase=phase, kind=kind, shown=ShownAt(reference=path, candidate=path, slot=slot))
    ours, theirs = HostTensor.from_array(reference), HostTensor.from_array(candidate)
    return measure_pair(
        aspect, ours, theirs, tolerances=Tolerances(OPTIONS, in_lockstep=True), probe=one.probe
    )


def row(
    found: Measured,
    *,
    path: str = "fc",
    slot: str = "0",
    phase: Phase = Phase.FORWARD,
    kind: CaptureKind = CaptureKind.OUTPUT,
    pass_kind: Pass = Pass.LOCKSTEP,
) -> Row:
    place = Place(path=path, slot=slot)
    frame = blank_row(phase, kind, place, place, pass_kind=pass_kind)
    return judged_row(frame, Evidence(kind=kind, measured=found), OPTIONS)


def kinds(row: Row) -> tuple[HintKind, ...]:
    return tuple(hint.kind for hint in row.hints)


def test_a_pair_that_agrees_has_no_hint() -> None:
    one = prober()
    assert kinds(one.settled(row(measured(one, X)))) == ()
    assert kinds(one.settled(row(measured(one, X * np.float32(1 + 1e-7))))) == ()


def test_a_pair_that_differs_has_hints_and_never_another_verdict() -> None:
    one = prober()
    before = row(measured(one, -X))
    after = one.settled(before)
    assert kinds(after) == (HintKind.SIGN,)
    assert dataclasses.replace(after, hints=before.hints) == before


def test_a_pair_of_which_nothing_is_known_says_so() -> None:
    one = prober()
    other = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    assert kinds(one.settled(row(measured(one, other)))) == (HintKind.UNKNOWN,)


def test_a_row_that_does_not_count_has_none() -> None:
    one = prober()
    assert kinds(one.settled(dataclasses.replace(row(measured(one, -X)), counts=False))) == ()


def test_of_a_free_run_the_first_row_of_each_phase_has_hints() -> None:
    one = prober()
    rows = [row(measured(one, -X), pass_kind=Pass.FREE) for _ in range(2)]
    rows += [row(measured(one, -X, phase=Phase.BACKWARD), phase=Phase.BACKWARD, pass_kind=Pass.FREE)]
    rows += [dataclasses.replace(rows[0], step=1)]
    assert [bool(one.settled(each).hints) for each in rows] == [True, False, True, True]
    # With local errors, and of weights as the models made them, each is a fault.
    each = [dataclasses.replace(rows[0], twin=n + 1) for n in range(2)]
    each += [dataclasses.replace(rows[0], phase=Phase.INITIAL_WEIGHTS)] * 2
    assert all(one.settled(row).hints for row in each)


def test_of_a_phase_no_more_than_the_limit_are_looked_at() -> None:
    one = prober()
    for _ in range(MOST_PROBED - 1):
        assert measured(one, -X).hints
    assert measured(one, -X).hints
    # What rounding may explain is counted by itself.
    assert measured(one, X * np.float32(1 + 5e-6)).hints
    assert measured(one, -X, phase=Phase.BACKWARD).hints
    assert one.notes() == ()
    assert not one.settled(row(measured(one, -X))).hints
    [note] = one.notes()
    assert (note.kind, note.numbers) == (NoteKind.HINTS_LIMITED, (float(MOST_PROBED),))


def difference(name: str, path: str = "fc") -> HyperParameterDifference:
    return HyperParameterDifference(
        reference_path=path, candidate_path=path, name=name, reference="1", candidate="2"
    )


def test_a_setting_that_differs_is_a_hint_with_both_values() -> None:
    told = Told(hyper_parameters=(difference("stride"), difference("padding", "elsewhere")))
    one = prober(told)
    other = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    [hint] = one.settled(row(measured(one, other))).hints
    assert (hint.kind, hint.names) == (HintKind.SETTING, ("stride", "1", "2", "fc"))
    # What was computed and agrees stands first.
    assert kinds(one.settled(row(measured(one, -X)))) == (HintKind.SIGN, HintKind.SETTING)
    # What a layer was given, it did not make.
    given = dataclasses.replace(row(measured(one, other)), kind=CaptureKind.INPUT)
    assert kinds(one.settled(given)) == (HintKind.UNKNOWN,)


def test_what_another_hint_covers_is_not_said() -> None:
    def hint(kind: HintKind, *names: str) -> Hint:
        return Hint(kind=kind, names=names)

    settings = [hint(HintKind.SETTING, name, "1", "2", "fc") for name in ("epsilon", "stride")]
    told = ranked([hint(HintKind.EPSILON)], settings)
    assert [one.kind for one in told] == [HintKind.EPSILON, HintKind.SETTING]
    assert told[1].names[0] == "stride"
    scales = [hint(kind) for kind in (HintKind.SIGN, HintKind.SCALED, HintKind.SCALED_EACH)]
    assert [one.kind for one in ranked(scales, ())] == [HintKind.SIGN]


def test_a_setting_of_the_layer_around_is_one_too() -> None:
    one = prober(Told(hyper_parameters=(difference("num_heads", "attention"),)))
    other = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    found = measured(one, other, path="attention.out")
    assert kinds(one.settled(row(found, path="attention.out"))) == (HintKind.SETTING,)
    assert kinds(one.settled(row(found, path="attentive"))) == (HintKind.UNKNOWN,)


def test_a_momentum_is_no_reason_for_values() -> None:
    one = prober(Told(hyper_parameters=(difference("momentum", "norm"),)))
    other = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    assert kinds(one.settled(row(measured(one, other, path="norm"), path="norm"))) == (HintKind.UNKNOWN,)
    given = {"path": "norm", "phase": Phase.WEIGHTS, "kind": CaptureKind.BUFFER}
    found = measured(one, other[0], X[0], slot="running_mean", **given)
    assert kinds(one.settled(row(found, slot="_mean", **given))) == (HintKind.SETTING,)


def test_modes_that_differ_are_a_hint_where_they_matter() -> None:
    one = prober(modes=(True, False))
    other = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    [hint] = one.settled(row(measured(one, other, path="norm"), path="norm")).hints
    assert (hint.kind, hint.side) == (HintKind.TRAIN_MODE, next(iter(Side)))
    assert kinds(one.settled(row(measured(one, other)))) == (HintKind.UNKNOWN,)


def test_an_optimizers_settings_are_hints_of_what_it_makes() -> None:
    rate = OptimizerDifference(name="learning_rate", reference="0.1", candidate="0.2")
    other = OptimizerDifference(name="epsilon", parameters=("other.weight",), reference="1", candidate="2")
    one = prober(Told(optimizer=(rate, other)))
    given = {"phase": Phase.WEIGHTS, "kind": CaptureKind.PARAMETER, "slot": "weight"}
    values = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    [hint] = one.settled(row(measured(one, values, **given), **given)).hints
    assert (hint.kind, hint.names) == (HintKind.OPTIMIZER_SETTING, ("learning_rate", "0.1", "0.2"))


def test_a_rate_that_a_schedule_has_changed_is_a_hint_of_its_own_row() -> None:
    one = prober()
    given: dict[str, Any] = {"phase": Phase.OPTIMIZER, "kind": CaptureKind.OPTIMIZER_STATE}
    found = measured(one, np.array(0.25), np.array(0.5), **given)
    # Settings are measured without being looked at.
    unseen = dataclasses.replace(found, hints=())
    [hint] = one.settled(row(unseen, slot="weight.learning_rate", **given)).hints
    assert (hint.kind, hint.names) == (HintKind.OPTIMIZER_SETTING, ("learning_rate", "0.5", "0.25"))
    assert one.notes() == ()


def test_weights_that_are_swapped_name_each_other() -> None:
    one = prober()
    given: dict[str, Any] = {"phase": Phase.INITIAL_WEIGHTS, "kind": CaptureKind.PARAMETER, "slot": "weight"}
    made = [
        measured(one, theirs, ours, path=path, **given)
        for path, ours, theirs in (("a", X, X[::-1].copy()), ("b", X[::-1].copy(), X))
    ]
    rows = [one.settled(row(each, path=path, **given)) for path, each in zip("ab", made)]
    assert [each.hints[0].names for each in rows] == [("b.weight",), ("a.weight",)]


@pytest.mark.parametrize(("now", "kind"), [(X, HintKind.STALE), (X[::-1], HintKind.FLIPPED)])
def test_a_weight_of_the_step_before_is_stale(now: Any, kind: HintKind) -> None:
    one = prober()
    given: dict[str, Any] = {"kind": CaptureKind.PARAMETER, "slot": "weight"}
    measured(one, X, X, phase=Phase.INITIAL_WEIGHTS, **given)
    later = np.random.default_rng(5).standard_normal(X.shape).astype(np.float32)
    reference = later if kind is HintKind.STALE else X
    found = measured(one, np.ascontiguousarray(now), reference, phase=Phase.WEIGHTS, **given)
    assert found.hints[0].kind is kind
