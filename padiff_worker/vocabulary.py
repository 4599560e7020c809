"""The common vocabulary: a model's layers, as a framework has them, in words that all frameworks share.

docs/vocabulary.md lists the words. A framework's `Vocabulary` says where its own differ; what a user's own
class calls things is read as if it were meant in these words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Optional, Union

from padiff_rpc import trees
from padiff_rpc.records import record
from padiff_rpc.v1.records import HeldPieces, Layer, Weight
from padiff_rpc.v1.words import BufferRole, VarianceDivisor, WeightKind, WeightLayout
from padiff_worker.layer_tree import LayerHandle, full_name

Setting = Union[bool, int, float, str, None, tuple[Any, ...]]
Settings = dict[str, Setting]

NORMS = ("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm")
POOLS = ("maxpool", "avgpool", "lppool")
# Layers that frameworks build from layers and weights of their own, and not from the same ones.
COMPOSITES = ("multi_head_attention", "lstm", "gru", "rnn", "bi_rnn")
STATISTICS = frozenset({"running_mean", "running_var"})
# By the kinds of layers that gather them; those of a spectral norm that is a layer are its power vectors.
_GATHERED = {"batch_norm": STATISTICS, "spectral_norm": frozenset({"weight_u", "weight_v"})}
_BOOKKEEPING = frozenset({"num_batches_tracked"})

SETTINGS = frozenset(
    (
        *("epsilon", "kernel_size", "stride", "padding", "dilation", "output_size", "n_power_iterations"),
        *("dim", "start_dim", "end_dim", "min_val", "max_val", "threshold", "divisor_override"),
        *("return_indices", "norm_first", "nonlinearity", "unflattened_size"),
        *("momentum", "groups", "num_groups", "num_features", "num_channels", "in_channels", "out_channels"),
        *("padding_mode", "output_padding", "ceil_mode", "count_include_pad", "p", "mode", "align_corners"),
        *("approximate", "negative_slope", "alpha", "beta", "k", "size", "value", "lower", "upper"),
        *("scale_factor", "upscale_factor", "downscale_factor", "norm_type", "num_parameters"),
        *("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "scale_grad_by_freq"),
        *("normalized_shape", "num_heads", "embed_dim", "kdim", "vdim", "dropout", "batch_first"),
        *("input_size", "hidden_size", "num_layers", "bidirectional", "proj_size", "channels_last"),
        *("track_running_stats", "use_global_stats", "in1_features", "in2_features", "out_features"),
        "fused_activation",
    )
)
# Other words for these, in users' own classes too.
_SYNONYMS = {
    "eps": "epsilon",
    "ksize": "kernel_size",
    "kernel_sizes": "kernel_size",
    "strides": "stride",
    "paddings": "padding",
    "dilations": "dilation",
}

# Beside the matrix itself, what spectral_norm and weight_norm make it of. A spectral norm's weight_v is a
# vector, which no transposition touches.
_LINEAR_MATRICES = frozenset({"weight", "weight_orig", "weight_v"})
# What a norm of a weight is made of: `weight` of `weight_g` and `weight_v`, or of `weight_orig`.
_PART = re.compile(r"(.+)_(orig|g|v|u)")


@record
class Vocabulary:
    """Where a framework's own words are not the common ones.

    Attributes:
        framework: its name.
        own_classes: matches the qualified names of the framework's public layers, from their beginning. Such
            a class is a kind: what `kinds` has for it, or else its own name in lower case, without "Lazy".
        kinds: kinds by the bare names of classes in lower case.
        words: settings by the framework's names, without a leading underscore.
        convert: (kind, the framework's settings, the common ones so far); changes the latter where a
            framework means another thing by a word, or has one fixed value for what others let one set.
        weights: (kind, own name) -> the common name of a layer's weight.
        part_of: own name of a weight -> the weight that is computed of it, where names alone do not tell.
        linear: how a linear layer stores its matrix.
        turned: other weights that are stored [in, out] where the common layout is [out, in].
        bookkeeping: buffers that count or cache for the framework, besides the common ones.
        statistics: buffers gathered from the values that pass, likewise; in any class.
        divisor: by what a running variance divides.
        pieces: (kind, name from the composite layer on) -> what the weight holds, in order.
    """

    framework: str
    own_classes: re.Pattern[str]
    kinds: Mapping[str, str]
    linear: WeightLayout
    words: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[str, Mapping[str, Any], Settings], None] = lambda kind, stated, values: None
    weights: Callable[[str, str], str] = lambda kind, name: name
    part_of: Callable[[str], str] = lambda name: ""
    turned: frozenset[str] = frozenset()
    bookkeeping: frozenset[str] = frozenset()
    statistics: frozenset[str] = frozenset()
    divisor: Optional[VarianceDivisor] = None
    pieces: Callable[[str, str], tuple[str, ...]] = lambda kind, name: ()

    def translated(self, handles: Sequence[LayerHandle]) -> tuple[Layer, ...]:
        """Returns the layers as the contract has them, in the common vocabulary."""
        inside = _insides(handles, [one.paths[0] for one in handles if self._is_composite(one)])
        return tuple(self._layer(handle, inside.get(handle.paths[0], ())) for handle in handles)

    def kind(self, classes: Iterable[str]) -> str:
        """Returns the kind by the first of a layer's classes that is one of the framework's; "" for none.

        So a subclass counts as what it derives from.
        """
        for qualified in classes:
            bare = qualified.rpartition(".")[2]
            if self.own_classes.match(qualified) and not bare.startswith("_"):
                name = bare.lower()
                name = name[len("lazy") :] if name.startswith("lazy") else name
                return self.kinds.get(name, name)
        return ""

    def _is_composite(self, handle: LayerHandle) -> bool:
        return self.kind(handle.classes) in COMPOSITES

    def _layer(self, handle: LayerHandle, inside: Sequence[LayerHandle]) -> Layer:
        kind = self.kind(handle.classes)
        weights = self._weights(kind, handle.weights)
        settings = self._settings(kind, handle.hyper_parameters, weights)
        if kind and not self.kind(handle.classes[:1]):
            # A user's class may apply one to what the framework's returns.
            settings["fused_activation"] = None
        return Layer(
            path=handle.paths[0],
            aliases=handle.paths[1:],
            classes=handle.classes,
            kind=kind,
            framework=self.framework if kind else "",
            hyper_parameters=trees.pack(settings, where="hyper_parameters"),
            weights=weights,
            held=tuple(self._held(kind, handle.paths[0], inside)),
            opaque=handle.opaque,
            training=handle.training,
        )

    # Weights

    def _weights(self, kind: str, weights: Sequence[Weight]) -> tuple[Weight, ...]:
        names = [self.weights(kind, weight.name) for weight in weights]
        parts = [self.part_of(weight.name) or _part_of(name, names) for weight, name in zip(weights, names)]
        return tuple(
            replace(
                weight,
                kind=WeightKind.BUFFER if _is_buffer(kind, weight, name) else weight.kind,
                canonical_name="" if name == weight.name else name,
                layout=self._layout(kind, name),
                role=self._role(kind, weight.name, name, names, parts)
                if _is_buffer(kind, weight, name)
                else None,
                part_of=part,
                divisor=self.divisor if (kind, name) == ("batch_norm", "running_var") else None,
            )
            for weight, name, part in zip(weights, names, parts)
        )

    def _layout(self, kind: str, name: str) -> Optional[WeightLayout]:
        if kind and name in self.turned:
            return WeightLayout.IN_OUT
        return self.linear if kind == "linear" and name in _LINEAR_MATRICES else None

    def _role(
        self, kind: str, own_name: str, name: str, names: Sequence[str], parts: Sequence[str]
    ) -> Optional[BufferRole]:
        """`names`, `parts`: of all weights of the layer, what each is called and what is computed of it."""
        if own_name in _BOOKKEEPING or own_name in self.bookkeeping:
            return BufferRole.BOOKKEEPING
        if own_name in parts:
            return BufferRole.COMPUTED
        is_vector = name.endswith(("_u", "_v")) and f"{name[:-2]}_orig" in names
        is_statistic = (
            is_vector or name in STATISTICS or name in _GATHERED.get(kind, ()) or own_name in self.statistics
        )
        return BufferRole.STATISTIC if is_statistic else None

    def _held(self, kind: str, top: str, inside: Iterable[LayerHandle]) -> Iterable[HeldPieces]:
        for handle in inside:
            relative = handle.paths[0][len(top) :].lstrip(".")
            for weight in handle.weights:
                name = full_name(relative, weight.name)
                pieces = self.pieces(kind, name)
                if pieces:
                    yield HeldPieces(name=name, pieces=pieces)

    # Settings

    def _settings(self, kind: str, attributes: Mapping[str, Any], weights: Sequence[Weight]) -> Settings:
        stated = {name.lstrip("_"): value for name, value in attributes.items()}
        values: Settings = {}
        for name, value in stated.items():
            word = self.words.get(name) or _SYNONYMS.get(name, name)
            if word in SETTINGS:
                values[word] = plain(value)
        if kind:
            self.convert(kind, stated, values)
        if kind.startswith(POOLS) and values.get("stride", 0) is None:
            values["stride"] = values.get("kernel_size")
        names = {weight.canonical for weight in weights}
        if kind.startswith(("linear", "conv", "bilinear", *NORMS)):
            values["bias"] = "bias" in names
        if kind in NORMS:
            values["weight"] = "weight" in names
        if kind in ("lstm", "gru", "rnn"):
            values["bias"] = any(name.startswith("bias") for name in names)
        return values


def plain(value: Any) -> Setting:
    """Returns a setting with one number for a sequence of equal ones: (3, 3) is 3."""
    if isinstance(value, (list, tuple)):
        return plain(value[0]) if value and all(one == value[0] for one in value) else tuple(value)
    return value  # type: ignore[no-any-return]


def _is_buffer(kind: str, weight: Weight, name: str) -> bool:
    # What a framework lists among the parameters of such layers, no optimizer trains.
    return weight.kind is WeightKind.BUFFER or name in _GATHERED.get(kind, ())


def _part_of(name: str, names: Sequence[str]) -> str:
    """Returns the weight that is made of those named so, where the names of all of a layer show that."""
    found = _PART.fullmatch(name)
    if found is None or not {f"{found[1]}_orig", f"{found[1]}_g"} & set(names):
        return ""
    return found[1]


def _insides(handles: Sequence[LayerHandle], tops: Iterable[str]) -> dict[str, list[LayerHandle]]:
    """Returns, by the path of each of `tops`, that layer and all below it."""
    found: dict[str, list[LayerHandle]] = {top: [] for top in tops}
    for handle in handles:
        path: Optional[str] = handle.paths[0]
        while path is not None:
            if path in found:
                found[path].append(handle)
            path = path.rpartition(".")[0] if path else None
    return found
