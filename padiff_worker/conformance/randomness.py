"""Conformance: random operations computed from shared numbers, with NumPy as the oracle."""

from __future__ import annotations

import random
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from padiff_rpc.records import record
from padiff_rpc.v1.records import RandomPair
from padiff_rpc.v1.words import Randomness
from padiff_worker.calls import CallLog
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.conformance.tape import Tape
from padiff_worker.draws import Draw
from padiff_worker.randomness import OUTSIDE_PAIR, Decisions, DrawKeys
from padiff_worker.recorder import Recorder
from padiff_worker.tracing import trace

SEED, STEP = 11, 2


@record
class Ran:
    """What came of a step: the output's values, the gradient of the first input, and what was random."""

    output: Any
    gradient: Any
    operations: list[tuple[str, int, str, bool]]


def drawn(pair: int, call: int = 0, ordinal: int = 0, *, seed: int = SEED, step: int = STEP) -> Draw:
    return Draw(seed=seed, step=step, pair=pair, call=call, ordinal=ordinal)


class RandomnessSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def run(
        self,
        model: Any,
        x: Any,
        pairs: Mapping[str, int],
        mode: Randomness = Randomness.SHARED,
        *,
        seed: int = SEED,
        step: int = STEP,
        is_thorough: bool = False,
    ) -> Ran:
        """Runs forward and backward; the loss has gradient 1 at the output."""
        adapter, tape = self.case.adapter, Tape()
        with Recorder(adapter, adapter.layers(model), tape) as recorder:
            decisions = Decisions(
                recorder.log,
                mode,
                DrawKeys(
                    seed=seed,
                    step=step,
                    pairs=tuple(RandomPair(path=path, pair=pair) for path, pair in pairs.items()),
                ),
                is_thorough=is_thorough,
            )
            with adapter.random_operations(decisions), adapter.gradient_mode(True):
                output = model(x)
                recorder.begin_backward()
                if adapter.requires_gradient(output):
                    adapter.backward(self.case.total(output))
        return Ran(
            output=self.case.value(output),
            gradient=tape.gradients.get("input_gradient #0.0"),
            operations=[(one.path, one.call, one.name, one.shared) for one in decisions.operations],
        )

    def calling(self, function: Callable[[Any], Any], **children: Any) -> Any:
        """Returns a layer that calls `function` of its input."""
        return self.case.layer(lambda layer, x: function(x), **children)

    def dropping(self, p: float = 0.25) -> Any:
        return self.calling(lambda x: self.case.dropout(x, p))

    def numbers(self, *shape: int) -> Any:
        """Returns a leaf, with a zero among its elements."""
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 3
        return self.case.tensor(values, requires_grad=True)

    def values(self, tensor: Any) -> Any:
        return self.case.value(tensor)

    # Keys

    def test_dropout_keeps_what_its_layers_key_keeps_forward_and_backward(self) -> None:
        x = self.numbers(4, 5)
        model = self.case.layer(lambda layer, x: layer.drop(x) * 2, drop=self.dropping())
        ran = self.run(model, x, {"": 0, "drop": 7})
        factors = drawn(7).kept((4, 5), 0.25) / 0.75
        assert np.allclose(ran.output, self.values(x) * factors * 2)
        assert np.allclose(ran.gradient, factors * 2)
        assert [one[:2] + one[3:] for one in ran.operations] == [("drop", 0, True)]

    def test_each_call_of_a_layer_and_each_operation_of_a_call_has_numbers_of_its_own(self) -> None:
        twice = self.calling(lambda x: self.case.dropout(self.case.dropout(x, 0.25), 0.5))
        model = self.case.layer(lambda layer, x: layer.drop(layer.drop(x)), drop=twice)
        ran = self.run(model, self.numbers(4, 5), {"drop": 7})
        kept = np.ones((4, 5), bool)
        for call in (0, 1):
            for ordinal, p in enumerate((0.25, 0.5)):
                kept &= drawn(7, call, ordinal).kept((4, 5), p)
        assert np.array_equal(np.asarray(ran.gradient) != 0, kept)

    def test_a_layer_that_is_not_listed_counts_for_the_nearest_one_around_it_that_is(self) -> None:
        inner = self.case.layer(lambda layer, x: layer.drop(x), drop=self.dropping())
        model = self.case.layer(
            lambda layer, x: layer.block(self.case.dropout(x, 0.25)),
            block=self.case.layer(lambda layer, x: layer.inner(layer.drop(x)), inner=inner, drop=inner.drop),
        )
        ran = self.run(model, self.numbers(4, 5), {"block": 3})
        kept = drawn(OUTSIDE_PAIR).kept((4, 5), 0.25)
        kept &= drawn(3, 0, 0).kept((4, 5), 0.25) & drawn(3, 0, 1).kept((4, 5), 0.25)
        assert np.array_equal(np.asarray(ran.gradient) != 0, kept)

    def test_another_step_and_another_seed_draw_other_numbers(self) -> None:
        found = [
            self.run(self.dropping(), self.numbers(8, 8), {"": 0}, seed=seed, step=step).gradient
            for seed, step in ((1, 0), (1, 0), (2, 0), (1, 1))
        ]
        assert found[0] == found[1]
        assert len({str(gradient) for gradient in found}) == 3

    def test_dropout_of_nothing_of_all_or_out_of_training_decides_nothing(self) -> None:
        def forward(x: Any) -> Any:
            case = self.case
            case.dropout(x, 1.0)
            return case.dropout(case.dropout(case.dropout(x, 0.0), 0.5, training=False), 0.25)

        ran = self.run(self.calling(forward), self.numbers(4, 5), {"": 0}, is_thorough=True)
        assert np.array_equal(np.asarray(ran.gradient) != 0, drawn(0).kept((4, 5), 0.25))
        assert len(ran.operations) == 1

    # Operations

    def test_a_feature_dropout_drops_whole_channels(self) -> None:
        model = self.calling(lambda x: self.case.feature_dropout(x, 0.5))
        ran = self.run(model, self.numbers(3, 4, 2, 2), {"": 0})
        factors = drawn(0).kept((3, 4, 1, 1), 0.5) / 0.5
        assert np.allclose(ran.gradient, np.broadcast_to(factors, (3, 4, 2, 2)))
        assert len(ran.operations) == 1

    def test_an_alpha_dropout_keeps_mean_and_variance(self) -> None:
        p, low = 0.25, -1.7580993408473766
        scale = ((1 - p) * (1 + p * low**2)) ** -0.5
        x = self.numbers(4, 5)
        ran = self.run(self.calling(lambda x: self.case.alpha_dropout(x, p)), x, {"": 0})
        kept = drawn(0).kept((4, 5), p)
        expected = np.where(kept, self.values(x), low) * scale - scale * low * p
        assert np.allclose(ran.output, expected, atol=1e-6)
        assert np.allclose(ran.gradient, kept * scale)

    def test_a_randomised_relu_draws_its_slopes(self) -> None:
        x = self.numbers(4, 5)
        ran = self.run(self.calling(lambda x: self.case.rrelu(x, 0.125, 0.5)), x, {"": 0})
        values = self.values(x)
        slopes = 0.125 + 0.375 * drawn(0).uniform((4, 5))
        assert np.allclose(ran.output, np.where(values < 0, values * slopes, values))
        gradient = np.asarray(ran.gradient)
        assert np.allclose(gradient[values != 0], np.where(values < 0, slopes, 1)[values != 0])

    def test_attention_drops_from_its_weights_forward_and_backward(self) -> None:
        p, shape = 0.25, (2, 3, 4, 5)
        query, key = (np.sin(np.arange(120.0) * k).reshape(shape).astype(np.float32) for k in (1, 2))
        q, k = self.case.tensor(query), self.case.tensor(key)
        value = self.numbers(*shape)
        ran = self.run(self.calling(lambda v: self.case.dot_product_attention(q, k, v, p)), value, {"": 0})
        scores = np.einsum("bhld,bhsd->bhls", query, key) / np.sqrt(5)
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        weights = weights * drawn(0).kept((2, 3, 4, 4), p) / (1 - p)
        assert np.allclose(ran.output, weights @ self.values(value), atol=1e-4)
        assert np.allclose(ran.gradient, weights.swapaxes(-1, -2) @ np.ones(shape), atol=1e-5)
        assert len(ran.operations) == 1

    def test_uniform_and_normal_numbers_are_the_shared_ones(self) -> None:
        uniform = self.run(self.calling(lambda x: x * 0 + self.case.rand((4, 5))), self.numbers(1), {"": 0})
        assert np.array_equal(uniform.output, drawn(0).uniform((4, 5)))
        normal = self.run(self.calling(lambda x: x * 0 + self.case.randn((4, 5))), self.numbers(1), {"": 0})
        assert np.allclose(normal.output, drawn(0).normal((4, 5)), rtol=1e-6)

    def test_a_mask_is_the_same_however_it_is_written(self) -> None:
        case, keep = self.case, 0.7
        full = case.tensor(np.full((4, 5), keep, np.float32))
        ways = (
            lambda x: case.bernoulli(full),
            lambda x: case.bernoulli_(case.tensor(np.zeros((4, 5), np.float32)), keep),
            lambda x: case.floor(full + case.rand((4, 5))),
            lambda x: case.dropout(x * 0 + 1, 1 - keep) * keep,
        )
        found = [self.run(self.calling(way), self.numbers(1, 5), {"": 0}).output for way in ways[:3]]
        found.append(self.run(self.calling(ways[3]), self.numbers(4, 5), {"": 0}).output.round())
        for mask in found:
            assert np.array_equal(mask, drawn(0).ones((4, 5), keep))

    # Recomputation

    def test_recomputation_draws_what_the_first_run_drew(self) -> None:
        for recompute in self.case.random_recomputations:
            block = self.case.layer(lambda layer, x: layer.drop(x) * 1, drop=self.dropping())
            model = self.case.layer(
                lambda layer, x, recompute=recompute: recompute(layer.b, recompute(layer.a, x * 1)),
                a=block,
                b=self.case.layer(lambda layer, x: layer.drop(layer.drop(x)), drop=self.dropping()),
            )
            for pairs in ({"a.drop": 3, "b.drop": 4}, {"a": 3, "b": 4}, {"": 3}, {}):
                ran = self.run(model, self.numbers(6, 7), pairs)
                values = self.values(self.numbers(6, 7))
                assert np.allclose(ran.output, values * ran.gradient), pairs
                assert 0 < np.count_nonzero(ran.gradient) < 42
                assert len(ran.operations) == 3

    def test_recomputation_may_begin_in_the_middle_of_a_call(self) -> None:
        def segment(x: Any) -> Any:
            return self.case.dropout(self.case.dropout(x, 0.25) * 1, 0.25)

        for recompute in self.case.random_recomputations:
            model = self.case.layer(
                lambda layer, x, recompute=recompute: recompute(
                    segment, layer.between(recompute(segment, self.case.dropout(x * 1, 0.25)))
                ),
                between=self.dropping(),
            )
            for pairs in ({"": 3}, {"": 3, "between": 4}, {}):
                ran = self.run(model, self.numbers(6, 7), pairs)
                assert np.allclose(ran.output, self.values(self.numbers(6, 7)) * ran.gradient), pairs
                assert 0 < np.count_nonzero(ran.gradient) < 42

    def test_a_segment_inside_a_segment_draws_what_it_drew(self) -> None:
        for recompute in self.case.nested_recomputations:
            model = self.case.layer(
                lambda layer, x, recompute=recompute: recompute(
                    lambda y: self.case.dropout(recompute(layer.drop, layer.drop(y) * 1), 0.25), x * 1
                ),
                drop=self.dropping(),
            )
            for pairs in ({"": 3}, {}):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the outer segment's first run keeps no graph
                    ran = self.run(model, self.numbers(6, 7), pairs)
                assert np.allclose(ran.output, self.values(self.numbers(6, 7)) * ran.gradient), pairs

    # Modes

    def test_switched_off_dropout_is_the_identity_and_other_operations_are_the_frameworks(self) -> None:
        x = self.numbers(4, 5)
        model = self.calling(lambda x: self.case.dropout(x, 0.5) + self.case.rand((4, 5)) * 0)
        ran = self.run(model, x, {"": 0}, Randomness.OFF)
        assert np.array_equal(ran.output, self.values(x))
        assert [one[3] for one in ran.operations] == [True, False]

    def test_where_decisions_are_only_reported_the_framework_draws_them(self) -> None:
        model = self.dropping(0.5)
        self.case.adapter.seed(5)
        with self.case.adapter.gradient_mode(True):
            expected = self.case.value(model(self.numbers(8, 8)))
        self.case.adapter.seed(5)
        ran = self.run(model, self.numbers(8, 8), {"": 0}, Randomness.REPORT)
        assert np.array_equal(ran.output, expected)
        assert [one[3] for one in ran.operations] == [True]

    # Names

    def traced(self, model: Any) -> list[tuple[str, str, bool]]:
        """Returns path, name and whether it is shared of what a trace names."""
        adapter, x = self.case.adapter, self.numbers(2)
        found = trace(adapter, model, lambda recorder: model(x), Randomness.SHARED, repeat=False)
        assert found.failure is None
        return [(one.path, one.name, one.shared) for one in found.random_operations]

    def test_a_trace_names_what_passes_our_names_by(self) -> None:
        drawing = self.case.hidden_drawing()
        model = self.case.layer(
            lambda layer, x: layer.hides(layer.drop(x)),
            drop=self.dropping(),
            hides=self.calling(lambda x: x + drawing() * 0),
        )
        found = self.traced(model)
        assert [(path, shared) for path, _, shared in found] == [("drop", True), ("hides", False)]

    def test_what_cannot_be_shared_is_named_with_its_call(self) -> None:
        names: list[str] = []

        def forward(x: Any) -> Any:
            names.append(self.case.unshared())
            return x * 1

        other = self.calling(forward)
        model = self.case.layer(lambda layer, x: layer.other(layer.other(x)), other=other)
        for mode in Randomness:
            names.clear()
            ran = self.run(model, self.numbers(2), {"other": 0}, mode)
            assert ran.operations == [("other", call, names[0], False) for call in (0, 1)]

    def test_pythons_and_numpys_generators_are_named_where_they_were_drawn_from(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            random.random()
            return layer.inner(x)

        inner = self.calling(lambda x: x * float(np.random.rand() < 2))
        assert self.traced(self.case.layer(forward, inner=inner)) == [
            ("", "random", False),
            ("inner", "numpy.random", False),
        ]

    def test_what_other_threads_draw_is_not_the_models(self) -> None:
        def forward(x: Any) -> Any:
            thread = threading.Thread(target=self.case.rand, args=((3,),))
            thread.start()
            thread.join()
            return self.case.dropout(x, 0.25)

        ran = self.run(self.calling(forward), self.numbers(4, 5), {"": 0})
        assert np.array_equal(np.asarray(ran.gradient) != 0, drawn(0).kept((4, 5), 0.25))
        assert len(ran.operations) == 1

    def test_nothing_is_left_behind_by_a_model_that_raises(self) -> None:
        adapter = self.case.adapter
        before = self.case.random_functions()
        decisions = Decisions(CallLog(), Randomness.SHARED, is_thorough=True)
        try:
            with Recorder(adapter, (), Tape()):
                with adapter.random_operations(decisions):
                    assert self.case.random_functions() != before
                    self.case.dropout(self.numbers(2), 0.5)
                    raise KeyError("mine")
        except KeyError:
            pass
        assert self.case.random_functions() == before
        self.case.dropout(self.numbers(2), 0.5)
        assert [one.shared for one in decisions.operations] == [True]
