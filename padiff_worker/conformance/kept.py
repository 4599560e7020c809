"""Conformance: what a model holds in plain attributes, remembered and put back in place."""

from __future__ import annotations

import random
import threading
import unittest
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.conformance.case import AdapterCase
from padiff_worker.kept_state import KeptState


@dataclass
class _Cache:
    size: int = 0
    pages: list[Any] = field(default_factory=list)


class _Slotted:
    __slots__ = ("count", "later")

    def __init__(self) -> None:
        self.count = 0


class _Counted(list[int]):
    """A list with an attribute of its own."""

    appended = 0


def _use(layer: Any) -> None:
    """Changes everything that a layer of `_busy` holds."""
    layer.calls += 1
    layer.seen.append(layer.calls)
    layer.seen[0] = "first"
    layer.by_name["last"] = layer.calls
    layer.by_name.pop("first", None)
    layer.kinds.discard("a")
    layer.kinds.add(layer.calls)
    layer.recent.append(layer.calls)
    layer.ordered.move_to_end("a")
    layer.grouped["new"].append(layer.calls)
    layer.counted["x"] += 1
    layer.raw[0] = 9
    layer.own.appended += 1
    layer.own.append(3)
    layer.nested[0]["deep"][0].value += 1
    layer.cache.size += 1
    layer.cache.pages.append([layer.calls])
    layer.slotted.count += 1
    layer.slotted.later = layer.calls
    layer.array += 1
    layer.dice.random()
    layer.generator.normal()
    layer.older.normal()
    layer.replaced = [layer.calls]
    layer.appeared = True
    if hasattr(layer, "leaving"):
        del layer.leaving


def _changing(layer: Any, x: Any) -> Any:
    _use(layer)
    return x


