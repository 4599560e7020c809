"""Conformance: parameters that no pass is expected to change, and those that one changes all the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from padiff_rpc.errors import StateError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import StepNoise
from padiff_rpc.v1.words import Randomness
from padiff_worker.conformance.case import AdapterCase, raises
from padiff_worker.kept_state import KeptState, parameters
from padiff_worker.loading import LoadedModel
from padiff_worker.making_lines import MakingLines
from padiff_worker.session import ModelSession
from padiff_worker.spared_parameters import SparedParameters
from padiff_worker.tracing import trace

_SHAPE = (128, 192)
_BYTES = 4 * 128 * 192


class SparedSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def _model(self, change: Callable[[Any], None]) -> Any:
        """Returns a model of two large parameters, a small one and buffers; `change` gets a large one."""

        def forward(layer: Any, x: Any) -> Any:
            change(layer.codebook)
            return layer.norm(x * layer.small) + layer.table.mean() + layer.codebook.mean()

        # A buffer is what the norm's statistics are.
        return self.case.layer(
            forward,
            table=self._large(3.0),
            codebook=self._large(2.0),
            small=self.case.parameter(np.ones(2, np.float32)),
            norm=self.case.batch_norm(2),
        )

    def _large(self, value: float) -> Any:
        return self.case.parameter(np.full(_SHAPE, value, np.float32))

    def _x(self) -> Any:
        return self.case.tensor([[1, 2], [3, 5]])

    def _ways(self) -> list[Callable[[Any], None]]:
        """Returns how a model may change a parameter in place."""
        case = self.case
        return [lambda one: case.scale_(one, 0.5), lambda one: case.scale_data(one, 0.5), self._written]

    def _written(self, tensor: Any) -> None:
        value = HostTensor.from_array(np.full(_SHAPE, 7, np.float32))
        self.case.adapter.write_weight(tensor, value)

    def _traced(self, model: Any) -> tuple[str, ...]:
        x = self._x()
        made = trace(self.case.adapter, model, lambda recorder: model(x), Randomness.REPORT, repeat=False)
        assert made.failure is None
        return made.changed

    def _session(self, model: Any) -> ModelSession:
        loaded = LoadedModel(
            model=model,
            device="cpu",
            flags=(),
            loss=None,
            optimizer=None,
            train_step=None,
            feed=None,
            autocast=None,
            exits=ExitStack(),
            made=MakingLines(),
        )
        return ModelSession(self.case.adapter, loaded)

    def _state(self, model: Any) -> dict[str, list[Any]]:
        weights = self.case.adapter.weights(model)
        return {name: self.case.value(weight).tolist() for name, weight in weights.items()}

    def test_a_trace_tells_which_parameters_its_pass_changes_and_puts_them_back(self) -> None:
        for change in self._ways():
            model = self._model(change)
            before = self._state(model)
            assert self._traced(model) == ("codebook",)
            assert self._state(model) == before
        assert self._traced(self._model(lambda tensor: None)) == ()

    def test_what_a_trace_found_changing_is_put_back_though_other_parameters_are_not_copied(self) -> None:
        for change in self._ways():
            model = self._model(change)
            session, before = self._session(model), self._state(model)
            for _ in range(2):
                session.keep_state(optimizer=False, changing=self._traced(model))
                model(self._x())
                assert self._state(model)["codebook"] != before["codebook"]
                assert session.restore_state() == ()
                assert self._state(model) == before

    def test_large_parameters_that_no_pass_changes_are_not_copied(self) -> None:
        adapter, model = self.case.adapter, self._model(lambda tensor: None)
        whole = KeptState(adapter, model)
        kept = KeptState(adapter, model, spared=SparedParameters(adapter, parameters(adapter, model)))
        assert whole.byte_count - kept.byte_count == 2 * _BYTES
        assert {id(one) for one in kept.tensors} == {id(one) for one in whole.tensors}
        before = self._state(model)
        model(self._x())
        assert self._state(model) != before, "the norm's statistics"
        assert kept.lost() == ()
        kept.put_back()
        assert self._state(model) == before

    def test_a_change_that_nobody_expected_is_told_and_its_parameter_is_kept_from_then_on(self) -> None:
        for change in self._ways():
            model = self._model(change)
            session, before = self._session(model), self._state(model)
            session.keep_state(optimizer=False, changing=())
            model(self._x())
            left = self._state(model)["codebook"]
            assert session.restore_state() == ("codebook",)
            assert self._state(model) == {**before, "codebook": left}
            session.keep_state(optimizer=False, changing=())
            model(self._x())
            assert session.restore_state() == ()
            assert self._state(model) == {**before, "codebook": left}

    def test_a_step_does_not_run_again_from_a_state_that_is_lost(self) -> None:
        for change in self._ways():
            model = self._model(change)
            session = self._session(model)
            session.keep_state(optimizer=False, changing=())
            model(self._x())
            left = self._state(model)
            with raises(StateError, "codebook", "cannot be run again"):
                with session.again(in_float64=False):
                    raise AssertionError("it ran")
            assert self._state(model) == left
            session.keep_state(optimizer=False, changing=("codebook",))
            with session.again(in_float64=False):
                model(self._x())
            assert self._state(model) == left

    def test_a_run_again_that_changes_a_spared_parameter_is_told(self) -> None:
        for change in self._ways():
            model = self._model(change)
            session = self._session(model)
            session.keep_state(optimizer=False, changing=())
            with raises(StateError, "codebook changed in it"):
                with session.again(in_float64=False):
                    model(self._x())

    def test_a_run_in_float64_or_with_noise_leaves_spared_parameters_as_they_are(self) -> None:
        model = self._model(lambda tensor: None)
        session, before = self._session(model), self._state(model)
        session.keep_state(optimizer=False, changing=())
        model(self._x())
        behind = self._state(model)
        noise = StepNoise(relative=0.5, weights=(), draw=1)
        for in_float64 in (True, False):
            for added in (None, noise):
                with session.again(in_float64=in_float64, noise=added):
                    assert (self._state(model) == before) is (added is None)
                assert self._state(model) == behind
        assert session.restore_state() == ()
        assert self._state(model) == before

    def test_a_weight_that_is_written_meanwhile_is_put_back(self) -> None:
        model = self._model(lambda tensor: None)
        session, before = self._session(model), self._state(model)
        session.keep_state(optimizer=False, changing=())
        session.write_weight(
            session.weights(), "table", HostTensor.from_array(np.full(_SHAPE, 9, np.float32))
        )
        model(self._x())
        assert self._state(model)["table"] != before["table"]
        assert session.restore_state() == ()
        assert self._state(model) == before
