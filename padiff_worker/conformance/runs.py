"""Conformance: runs that are hard to watch: in place, views, recomputation, failures, forks."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Optional

import numpy as np

from padiff_worker.conformance.tape import Tape, Taped
from padiff_worker.recorder import Recorder


class RunSuite(Taped):
    """Subclassed by each adapter's tests, which set `case`."""

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