class _Observer:
    """Counts the calls that it is hooked to, itself and by a method."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: list[Any] = []

    def __call__(self, layer: Any, given: Any, made: Any) -> None:
        self.calls += 1

    def see(self, layer: Any, given: Any, made: Any) -> None:
        self.seen.append(made)


def assert_hooks_put_back(
    adapter: FrameworkAdapter, model: Any, x: Any, hook: Callable[[Callable[..., None]], Any]
) -> None:
    """What hooks of a model keep is put back; `hook` is how the framework adds one behind its calls."""
    called, seeing = _Observer(), _Observer()
    hook(called)
    hook(seeing.see)
    kept = KeptState(adapter, model)
    model(x)
    assert (called.calls, len(seeing.seen)) == (1, 1)
    kept.put_back()
    assert (called.calls, len(seeing.seen)) == (0, 0)


class KeptSuite:
    """Subclassed by each adapter's tests, which set `case`."""

    case: AdapterCase

    def _busy(self) -> Any:
        made = self.case.layer(
            _changing,
            calls=0,
            seen=["zeroth", 1],
            by_name={"first": 1, "second": 2},
            kinds={"a", "b"},
            recent=deque([1, 2], maxlen=2),
            ordered=OrderedDict(a=1, b=2),
            grouped=defaultdict(list, old=[1]),
            counted=Counter("xyx"),
            raw=bytearray(b"abc"),
            own=_Counted([1, 2]),
            nested=({"deep": [SimpleNamespace(value=1)]},),
            cache=_Cache(),
            slotted=_Slotted(),
            array=np.arange(3.0),
            dice=random.Random(1),
            generator=np.random.default_rng(1),
            older=np.random.RandomState(1),
            replaced=[1],
            leaving="soon",
        )
        made.cache.pages.append(made.cache)  # a circle
        return made

    @staticmethod
    def _shown(layer: Any) -> list[Any]:
        slotted, cache = layer.slotted, layer.cache
        return [
            *(layer.calls, list(layer.seen), list(layer.by_name.items()), sorted(map(str, layer.kinds))),
            *(list(layer.recent), layer.recent.maxlen, list(layer.ordered), dict(layer.grouped)),
            *(layer.grouped.default_factory, dict(layer.counted), bytes(layer.raw), list(layer.own)),
            *(layer.own.appended, layer.nested[0]["deep"][0].value, cache.size, len(cache.pages)),
            *(cache.pages[0] is cache, slotted.count, hasattr(slotted, "later"), layer.array.tolist()),
            *(layer.dice.getstate(), str(layer.generator.bit_generator.state), layer.replaced),
            *(layer.older.get_state()[2], hasattr(layer, "appeared"), getattr(layer, "leaving", None)),
        ]

    def test_what_a_layer_holds_is_put_back_in_place(self) -> None:
        inner = self._busy()
        model = self.case.layer(lambda layer, x: layer.inner(x), inner=inner)
        names = ["seen", "by_name", "kinds", "recent", "ordered", "grouped", "cache", "array", "replaced"]
        held = {name: getattr(inner, name) for name in names}
        before = [repr(one) for one in self._shown(inner)]
        for _ in range(2):
            kept = KeptState(self.case.adapter, model)
            for _ in range(3):
                model(self.case.tensor([1]))
            after = [repr(one) for one in self._shown(inner)]
            unchanged = [one for one, other in zip(before, after) if one == other]
            assert len(unchanged) == 3, "maxlen, default_factory and the circle"
            kept.put_back()
            assert [repr(one) for one in self._shown(inner)] == before
            assert all(getattr(inner, name) is one for name, one in held.items())

    def test_objects_beside_the_model_are_put_back_too(self) -> None:
        loss = self._busy()
        before = repr(self._shown(loss))
        method = loss.forward if hasattr(loss, "forward") else loss
        for other in (loss, method, SimpleNamespace(loss=loss)):
            kept = KeptState(self.case.adapter, self.case.scale(1.0), (other, None, len))
            loss(self.case.tensor([1]))
            assert repr(self._shown(loss)) != before
            kept.put_back()
            assert repr(self._shown(loss)) == before

    def _runs_alike_again(self, model: Any, x: Any) -> list[Any]:
        """Returns what a model makes in two runs, having made sure that it does so again once put back."""
        adapter = self.case.adapter
        model(x)
        kept = KeptState(adapter, model)
        first = [self.case.value(model(x)).tolist() for _ in range(2)]
        assert first[0] != first[1], "the model changes"
        kept.put_back()
        kept = KeptState(adapter, model)
        assert [self.case.value(model(x)).tolist() for _ in range(2)] == first
        kept.put_back()
        return first

    def test_a_buffer_that_is_replaced_is_the_one_it_was_with_its_value(self) -> None:
        def average(layer: Any, x: Any) -> Any:
            layer.mean = layer.mean * 0.5 + x * 0.5
            return layer.mean + x

        def registered() -> Any:
            model = self.case.layer(average)
            self.case.add_buffer(model, "mean", np.array([4, 8], np.float32), persistent=True)
            return model

        x = self.case.tensor([1, 2])

        def assigned() -> Any:
            return self.case.layer(average, mean=self.case.tensor([4, 8]))

        for make in (assigned, registered):
            try:
                model = make()
            except unittest.SkipTest:
                continue
            before, names = model.mean, list(self.case.adapter.weights(model))
            kept = KeptState(self.case.adapter, model)
            model(x)
            assert model.mean is not before
            kept.put_back()
            assert model.mean is before
            assert list(self.case.adapter.weights(model)) == names
            assert self.case.value(model.mean).tolist() == [4, 8]
            self._runs_alike_again(model, x)

    def test_tensors_in_lists_and_maps_are_put_back_with_their_values(self) -> None:
        def cached(layer: Any, x: Any) -> Any:
            layer.cache["keys"].append(x * layer.factor)
            tensors = layer.cache["keys"]
            self.case.adapter.write_weight(
                tensors[0], HostTensor.from_array(np.full(2, len(tensors), np.float32))
            )
            total = tensors[0] * 1.0
            for tensor in tensors[1:]:
                total = total + tensor
            return total

        factor = self.case.parameter(np.array([2, 3], np.float32))
        model = self.case.layer(cached, cache={"keys": [self.case.tensor([1, 1])]}, factor=factor)
        first, x = model.cache["keys"][0], self.case.tensor([1, 2])
        self._runs_alike_again(model, x)
        assert len(model.cache["keys"]) == 2
        assert model.cache["keys"][0] is first
        assert self.case.value(first).tolist() == [2, 2]

    def test_a_tensor_of_another_shape_is_put_back(self) -> None:
        adapter = self.case.adapter
        model = self.case.layer(
            lambda layer, x: x, held=[self.case.tensor([1, 2])], mean=self.case.tensor([3])
        )
        kept = KeptState(adapter, model)
        for tensor in (model.held[0], model.mean):
            adapter.replace(tensor, HostTensor.from_array(np.ones((2, 2), np.float64)))
            assert adapter.spec(tensor).shape == (2, 2)
            assert adapter.spec(tensor).dtype is DType.FLOAT64
        kept.put_back()
        assert self.case.value(model.held[0]).tolist() == [1, 2]
        assert self.case.value(model.mean).tolist() == [3]
        assert adapter.spec(model.mean).dtype is DType.FLOAT32

    def test_tensors_in_attributes_are_float64_for_a_while(self) -> None:
        adapter = self.case.adapter
        model = self.case.layer(
            lambda layer, x: x * layer.held[0] * layer.factor + layer.shift["by"],
            held=[self.case.tensor([1 / 3, 2])],
            shift={"by": self.case.tensor([1, 1]), "index": self.case.tensor(np.array([1]))},
            factor=self.case.parameter(np.array([1, 2], np.float32)),
        )
        model.held.append(model.held[0] * model.factor)  # part of a graph
        tensors = [*model.held, *model.shift.values(), model.factor]
        before = [(adapter.spec(one), adapter.memory(one), self.case.value(one).tolist()) for one in tensors]
        kept = KeptState(adapter, model)
        assert {id(one) for one in tensors} == {id(one) for one in kept.tensors}
        with adapter.in_float64(kept.tensors):
            x = adapter.from_host(
                HostTensor.from_array(np.array([1 / 3, 2])), device="cpu", requires_grad=False
            )
            made = model(x)
            assert adapter.spec(made).dtype is DType.FLOAT64
            assert adapter.spec(model.shift["index"]).dtype is DType.INT64
            adapter.backward(self.case.total(made))
        kept.put_back()
        after = [(adapter.spec(one), adapter.memory(one), self.case.value(one).tolist()) for one in tensors]
        assert after == before

    def test_a_circle_and_a_long_list_cost_no_more_than_their_length(self) -> None:
        long: list[Any] = [[number] for number in range(120_000)]
        model = self.case.layer(lambda layer, x: x, long=long, whole=None)
        model.whole = {"model": [model]}
        first = long[0]
        kept = KeptState(self.case.adapter, model)
        long.reverse()
        first.append("not looked into")
        kept.put_back()
        assert long[0] is first
        assert first == [0, "not looked into"]
        assert model.whole["model"][0] is model

    def test_what_is_no_values_is_left_alone(self) -> None:
        lines = iter("abc")
        shared = SimpleNamespace(lock=threading.Lock(), count=0)
        code: Callable[[], int] = lambda: 1  # noqa: E731
        model = self.case.layer(lambda layer, x: x, lines=lines, shared=shared, code=code, kind=dict)
        kept = KeptState(self.case.adapter, model)
        next(lines)
        shared.count = 1
        kept.put_back()
        assert next(lines) == "b"
        assert shared.count == 1, "another thread may have it in use"
        assert model.code is code
