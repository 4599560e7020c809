"""Coverage, verdict and first divergence, from plain rows."""

from __future__ import annotations

import dataclasses

import pytest

from padiff_compare.report.coverage import coverage_of, first_divergence, omitted, passes
from padiff_rpc.v1.records import Omitted, Place, Row, Unmatched
from padiff_rpc.v1.words import CaptureKind, LoneKind, Omission, OmittedKind, Pass, Phase, Side, Verdict

OK, BAD, LONE, NONE = Verdict.MATCH, Verdict.MISMATCH, Verdict.UNMATCHED, Verdict.NOT_COMPARED


def row(phase, kind, path, verdict=OK, *, step=0, order=0, counts=True, slot="0", sides="rc", call=0):
    place = Place(path=path, slot=slot, call=call)
    return Row(
        step=step,
        phase=Phase(phase),
        kind=CaptureKind(kind),
        order=order,
        verdict=verdict,
        reference=place if "r" in sides else None,
        candidate=place if "c" in sides else None,
        counts=counts,
    )


ROOT = row("forward", "output", "", order=9)


def verdict(*rows, unmatched=()):
    rows = [ROOT, *rows]
    return passes(rows, unmatched, coverage_of(rows, unmatched))


def test_a_root_output_that_agrees_passes():
    assert verdict()


def test_without_a_root_output_nothing_passes():
    assert not passes([], (), coverage_of([], ()))
    assert not passes([row("forward", "output", "a")], (), coverage_of([row("forward", "output", "a")], ()))


@pytest.mark.parametrize(
    "bad", [BAD, Verdict.SHAPE_MISMATCH, Verdict.DTYPE_MISMATCH, Verdict.NONFINITE, LONE, NONE]
)
def test_whatever_counts_and_does_not_agree_fails(bad):
    assert not verdict(row("forward", "output", "a", bad))
    assert verdict(row("forward", "output", "a", bad, counts=False))


def test_a_missing_loss_fails_and_no_loss_at_all_does_not():
    assert verdict(row("loss", "loss", ""))
    assert not verdict(row("loss", "loss", "", LONE, sides="r", counts=False))


def test_an_unmatched_call_fails_where_it_counts():
    lone = Unmatched(side=Side.CANDIDATE, what=LoneKind.CALL, path="a", counts=True)
    assert not verdict(unmatched=[lone])
    assert verdict(unmatched=[Unmatched(side=Side.CANDIDATE, what=LoneKind.CALL, path="a")])


class TestCoverage:
    def test_counts_tensors_in_each_step_and_layers_once(self):
        rows = []
        for step in (0, 1):
            rows += [
                row("forward", "input", "a", step=step),
                row("forward", "output", "a", NONE, step=step),
                row("forward", "output", "a", step=step, call=1),
                row("weights", "parameter", "a", slot="weight", step=step),
                row("weights", "buffer", "a", slot="mean", step=step),
                row("loss", "loss", "", slot="loss", step=step),
                row("forward", "output", "", step=step),
            ]
        found = coverage_of(rows, ())
        assert (found.tensors_compared, found.tensors_total) == (12, 14)
        assert (found.calls_compared, found.calls_total) == (2, 3)
        assert (found.parameters_compared, found.parameters_total) == (1, 1)
        assert (found.buffers_compared, found.buffers_total) == (1, 1)
        assert (found.root_outputs_compared, found.root_outputs_total) == (2, 2)
        assert (found.losses_compared, found.losses_total) == (2, 2)

    def test_takes_a_call_for_compared_by_its_outputs(self):
        rows = [
            row("forward", "input", "opaque"),
            row("forward", "output", "opaque", NONE),
            row("forward", "input", "structure"),
            row("forward", "output", "structure", LONE, sides="c"),
            row("forward", "input", "cut"),
            row("forward", "input", "silent"),
        ]
        found = coverage_of(rows, [Unmatched(side=Side.REFERENCE, what=LoneKind.CALL, path="cut")])
        assert (found.calls_compared, found.calls_total) == (1, 4)

    def test_misses_what_has_no_partner(self):
        rows = [row("initial_weights", "parameter", "a", LONE, slot="bias", sides="r")]
        lone = Unmatched(side=Side.REFERENCE, what=LoneKind.CALL, path="a")
        found = coverage_of(rows, [lone])
        assert (found.parameters_compared, found.parameters_total) == (0, 1)
        assert (found.calls_compared, found.calls_total) == (0, 1)

    def test_leaves_out_what_was_ignored(self):
        found = coverage_of([row("initial_weights", "parameter", "a", NONE, counts=False)], ())
        assert found.parameters_total == 0

    def test_keeps_a_parameter_that_was_compared_once_and_below_rounding_later(self):
        rows = [
            row("initial_weights", "parameter", "a", slot="bias"),
            row("weights", "parameter", "a", NONE, slot="bias", counts=False),
        ]
        assert coverage_of(rows, ()).parameters_compared == 1


