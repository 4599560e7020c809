"""Steps of one side against another, of which tests say what each call took and made."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from translated import translated

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.join.captures import LOSS_KEY, PassPlan, StepCaptures
from padiff_compare.join.pairs import Half, PairTable
from padiff_compare.judge.evidence import Evidence
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measured import measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.model_index import ModelIndex
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.noise.terms import norm_inputs
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan, WeightSize
from padiff_rpc import trees
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, Layer, Options, Slot, TensorSpec, Weight
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, PairedBy, Side, Verdict, WeightKind

Reals = npt.NDArray[np.float32]
# What both sides have at a tensor.
Both = tuple[Reals, Reals]
OPTIONS = Options()


def draw(seed: int, *shape: int, scale: float = 1.0) -> Reals:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def same(values: Reals) -> Both:
    return values, values


def noise(*shape: int, scale: float) -> Both:
    return draw(91, *shape, scale=scale), draw(92, *shape, scale=scale)


def apart(*shape: int, scale: float, by: float) -> Both:
    return draw(93, *shape, scale=scale), draw(93, *shape, scale=scale) + draw(94, *shape, scale=by)


def weight(name: str, *shape: int) -> Weight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=shape)
    return Weight(name=name, kind=WeightKind.PARAMETER, spec=spec)


def buffer(name: str, *shape: int) -> Weight:
    return dataclasses.replace(weight(name, *shape), kind=WeightKind.BUFFER)


LAYERS = {
    layer.path: layer
    for layer in translated(
        [
            Layer(path="", classes=("fake.Root",)),
            Layer(
                path="bn",
                classes=("torch.nn.modules.batchnorm.BatchNorm2d",),
                hyper_parameters=trees.pack({"eps": 1e-5}),
                weights=(
                    *(weight("weight", 4), weight("bias", 4)),
                    *(buffer("running_mean", 4), buffer("running_var", 4)),
                ),
                training=True,
            ),
            Layer(
                path="frozen",
                classes=("torch.nn.modules.batchnorm.BatchNorm2d",),
                hyper_parameters=trees.pack({"eps": 1e-5}),
                weights=(
                    *(weight("weight", 4), weight("bias", 4)),
                    *(buffer("running_mean", 4), buffer("running_var", 4)),
                ),
            ),
            Layer(
                path="norm",
                classes=("torch.nn.modules.instancenorm.InstanceNorm2d",),
                hyper_parameters=trees.pack({"eps": 1e-5}),
            ),
            Layer(
                path="gn",
                classes=("torch.nn.modules.normalization.GroupNorm",),
                hyper_parameters=trees.pack({"eps": 1e-5, "num_groups": 2}),
            ),
            Layer(
                path="ln",
                classes=("torch.nn.modules.normalization.LayerNorm",),
                hyper_parameters=trees.pack({"eps": 1e-5, "normalized_shape": (4, 12, 12)}),
            ),
            Layer(path="pool", classes=("torch.nn.modules.pooling.AdaptiveAvgPool2d",)),
            Layer(path="max", classes=("torch.nn.modules.pooling.AdaptiveMaxPool2d",)),
            Layer(path="soft", classes=("torch.nn.modules.activation.Softmax",)),
            Layer(path="gamma", classes=("fake.LayerScale",), weights=(weight("gamma", 4),)),
            Layer(path="block", classes=("fake.Block",), weights=(weight("gamma", 4),)),
            Layer(
                path="fc",
                classes=("torch.nn.modules.linear.Linear",),
                weights=(weight("weight", 3, 4), weight("bias", 3)),
            ),
        ]
    )
}


class Step:
    """One step's captures. Calls are "path taken -> made"; tensors are known by their letters."""

    def __init__(
        self,
        store: TensorStore,
        calls: str,
        values: Mapping[str, Both],
        gradients: Optional[Mapping[str, Both]] = None,
        weights: Optional[Mapping[str, Both]] = None,
        loss: Optional[Both] = None,
        *,
        in_lockstep: bool = False,
        owner: str = "fc",
        sizes: Optional[Mapping[str, WeightSize]] = None,
    ) -> None:
        """`weights`: gradients of the layer `owner`; `sizes`: of weights, by their full names."""
        self._values = values
        self._in_lockstep = in_lockstep
        self._owner = owner
        events = list(self._events(calls))
        plan = Plan(
            layers=tuple(
                PairedLayer(reference=path, candidate=path, how=PairedBy.SAME_PATH)
                for path in dict.fromkeys(event.path for event in events)
            )
        )
        self.pairs = {
            name: WeightPair(
                kind=WeightKind.PARAMETER,
                references=(OwnedWeight(path=self._owner, weight=weight(name, *both[0].shape)),),
                candidate=OwnedWeight(path=self._owner, weight=weight(name, *both[0].shape)),
                rule=IDENTITY,
            )
            for name, both in (weights or {}).items()
        }
        plan_of_weights = WeightPlan(pairs=tuple(self.pairs.values()))
        models = {side: ModelIndex(list(LAYERS.values())) for side in Side}
        norms = norm_inputs(join_calls(plan, {side: Trace(events=tuple(events)) for side in SIDES}), models)
        known = PassPlan(plan=plan, weights=plan_of_weights, norms=norms)
        self.captures = StepCaptures(known, store, self._ready)
        for position, side in enumerate(SIDES):
            for event in events:
                self.captures.call(side, event)
            tables: list[tuple[PairTable[Any], Mapping[Any, Both]]] = [
                (self.captures.values, {ord(name): both for name, both in values.items()}),
                (self.captures.gradients, {ord(name): both for name, both in (gradients or {}).items()}),
                (
                    self.captures.parameter_gradients,
                    {f"{self._owner}.{name}": both for name, both in (weights or {}).items()},
                ),
                (self.captures.losses, {LOSS_KEY: loss} if loss is not None else {}),
            ]
            for table, given in tables:
                for key, both in given.items():
                    table.arrive(side, key, self._half(store, both[position]))
        self.floors = RoundingFloors(self.captures, models, sizes or {})

    def _events(self, calls: str) -> Iterator[CallEvent]:
        made_before: Counter[str] = Counter()
        for line in calls.split(", "):
            if ":" in line:
                moment, path, letters = line.split(":")
                yield self._event(CallMoment(moment), path, letters)
            else:
                path, taken, _, made = line.split()
                yield self._event(CallMoment.ENTRY, path, taken, made_before[path])
                yield self._event(CallMoment.EXIT, path, made, made_before[path])
                made_before[path] += 1

    def _event(self, moment: CallMoment, path: str, letters: str, call: int = 0) -> CallEvent:
        slots = tuple(
            Slot(
                name=str(number),
                tensor=ord(letter),
                spec=TensorSpec(dtype=DType.FLOAT32, shape=self._values[letter][0].shape),
            )
            for number, letter in enumerate(letters)
        )
        return CallEvent(moment=moment, path=path, call=call, slots=slots)

    @staticmethod
    def _half(store: TensorStore, values: Reals) -> Half:
        array = store.allocate(TensorSpec(dtype=DType.FLOAT32, shape=values.shape))
        array[...] = values
        return Half(
            tensors=(HostTensor(array=array, dtype=DType.FLOAT32),),
            sum_squares=float(np.square(values, dtype=np.float64).sum()),
        )

    def _ready(self, table: PairTable[Any], pair: TensorPair[Any]) -> None:
        first, second = table.halves(pair)
        aspect = table.aspect(pair)
        tolerances = Tolerances(OPTIONS, in_lockstep=self._in_lockstep)
        table.settle(pair, measure_pair(aspect, first.tensors, second.tensors[0], tolerances=tolerances))

    def value(self, letter: str) -> Verdict:
        return self._verdict(self.captures.values, ord(letter), False)

    def gradient(self, letter: str) -> Verdict:
        return self._verdict(self.captures.gradients, ord(letter), True)

    def loss(self) -> Verdict:
        return self._verdict(self.captures.losses, LOSS_KEY, False)

    def of_weight(self, name: str) -> Verdict:
        sums = self.floors.of_parameter(self.pairs[name])
        return self._verdict(self.captures.parameter_gradients, f"{self._owner}.{name}", True, sums)

    def _verdict(
        self, table: PairTable[Any], key: Any, of_gradient: bool, sums: Optional[float] = None
    ) -> Verdict:
        pair = TensorPair(reference=key, candidate=key)
        measured = table.measured(pair)
        assert measured is not None
        evidence = Evidence(
            kind=CaptureKind.OUTPUT_GRADIENT if of_gradient else CaptureKind.OUTPUT,
            measured=measured,
            sums=self.floors.of(table, pair) if sums is None else sums,
        )
        return judge(evidence, OPTIONS).verdict
