"""Hints from settings: what is set differently at the layers of a row, or for the optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from padiff_rpc import trees
from padiff_rpc.records import record
from padiff_rpc.v1.records import Hint, HyperParameterDifference, Layer, OptimizerDifference, Row
from padiff_rpc.v1.words import CaptureKind, HintKind, Phase, Side

# Only these have a part in what a layer keeps of the values that pass, and these in nothing else.
_OF_STATISTICS = frozenset({"momentum", "track_running_stats", "use_global_stats"})
_OF_STATISTICS_ALONE = frozenset({"momentum"})
# Kinds that compute otherwise in train mode; of dropouts there are several.
_WITH_MODES = ("batch_norm", "dropout", "alphadropout", "featurealphadropout")
_OF_LAYERS = frozenset({Phase.FORWARD, Phase.BACKWARD, Phase.GRADIENTS})
_OF_OPTIMIZERS = frozenset({"learning_rate", "weight_decay", "l1_decay", "nesterov"})
_MOST = 2


class SettingsTold(Protocol):
    """What a report knows of settings, so far."""

    @property
    def hyper_parameters(self) -> tuple[HyperParameterDifference, ...]:
        """Settings in which paired layers differ."""

    @property
    def optimizer(self) -> tuple[OptimizerDifference, ...]:
        """Settings in which the optimizers differ."""


@record
class Sides:
    """Both models as they were described, and whether each is in train mode."""

    layers: Mapping[Side, Sequence[Layer]]
    train: Mapping[Side, bool]


class LayerFacts:
    """Kinds and settings of both sides' layers, by their first paths."""

    def __init__(self, sides: Sides) -> None:
        self._layers = {side: {one.path: one for one in layers} for side, layers in sides.layers.items()}
        self._train = sides.train

    def kinds(self, reference: str, candidate: str) -> tuple[str, str]:
        """Returns the kinds of two layers; "" for users' own classes."""
        paths = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
        ours, theirs = (
            layer.kind if (layer := self._layers[side].get(path)) is not None else ""
            for side, path in paths.items()
        )
        return ours, theirs

    def of_kinds(self, *kinds: str) -> frozenset[str]:
        """Returns the reference's layers of these kinds."""
        return frozenset(path for path, one in self._layers[Side.REFERENCE].items() if one.kind in kinds)

    def settings(self, reference: str, candidate: str) -> dict[str, tuple[Any, Any]]:
        """Returns the settings of two layers, where both have the word."""
        ours, theirs = self._stated(Side.REFERENCE, reference), self._stated(Side.CANDIDATE, candidate)
        return {word: (ours[word], theirs[word]) for word in ours if word in theirs}

    def weight_name(self, path: str, own_name: str) -> str:
        """Returns the common name of a weight of the candidate."""
        layer = self._layers[Side.CANDIDATE].get(path)
        weights = layer.weights if layer is not None else ()
        return next((one.canonical for one in weights if one.name == own_name), own_name)

    def hints(self, row: Row, told: SettingsTold) -> Iterator[Hint]:
        """Yields what is set differently where the row is, and may be why it differs."""
        if row.reference is None or row.candidate is None:
            return
        if row.phase in (Phase.OPTIMIZER, Phase.WEIGHTS) and row.kind is not CaptureKind.BUFFER:
            yield from _of_optimizer(row, told.optimizer)
            return
        paths = row.reference.path, row.candidate.path
        kinds = self.kinds(*paths)
        if (
            row.phase in _OF_LAYERS
            and len(set(self._train.values())) == 2
            and kinds[0].startswith(_WITH_MODES)
        ):
            side = Side.REFERENCE if self._train[Side.REFERENCE] else Side.CANDIDATE
            yield Hint(kind=HintKind.TRAIN_MODE, side=side)
        yield from _of_layers(row, told.hyper_parameters)
        if (
            row.phase is Phase.FORWARD
            and row.kind is CaptureKind.OUTPUT
            and all(kinds)
            and len(set(kinds)) == 2
        ):
            yield Hint(kind=HintKind.OTHER_KIND, names=kinds)

    def _stated(self, side: Side, path: str) -> Mapping[str, Any]:
        layer = self._layers[side].get(path)
        return trees.unpack_map(layer.hyper_parameters) if layer is not None else {}


def _of_layers(row: Row, differences: Sequence[HyperParameterDifference]) -> Iterator[Hint]:
    """Yields hints of the row's own layers, then of those around them: an attention's, say."""
    if row.reference is None or row.candidate is None:
        return
    is_statistic = row.phase is Phase.WEIGHTS and row.kind is CaptureKind.BUFFER
    # What a layer is called with was made before it.
    if not (is_statistic or row.phase in _OF_LAYERS) or row.kind is CaptureKind.INPUT:
        return
    near = [
        one
        for one in differences
        if (one.name in _OF_STATISTICS if is_statistic else one.name not in _OF_STATISTICS_ALONE)
        and _is_at_or_around(one.reference_path, row.reference.path)
        and _is_at_or_around(one.candidate_path, row.candidate.path)
    ]
    for one in sorted(near, key=lambda one: -len(one.reference_path))[:_MOST]:
        names = one.name, one.reference, one.candidate, one.reference_path
        yield Hint(kind=HintKind.SETTING, names=names)


def _is_at_or_around(path: str, inner: str) -> bool:
    return path == inner or (path != "" and inner.startswith(f"{path}."))


def _of_optimizer(row: Row, differences: Sequence[OptimizerDifference]) -> Iterator[Hint]:
    """Yields the setting that the row itself is of, as a rate that a schedule has changed, then others."""
    place, figures = row.reference, row.figures
    slot = place.slot if place is not None else ""
    named = f"{place.path}.{slot}".lstrip(".") if place is not None else ""
    word = slot.rpartition(".")[2]
    is_setting = row.kind is CaptureKind.OPTIMIZER_STATE and word in _OF_OPTIMIZERS
    if is_setting and figures is not None:
        names = word, repr(figures.mean_reference), repr(figures.mean_candidate)
        yield Hint(kind=HintKind.OPTIMIZER_SETTING, names=names)
    near = [
        one
        for one in differences
        if not one.parameters or any(named.startswith(name) for name in one.parameters)
        if not (is_setting and one.name == word)
    ]
    for one in near[:_MOST]:
        names = one.name, one.reference, one.candidate
        yield Hint(kind=HintKind.OPTIMIZER_SETTING, names=names)