def left_out(phase, kind, path, omission, verdict=NONE, *, twin=0, pass_kind=Pass.FREE, **given):
    one = row(phase, kind, path, verdict, counts=False, **given)
    return dataclasses.replace(one, omission=omission, twin=twin, pass_kind=pass_kind)


class TestOmitted:
    def test_counts_places_and_layers_once_over_all_steps_by_kind_and_cause(self):
        rows = [ROOT]
        for step in (0, 1):
            rows += [
                left_out("backward", "input_gradient", "a", Omission.RANDOM, step=step),
                left_out("backward", "input_gradient", "a", Omission.RANDOM, step=step, call=1),
                left_out("gradients", "parameter_gradient", "a", Omission.RANDOM, step=step),
                left_out("gradients", "parameter_gradient", "b", Omission.RANDOM, step=step),
                left_out("weights", "parameter", "b", Omission.RANDOM, step=step),
                left_out("optimizer", "optimizer_state", "b", Omission.RANDOM, step=step),
                left_out("forward", "output", "c", Omission.RANDOM, step=step),
                left_out("backward", "output_gradient", "d", Omission.ONE_SIDED, LONE, sides="c", step=step),
            ]
        assert omitted(rows) == (
            Omitted(what=OmittedKind.GRADIENT, omission=Omission.RANDOM, places=4, layers=2),
            Omitted(what=OmittedKind.WEIGHT, omission=Omission.RANDOM, places=1, layers=1),
            Omitted(what=OmittedKind.OPTIMIZER_STATE, omission=Omission.RANDOM, places=1, layers=1),
            Omitted(what=OmittedKind.VALUE, omission=Omission.RANDOM, places=1, layers=1),
            Omitted(what=OmittedKind.GRADIENT, omission=Omission.ONE_SIDED, places=1, layers=1),
        )

    def test_leaves_out_what_lacks_nothing(self):
        assert not omitted(
            [
                ROOT,
                # Judged where the tensor first shows; ignored; without a partner; differs all the same.
                left_out("forward", "input", "a", Omission.JUDGED_ELSEWHERE),
                row("initial_weights", "parameter", "a", NONE, counts=False),
                row("forward", "input", "a", LONE, sides="c", counts=False),
                left_out("weights", "parameter", "a", Omission.RANDOM, BAD),
            ]
        )

    def test_takes_a_place_for_compared_that_either_pass_compared(self):
        local = left_out("backward", "input_gradient", "a", Omission.RANDOM, twin=1, pass_kind=Pass.LOCKSTEP)
        free = dataclasses.replace(local, pass_kind=Pass.FREE)
        assert [one.places for one in omitted([local, free])] == [1]
        assert not omitted([local, dataclasses.replace(free, verdict=OK, omission=None)])
        assert not omitted([dataclasses.replace(local, verdict=OK, omission=None), free])
        elsewhere = dataclasses.replace(local, omission=Omission.JUDGED_ELSEWHERE)
        assert [one.places for one in omitted([elsewhere, free])] == [1]


