"""Conformance: names, order and values of the captures that the recorder makes through an adapter."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from padiff_rpc.tensors import WIRE_BUCKETS, HostTensor, sketch
from padiff_rpc.v1.records import CaptureId, Sketching
from padiff_rpc.v1.words import CaptureKind
from padiff_worker.conformance.tape import Taped
from padiff_worker.marks import mark
from padiff_worker.sketching import Sketcher


@dataclasses.dataclass
class Pair:
    """An output that is a dataclass."""

    left: Any
    right: Any
    note: str = "no tensor"


class CaptureSuite(Taped):
    """Subclassed by each adapter's tests, which set `case`."""

    # Order and names

    def test_a_chain_is_captured_in_execution_order(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.second(layer.first(x)),
            first=self.case.scale(2.0, 3.0),
            second=self.case.scale(5.0, 7.0),
        )
        tape = self.run(model, self.leaf(1, 10))
        assert tape.lines == [
            "> #0 0=1",
            "1: input #0.0",
            "> first#0 0=1",
            "< first#0 0=2",
            "2: output first#0.0",
            "> second#0 0=2",
            "< second#0 0=3",
            "3: output second#0.0",
            "< #0 0=3",
            "4: output_gradient second#0.0",
            "5: output_gradient first#0.0",
            "6: input_gradient #0.0",
        ]
        assert tape.values == {
            "input #0.0": [1, 10],
            "output first#0.0": [2, 30],
            "output second#0.0": [10, 210],
            "output_gradient second#0.0": [1, 1],
            "output_gradient first#0.0": [5, 7],
            "input_gradient #0.0": [10, 21],
        }
        assert [capture.gradient_of for capture in tape.captures] == [0, 0, 0, 3, 2, 1]

    def test_a_mark_is_a_call_that_hands_its_tensor_on(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            y = mark("doubled", x * 2)
            return mark("other.one", mark("doubled", layer.first(y)))

        model = self.case.layer(forward, first=self.case.scale(3.0, 5.0))
        tape = self.run(model, self.leaf(1, 10), marks=None)
        assert tape.calls == [
            "> #0 0=1",
            "> mark doubled#0 0=2",
            "< mark doubled#0 0=2",
            "> first#0 0=2",
            "< first#0 0=3",
            "> mark doubled#1 0=3",
            "< mark doubled#1 0=3",
            "> mark other/one#0 0=3",
            "< mark other/one#0 0=3",
            "< #0 0=3",
        ]
        assert tape.values == {
            "input #0.0": [1, 10],
            "input mark doubled#0.0": [2, 20],
            "output first#0.0": [6, 100],
            "output_gradient first#0.0": [1, 1],
            "input_gradient mark doubled#0.0": [3, 5],
            "input_gradient #0.0": [6, 10],
        }
        some = self.run(model, self.leaf(1, 10), marks=frozenset({"doubled"}))
        assert "other" not in "".join(some.lines)
        assert "mark" in "".join(some.lines)
        assert "mark" not in "".join(self.run(model, self.leaf(1, 10)).lines)

    def test_where_some_captures_are_asked_for_alone_no_other_travels_and_all_calls_are_told_of(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.second(layer.first(x)),
            first=self.case.scale(2.0, 3.0),
            second=self.case.scale(5.0, 7.0),
        )
        kinds = ("first", CaptureKind.OUTPUT), ("second", CaptureKind.OUTPUT_GRADIENT)
        only = tuple(CaptureId(step=0, path=path, call=0, slot="0", kind=kind) for path, kind in kinds)
        whole, tape = self.run(model, self.leaf(1, 10)), self.run(model, self.leaf(1, 10), only=only)
        assert tape.calls == whole.calls
        assert tape.values == {"output first#0.0": [2, 30], "output_gradient second#0.0": [1, 1]}

    def test_sketches_take_the_place_of_large_tensors_and_calls_are_told_of_as_ever(self) -> None:
        values = np.random.Generator(np.random.PCG64(5)).normal(size=1000).astype(np.float32)
        model = self.case.layer(lambda layer, x: layer.inner(x), inner=self.case.scale(2.0))
        whole = self.run(model, self.leaf(*values.tolist()))
        tape = self.run(model, self.leaf(*values.tolist()), sketcher=Sketcher(Sketching()))
        assert tape.lines == whole.lines
        expected = {"input": values, "output": 2 * values, "output_gradient": np.ones_like(values)}
        for capture in tape.captures:
            if capture.id.kind is CaptureKind.INPUT_GRADIENT:
                continue
            kept = sketch(HostTensor.from_array(expected[str(capture.id.kind)]), WIRE_BUCKETS)
            np.testing.assert_array_equal(capture.tensor.array, kept.array)
            assert capture.tensor.sketch_of == kept.sketch_of
            assert capture.tensor.statistics is not None
            assert capture.sum_squares is not None
        assert len(tape.captures) == 4

    def test_a_forward_without_gradients_captures_values_alone(self) -> None:
        model = self.case.layer(lambda layer, x: layer.inner(x), inner=self.case.scale(2.0))
        tape = self.run(model, self.leaf(3), backward=False)
        assert tape.values == {"input #0.0": [3], "output inner#0.0": [6]}

    def test_nested_inputs_and_outputs_are_named_from_the_outside_in(self) -> None:
        case = self.case
        inner = case.layer(
            lambda layer, pair, *, table, flag: {
                "sum": pair[0] + pair[1][0],
                "more": (Pair(left=table["b"] * 2, right=None), [table["a"] * 3]),
                "flag": flag,
            }
        )

        def forward(layer: Any, x: Any) -> Any:
            out = layer.inner((x * 1, [x * 2]), table={"b": x * 3, "a": x * 4}, flag=True)
            return out["sum"], out["more"][0].left, out["more"][1][0]

        tape = self.run(case.layer(forward, inner=inner), self.leaf(1))
        assert tape.calls == [
            "> #0 0=1",
            "> inner#0 0.0=2 0.1.0=3 table.b=4 table.a=5",
            "< inner#0 sum=6 more.0.left=7 more.1.0=8",
            "< #0 0=6 1=7 2=8",
        ]
        assert tape.values["output inner#0.more.0.left"] == [6]
        assert tape.values["input inner#0.table.a"] == [4]
        assert tape.gradients == {
            "output_gradient inner#0.sum": [1],
            "output_gradient inner#0.more.0.left": [1],
            "output_gradient inner#0.more.1.0": [1],
            "input_gradient inner#0.0.0": [1],
            "input_gradient inner#0.0.1.0": [1],
            "input_gradient inner#0.table.b": [2],
            "input_gradient inner#0.table.a": [3],
            "input_gradient #0.0": [1 + 2 + 6 + 12],
        }

    def test_a_keyword_argument_is_named_by_its_keyword(self) -> None:
        inner = self.case.layer(lambda layer, x, scale=None: x * scale)
        model = self.case.layer(lambda layer, x, mask: layer.inner(x, scale=mask), inner=inner)
        tape = self.run(model, self.leaf(2), mask=self.leaf(5))
        assert tape.calls == ["> #0 0=1 mask=2", "> inner#0 0=1 scale=2", "< inner#0 0=3", "< #0 0=3"]
        assert tape.gradients["input_gradient #0.mask"] == [2]

    def test_a_lone_tensor_and_a_tuple_of_one_have_one_name(self) -> None:
        for wrap in (lambda x: x, lambda x: (x,), lambda x: [x]):
            tape = self.run(self.case.layer(lambda layer, x, wrap=wrap: wrap(x * 2)), self.leaf(2))
            assert tape.values["output #0.0"] == [4]

    def test_what_is_no_tensor_has_no_slot(self) -> None:
        model = self.case.layer(lambda layer, x, *rest, **named: x * 2)
        tape = self.run(model, self.leaf(1), None, 3, np.ones(2), word="x", nothing=None)
        assert tape.calls == ["> #0 0=1", "< #0 0=2"]

    # Sharing

    def test_each_call_of_a_shared_layer_has_its_number(self) -> None:
        shared = self.case.scale(2.0)
        model = self.case.layer(
            lambda layer, x: layer.left(layer.right(layer.left(x))), left=shared, right=shared
        )
        tape = self.run(model, self.leaf(1))
        assert tape.calls == [
            "> #0 0=1",
            "> left#0 0=1",
            "< left#0 0=2",
            "> left#1 0=2",
            "< left#1 0=3",
            "> left#2 0=3",
            "< left#2 0=4",
            "< #0 0=4",
        ]
        assert tape.gradients == {
            "output_gradient left#2.0": [1],
            "output_gradient left#1.0": [2],
            "output_gradient left#0.0": [4],
            "input_gradient #0.0": [8],
        }

    def test_a_tensor_of_several_layers_travels_once_with_its_total_gradient(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            inner = x * 1
            return layer.a(inner) + layer.b(inner)

        model = self.case.layer(forward, a=self.case.scale(2.0), b=self.case.scale(3.0))
        tape = self.run(model, self.leaf(1))
        assert tape.calls[1] == "> a#0 0=2"
        assert tape.calls[3] == "> b#0 0=2"
        assert tape.gradients["input_gradient a#0.0"] == [5]
        assert "input_gradient b#0.0" not in tape.gradients

    def test_a_layer_that_returns_its_input_makes_no_new_tensor(self) -> None:
        model = self.case.layer(lambda layer, x: layer.same(x) * 2, same=self.case.layer(lambda layer, x: x))
        tape = self.run(model, self.leaf(1))
        assert tape.calls == ["> #0 0=1", "> same#0 0=1", "< same#0 0=1", "< #0 0=2"]
        assert tape.gradients == {"output_gradient #0.0": [1], "input_gradient #0.0": [2]}
