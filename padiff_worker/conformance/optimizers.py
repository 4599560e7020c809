"""Conformance: what can be seen of optimizers and written into them, in one vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError, NotFoundError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OptimizerEntry
from padiff_worker.conformance.case import AdapterCase, raises

FACTOR_MOMENTUM = OptimizerEntry(parameter="factor", state="momentum")


class OptimizerSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def _view(self, optimizer: Any, model: Any) -> Any:
        return self.case.adapter.view_optimizer(optimizer, self.case.adapter.weights(model))

    def _write(self, optimizer: Any, model: Any, state: str, value: Any, parameter: str = "factor") -> bool:
        return self.case.adapter.write_optimizer_state(
            optimizer,
            self.case.adapter.weights(model),
            OptimizerEntry(parameter=parameter, state=state),
            HostTensor.from_array(np.array(value, np.int64 if state == "step" else np.float32)),
        )

    def _step(self, optimizer: Any, model: Any, *gradient: float) -> None:
        self.case.adapter.backward(self.case.total(model(self.case.tensor(gradient))))
        self.case.adapter.step(optimizer)

    def test_the_line_that_makes_an_optimizer_is_known(self) -> None:
        adapter, model = self.case.adapter, self.case.scale(1.0, 2.0)
        with adapter.making_lines() as lines:
            made = [self.case.sgd(model, 0.1), self.case.momentum(model, 0.1)]
        found = [lines.of(adapter.optimizer_reader.stepping(one)) for one in made]
        assert [line and line.function for line in found] == ["sgd", "momentum"]

    def _factor(self, model: Any) -> list[float]:
        found: list[float] = self.case.value(self.case.adapter.weights(model)["factor"]).tolist()
        return found

    def test_settings_are_those_of_each_parameter_by_its_full_name(self) -> None:
        model = self.case.family()
        settings = self._view(self.case.momentum(model, 0.25), model).settings
        assert set(settings) == {"offset", "left.inner.factor"}
        for values in settings.values():
            assert values["learning_rate"] == 0.25
            assert values["momentum"] == 0.5
            assert values["weight_decay"] == 0.0

    def test_parameters_of_another_model_are_left_out(self) -> None:
        model, other = self.case.scale(1.0), self.case.scale(2.0)
        assert self._view(self.case.sgd(other, 1.0), model).settings == {}

    def test_a_description_groups_parameters_of_equal_settings(self) -> None:
        model = self.case.family()
        described = self._view(self.case.sgd(model, 0.5), model).described()
        (group,) = described.groups
        assert set(group.parameters) == {"offset", "left.inner.factor"}
        assert trees.unpack(group.settings)["learning_rate"] == 0.5
        assert trees.unpack(described.conventions)["algorithm"] == "sgd"
        assert "." in described.class_name

    def test_plain_descent_keeps_no_state(self) -> None:
        model = self.case.scale(1.0, 2.0)
        optimizer = self.case.sgd(model, 1.0)
        self._step(optimizer, model, 1, 1)
        assert self._view(optimizer, model).state == {}
        assert not self._write(optimizer, model, "momentum", [0, 0])

    def test_momentum_is_seen_once_there_was_a_step(self) -> None:
        model = self.case.scale(1.0, 2.0)
        optimizer = self.case.momentum(model, 1.0)
        assert FACTOR_MOMENTUM not in self._view(optimizer, model).state
        self._step(optimizer, model, 4, 8)
        first = self._view(optimizer, model).read(FACTOR_MOMENTUM)
        self._step(optimizer, model, 1, 1)
        assert first.array.tolist() == [4, 8], "a copy does not follow"
        assert self._view(optimizer, model).read(FACTOR_MOMENTUM).array.tolist() == [3, 5]

    def test_state_that_is_not_there_is_not_found(self) -> None:
        model = self.case.scale(1.0)
        with raises(NotFoundError, "momentum", "factor"):
            self._view(self.case.sgd(model, 1.0), model).read(FACTOR_MOMENTUM)

    def test_a_written_momentum_moves_a_parameter_that_was_never_stepped(self) -> None:
        model = self.case.scale(1.0, 2.0)
        optimizer = self.case.momentum(model, 1.0)
        assert self._write(optimizer, model, "momentum", [2, 4])
        assert self._view(optimizer, model).read(FACTOR_MOMENTUM).array.tolist() == [2, 4]
        self._step(optimizer, model, 1, 1)
        assert self._factor(model) == [1 - (1 + 1), 2 - (2 + 1)]

    def test_state_of_another_shape_is_refused(self) -> None:
        model = self.case.scale(1.0, 2.0)
        with raises(InvalidRequestError, "[3]", "[2]"):
            self._write(self.case.momentum(model, 1.0), model, "momentum", [1, 2, 3])

    def test_what_an_optimizer_does_not_keep_is_passed_over(self) -> None:
        model = self.case.scale(1.0)
        assert not self._write(self.case.momentum(model, 1.0), model, "second_moment", [1.0])

    def test_adam_goes_on_from_written_moments_and_steps_as_if_they_were_its_own(self) -> None:
        model, copy = self.case.scale(1.0, 2.0), self.case.scale(1.0, 2.0)
        optimizer, other = self.case.adam(model, 0.5), self.case.adam(copy, 0.5)
        assert self._view(optimizer, model).conventions["algorithm"] == "adam"
        for gradient in ((1, -2), (3, 4), (0.5, 0)):
            self._step(optimizer, model, *gradient)
        view = self._view(optimizer, model)
        assert {entry.state for entry in view.state} == {"first_moment", "second_moment", "step"}
        assert view.read(OptimizerEntry(parameter="factor", state="step")).array.tolist() == 3
        # Betas of 0.5 and 0.75 make sums without rounding.
        moment = view.read(OptimizerEntry(parameter="factor", state="first_moment")).array
        assert moment.tolist() == [0.125 * 1 + 0.25 * 3 + 0.5 * 0.5, 0.125 * -2 + 0.25 * 4]
        for entry in view.state:
            assert self._write(other, copy, entry.state, view.read(entry).array)
        self.case.adapter.write_weight(
            self.case.adapter.weights(copy)["factor"],
            self.case.adapter.host_copy(self.case.adapter.weights(model)["factor"]),
        )
        for one, of in ((optimizer, model), (other, copy)):
            self._step(one, of, 2, 1)
        np.testing.assert_allclose(self._factor(copy), self._factor(model), rtol=1e-6)
        assert (
            self._view(other, copy).read(OptimizerEntry(parameter="factor", state="step")).array.tolist() == 4
        )
