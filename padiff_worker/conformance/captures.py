"""Conformance: names, order and values of the captures that the recorder makes through an adapter."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import Any, Optional

import numpy as np

from padiff_rpc.types import CallEvent
from padiff_rpc.words import CallMoment
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.recorder import Capture, Recorder


@dataclasses.dataclass
class Pair:
    """An output that is a dataclass."""

    left: Any
    right: Any
    note: str = "no tensor"


class Tape:
    """A recorder's sink that keeps everything."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: dict[str, Any] = {}
        self.events: list[CallEvent] = []
        self.captures: list[Capture] = []

    def call(self, event: CallEvent) -> None:
        slots = " ".join(f"{slot.name}={slot.tensor}" for slot in event.slots)
        sign = ">" if event.moment is CallMoment.ENTRY else "<"
        replay = " replay" if event.replay else ""
        self.lines.append(f"{sign} {event.path}#{event.call} {slots}{replay}".replace("  ", " ").rstrip())
        self.events.append(event)

    def capture(self, capture: Capture) -> None:
        where = f"{capture.id.path}#{capture.id.call}.{capture.id.slot}"
        name = f"{capture.id.kind} {where}"
        assert name not in self.values, f"{name} was captured twice"
        self.lines.append(f"{capture.number}: {name}")
        self.values[name] = capture.tensor.array.tolist()
        self.captures.append(capture)

    @property
    def calls(self) -> list[str]:
        return [line for line in self.lines if line[0] in "<>"]

    @property
    def gradients(self) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if "_gradient" in name}


class CaptureSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def run(self, model: Any, *args: Any, backward: bool = True, **kwargs: Any) -> Tape:
        """Runs one step; the loss has gradient 1 at the output's tensors."""
        tape, adapter = Tape(), self.case.adapter
        with Recorder(adapter, adapter.layers(model), tape, gradients=backward) as recorder:
            with adapter.gradient_mode(backward):
                output = model(*args, **kwargs)
                if backward:
                    outputs = output if isinstance(output, (tuple, list)) else (output,)
                    loss = self.case.total(*outputs)
                    recorder.begin_backward()
                    adapter.backward(loss)
        return tape

    def leaf(self, *values: float) -> Any:
        return self.case.tensor(values, requires_grad=True)

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

    # In place, views

    def test_an_in_place_layer_leaves_its_input_as_it_was_seen(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.after(layer.relu(layer.before(x))),
            before=self.case.scale(1.0, 2.0),
            relu=self.case.layer(lambda layer, x: self.case.relu_(x)),
            after=self.case.scale(3.0, 5.0),
        )
        tape = self.run(model, self.leaf(-1, 1))
        assert tape.calls == [
            "> #0 0=1",
            "> before#0 0=1",
            "< before#0 0=2",
            "> relu#0 0=2",
            "< relu#0 0=3",
            "> after#0 0=3",
            "< after#0 0=4",
            "< #0 0=4",
        ]
        assert tape.values["output before#0.0"] == [-1, 2]
        assert tape.values["output relu#0.0"] == [0, 2]
        assert tape.gradients == {
            "output_gradient after#0.0": [1, 1],
            "output_gradient relu#0.0": [3, 5],
            "output_gradient before#0.0": [0, 5],
            "input_gradient #0.0": [0, 10],
        }

    def test_an_in_place_layer_after_a_batch_norm_breaks_nothing(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.relu(layer.norm(x)),
            norm=self.case.batch_norm(2),
            relu=self.case.layer(lambda layer, x: self.case.relu_(x)),
        )
        tape = self.run(model, self.case.tensor([[-1, 5], [1, 3]], requires_grad=True))
        assert tape.gradients["output_gradient norm#0.0"] == [[0, 1], [1, 0]]
        assert "input_gradient #0.0" in tape.gradients

    def test_a_view_is_a_tensor_of_its_own_with_its_own_elements(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.after(layer.flat(layer.turn(x))),
            turn=self.case.layer(lambda layer, x: self.case.transposed(x * 1)),
            flat=self.case.layer(lambda layer, x: x * 2),
            after=self.case.layer(lambda layer, x: x * 3),
        )
        tape = self.run(model, self.case.tensor([[1, 2], [3, 4]], requires_grad=True))
        assert tape.values["output turn#0.0"] == [[1, 3], [2, 4]]
        assert tape.values["output flat#0.0"] == [[2, 6], [4, 8]]
        assert tape.gradients["output_gradient turn#0.0"] == [[6, 6], [6, 6]]

    def test_a_view_and_its_base_are_two_tensors(self) -> None:
        model = self.case.layer(
            lambda layer, x: layer.flat(layer.base(x)) * 2,
            base=self.case.layer(lambda layer, x: x * 1),
            flat=self.case.layer(lambda layer, x: self.case.flat(x)),
        )
        tape = self.run(model, self.case.tensor([[1, 2]], requires_grad=True))
        assert tape.calls[3:5] == ["> flat#0 0=2", "< flat#0 0=3"]
        assert tape.gradients["output_gradient flat#0.0"] == [2, 2]
        assert tape.gradients["output_gradient base#0.0"] == [[2, 2]]

    def test_tensors_of_any_shape_and_dtype_are_captured(self) -> None:
        inputs = {
            "scalar": self.case.tensor(3.0, requires_grad=True),
            "empty": self.case.tensor(np.zeros((0, 2), np.float32), requires_grad=True),
            "integers": self.case.tensor(np.array([1, 2])),
            "flags": self.case.tensor(np.array([True, False])),
            "double": self.case.tensor(np.array([0.5]), requires_grad=True),
            "half": self.case.tensor(np.array([0.5], np.float16), requires_grad=True),
        }
        inner = self.case.layer(
            lambda layer, **given: {name: given[name] * 1 for name in ("scalar", "empty")}
        )

        def forward(layer: Any, **given: Any) -> Any:
            return tuple(layer.inner(**given).values())

        tape = self.run(self.case.layer(forward, inner=inner), **inputs)
        assert tape.values["input #0.scalar"] == 3
        assert tape.values["input #0.empty"] == []
        assert tape.values["input #0.integers"] == [1, 2]
        assert tape.values["input #0.flags"] == [True, False]
        assert tape.gradients["output_gradient inner#0.scalar"] == 1
        assert tape.gradients["output_gradient inner#0.empty"] == []

    # Recomputation

    def test_recomputed_calls_are_replays_with_their_gradients(self) -> None:
        for recompute in self.case.recomputations:
            block = self.case.layer(
                lambda layer, x: layer.second(layer.first(x)),
                first=self.case.scale(2.0),
                second=self.case.scale(5.0),
            )
            model = self.case.layer(
                lambda layer, x, recompute=recompute: layer.tail(recompute(layer.block, layer.head(x))),
                head=self.case.scale(3.0),
                block=block,
                tail=self.case.scale(7.0),
            )
            tape = self.run(model, self.leaf(1))
            first_pass = [line for line in tape.calls if "replay" not in line]
            assert [line.split(" ")[0:2] for line in first_pass] == [
                [">", "#0"],
                [">", "head#0"],
                ["<", "head#0"],
                [">", "block#0"],
                [">", "block.first#0"],
                ["<", "block.first#0"],
                [">", "block.second#0"],
                ["<", "block.second#0"],
                ["<", "block#0"],
                [">", "tail#0"],
                ["<", "tail#0"],
                ["<", "#0"],
            ]
            assert any("replay" in line for line in tape.calls)
            assert {
                name: value for name, value in tape.values.items() if name not in tape.gradients
            }.items() >= {
                "output head#0.0": [3],
                "output block.first#0.0": [6],
                "output block.second#0.0": [30],
                "output tail#0.0": [210],
            }.items()
            assert (
                tape.gradients.items()
                >= {
                    "output_gradient tail#0.0": [1],
                    "output_gradient block.second#0.0": [7],
                    "output_gradient block.first#0.0": [35],
                    "output_gradient head#0.0": [70],
                    "input_gradient #0.0": [210],
                }.items()
            )

    # What goes wrong

    def test_a_layer_that_raises_leaves_no_hook_behind(self) -> None:
        def fail(layer: Any, x: Any) -> Any:
            raise KeyError("mine")

        model = self.case.layer(
            lambda layer, x: layer.bad(layer.good(x)),
            good=self.case.scale(2.0),
            bad=self.case.layer(fail),
        )
        tape = Tape()
        recorder = Recorder(self.case.adapter, self.case.adapter.layers(model), tape)
        path: Optional[str] = None
        with recorder:
            try:
                model(self.leaf(1))
            except KeyError:
                path = recorder.innermost_path
        assert path == "bad"
        assert tape.calls == ["> #0 0=1", "> good#0 0=1", "< good#0 0=2", "> bad#0 0=2"]
        model.good(self.leaf(1))
        assert len(tape.calls) == 4

    def test_no_hook_is_left_on_a_tensor_that_outlives_the_step(self) -> None:
        model, leaf = self.case.scale(2.0), self.leaf(1)
        tape = self.run(model, leaf)
        count = len(tape.lines)
        self.case.adapter.backward(self.case.total(model(leaf)))
        assert len(tape.lines) == count

    def test_recording_keeps_no_tensor_of_the_model_alive(self) -> None:
        released: list[int] = []

        def forward(layer: Any, x: Any) -> Any:
            inner = layer.first(x)
            weakref.finalize(inner, released.append, 1)
            return layer.second(inner)

        model = self.case.layer(forward, first=self.case.scale(2.0), second=self.case.scale(3.0))
        tape, adapter = Tape(), self.case.adapter
        with Recorder(adapter, adapter.layers(model), tape):
            model(self.leaf(1))
            gc.collect()
            assert released == [1]

    def test_a_data_loader_with_workers_runs_inside_a_step(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            for batch in self.case.loader(4, workers=2):
                x = layer.inner(x + (batch[0] if isinstance(batch, (list, tuple)) else batch))
            return x

        model = self.case.layer(forward, inner=self.case.scale(2.0))
        tape = self.run(model, self.leaf(0, 0))
        assert tape.values["output inner#0.0"] == [0, 2]
        assert tape.values["output inner#1.0"] == [(0 + 2) * 2, (2 + 3) * 2]
        assert tape.gradients["input_gradient #0.0"] == [4, 4]