class TestFirstDivergence:
    def test_is_the_first_in_execution_order_whatever_came_in_first(self):
        rows = [
            row("forward", "output", "late", BAD, order=7),
            row("backward", "output_gradient", "grad", BAD, order=0),
            row("forward", "output", "early", BAD, order=3),
            row("forward", "input", "fine", order=1),
            row("initial_weights", "parameter", "w"),
        ]
        found = first_divergence(rows, ())
        assert found.row.reference.path == "early"
        assert (found.cause, found.position, found.compared) == ("value", 3, 5)

    def test_of_an_earlier_step_comes_before_a_later_steps_inputs(self):
        rows = [row("inputs", "input", "", BAD, step=1), row("weights", "parameter", "w", BAD, step=0)]
        assert first_divergence(rows, ()).row.step == 0

    def test_does_not_name_what_does_not_count(self):
        assert first_divergence([row("backward", "input_gradient", "a", LONE, counts=False)], ()) is None

    @pytest.mark.parametrize(
        ("one", "cause"),
        [
            (row("forward", "output", "a", BAD), "value"),
            (row("forward", "output", "a", Verdict.SHAPE_MISMATCH), "shape"),
            (row("forward", "output", "a", Verdict.DTYPE_MISMATCH), "dtype"),
            (row("forward", "output", "a", Verdict.NONFINITE), "nonfinite"),
            (row("forward", "output", "", LONE, sides="c"), "structure"),
            (row("initial_weights", "parameter", "a", LONE, sides="r"), "missing"),
            (row("loss", "loss", "", LONE, sides="r"), "missing"),
        ],
    )
    def test_says_what_kind_it_is(self, one, cause):
        assert first_divergence([one], ()).cause == cause

    def test_falls_back_to_a_call_without_a_partner(self):
        lone = Unmatched(side=Side.CANDIDATE, what=LoneKind.CALL, path="a", call=1, counts=True)
        found = first_divergence([ROOT], [lone])
        assert (found.cause, found.row.candidate.path, found.row.candidate.call) == ("missing", "a", 1)


class TestTwoPasses:
    """Of each place, a row in lockstep and one of the free run."""

    @staticmethod
    def twins(path, local, free, twin, **given):
        row_ = row("forward", "output", path, local, order=twin, **given)
        second = dataclasses.replace(row_, verdict=free, counts=free is not BAD, twin=twin)
        return dataclasses.replace(row_, twin=twin, pass_kind=Pass.LOCKSTEP), second

    def test_a_place_is_counted_once_and_compared_once_it_was_in_either(self):
        rows = [*self.twins("", OK, OK, 1), *self.twins("a", NONE, OK, 2), *self.twins("b", NONE, NONE, 3)]
        coverage = coverage_of(rows, ())
        assert (coverage.tensors_compared, coverage.tensors_total) == (2, 3)
        assert (coverage.root_outputs_compared, coverage.root_outputs_total) == (1, 1)

    def test_places_of_one_side_alone_are_told_apart(self):
        rows = [*self.twins("", OK, OK, 1), *self.twins("a", LONE, LONE, 2), *self.twins("b", LONE, OK, 3)]
        coverage = coverage_of([*rows, *self.twins("c", NONE, NONE, 4)], ())
        assert (coverage.tensors_compared, coverage.tensors_total, coverage.tensors_unmatched) == (2, 4, 1)

    def test_each_step_is_counted(self):
        rows = [*self.twins("", OK, OK, 1), *self.twins("", OK, OK, 1, step=1)]
        assert coverage_of(rows, ()).tensors_total == 2

    def test_the_first_divergence_is_that_of_the_pass_in_lockstep(self):
        odd = dataclasses.replace(
            self.twins("a", OK, Verdict.NONFINITE, 1)[1], verdict=Verdict.NONFINITE, counts=True
        )
        rows = [odd, *self.twins("b", BAD, BAD, 2), *self.twins("c", OK, OK, 3)]
        first = first_divergence(rows, ())
        assert first.row.reference.path == "b"
        assert (first.position, first.compared) == (1, 2)
        assert first_divergence([odd], ()).row is odd

    def test_an_earlier_step_comes_before_a_pass(self):
        odd = dataclasses.replace(row("forward", "output", "a", LONE), twin=1)
        rows = [*self.twins("b", BAD, BAD, 2, step=1), odd]
        assert first_divergence(rows, ()).row is odd
