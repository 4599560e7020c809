"""Conformance: what takes a tensor in the framework's graph, and what one call alone sends back."""

from __future__ import annotations

from typing import Any

from padiff_rpc.v1.records import CallInput
from padiff_rpc.v1.words import CallMoment
from padiff_worker.captures import Wanted
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.conformance.tape import Tape
from padiff_worker.recorder import Recorder
from padiff_worker.takers import Takers


class TakerSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def taken(self, model: Any, x: Any) -> dict[str, int]:
        """Returns the takers of what the calls of a model take and return, by the calls' paths."""
        adapter, tape, takers = self.case.adapter, Tape(), Takers(self.case.adapter)
        with Recorder(adapter, adapter.layers(model), tape, Wanted(gradients=False, takers=takers)):
            takers.returned(model(x))
        found = {}
        for event in takers.counted_in(tape.events):
            for slot in event.slots:
                found[f"{'>' if event.moment is CallMoment.ENTRY else '<'}{event.path}"] = slot.takers
        return found

    def test_takers_are_counted_of_what_the_output_depends_on(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            made = x * 2
            layer.last(made * 5)
            first = layer.first(made)
            return first + made * made + first

        model = self.case.layer(forward, first=self.case.scale(3.0), last=self.case.scale(1.0))
        found = self.taken(model, self.case.tensor([1, 2], requires_grad=True))
        assert (found[">first"], found["<first"]) == (3, 2)
        assert (found[">last"], found["<last"], found["<"]) == (0, 0, 0)

    def test_what_a_call_changes_in_place_has_no_known_takers(self) -> None:
        inner = self.case.layer(lambda layer, x: self.case.relu_(x))
        model = self.case.layer(lambda layer, x: layer.inner(x * 2), inner=inner)
        assert self.taken(model, self.case.tensor([1, 2], requires_grad=True))[">inner"] == 0

    def test_without_a_graph_nothing_takes_anything(self) -> None:
        model = self.case.layer(lambda layer, x: layer.inner(x * 2) + x, inner=self.case.scale(3.0))
        with self.case.adapter.gradient_mode(False):
            found = self.taken(model, self.case.tensor([1, 2], requires_grad=True))
        assert set(found.values()) == {0}

    def test_a_branch_shares_the_elements_and_hands_its_gradient_on(self) -> None:
        adapter, seen = self.case.adapter, list[Any]()
        leaf = self.case.tensor([1, 2], requires_grad=True)
        inner = leaf * 3
        branch = adapter.branch(inner)
        assert branch is not inner
        assert adapter.memory(branch) == adapter.memory(inner)
        assert self.case.value(branch).tolist() == [3, 6]
        adapter.watch_gradient(branch, lambda gradient: seen.append(self.case.value(gradient).tolist()))
        adapter.backward(self.case.total(branch * 2, inner * 5))
        assert seen == [[2, 2]]
        gradient = adapter.gradient(leaf)
        assert gradient is not None
        assert self.case.value(gradient).tolist() == [21, 21]

    def test_what_a_call_alone_sends_back_is_captured_where_it_is_asked_for(self) -> None:
        def forward(layer: Any, x: Any) -> Any:
            made = x * 2
            return layer.first(made, made) + layer.second(made) + made

        def twice(layer: Any, x: Any, y: Any) -> Any:
            assert x is y
            return layer.inner(x) + y

        adapter, tape = self.case.adapter, Tape()
        first = self.case.layer(twice, inner=self.case.scale(3.0))
        model = self.case.layer(forward, first=first, second=self.case.scale(5.0))
        asked = [CallInput(path="first", call=0, slot=slot) for slot in "01"]
        asked.append(CallInput(path="first.inner", call=0, slot="0"))
        leaf = self.case.tensor([1, 2], requires_grad=True)
        with Recorder(adapter, adapter.layers(model), tape, Wanted(own_gradients=tuple(asked))) as recorder:
            output = model(leaf)
            recorder.begin_backward()
            adapter.backward(self.case.total(output))
        slots = {event.path: event.slots for event in tape.events if event.moment is CallMoment.ENTRY}
        numbers = {path: [slot.gradient for slot in those] for path, those in slots.items()}
        assert numbers["first"][0] == numbers["first"][1] != numbers["first.inner"][0]
        assert (numbers[""], numbers["second"]) == ([0], [0])
        assert len({slot.tensor for path in ("first", "first.inner", "second") for slot in slots[path]}) == 1
        found = {one.gradient_of: one.tensor.array.tolist() for one in tape.captures if one.gradient_of}
        assert found[numbers["first"][0]] == [4, 4]
        assert found[numbers["first.inner"][0]] == [3, 3]
        # The total is seen all the same.
        assert found[slots["second"][0].tensor] == [10, 10]
        gradient = adapter.gradient(leaf)
        assert gradient is not None
        assert self.case.value(gradient).tolist() == [20, 20]
