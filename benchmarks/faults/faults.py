"""The faults: kinds of them, and the places in candidates that a seed draws for each kind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

from benchmarks.faults.subjects import DECISIONS, FAULTED, SUBJECTS, Setting, each

FORWARD, BACKWARD, OPTIMIZED = ("forward",), ("backward", "gradients"), ("optimizer", "weights")
PHASES = {
    "gradient": BACKWARD,
    "weight_gradient": ("gradients",),
    "buffer": ("weights",),
}


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what `plant` of the candidates' models is told, but for the site.

    Attributes:
        name: its class.
        role: which layers can have it.
        count: how many are planted.
        value: a text may name the site's own parent as `{parent}`.
        phases: where it shows; () is what `where` says.
        subjects: () are all that have the role.
        train: the mode; None is the subject's own.
    """

    name: str
    role: str
    where: str
    what: str = ""
    value: Any = None
    count: int = 2
    member: str = "forward"
    phases: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    train: Optional[bool] = None

    def faults(self) -> Iterator[Fault]:
        """Yields the planted ones: sites drawn from as many pairs of models as have the role."""
        drawn = random.Random(f"{self.name} {self.role} {self.member} {self.where} {self.what} {self.value}")
        sites = {
            name: drawn.sample(SUBJECTS[name].roles[self.role], len(SUBJECTS[name].roles[self.role]))
            for name in (self.subjects or FAULTED)
            if self.role in SUBJECTS[name].roles
        }
        names = drawn.sample(sorted(sites), len(sites))
        left = [name for turn in range(self.count) for name in names if len(sites[name]) > turn][: self.count]
        for name in left:
            site = sites[name].pop()
            value = self.value
            if isinstance(value, str):
                value = value.format(parent=site.rpartition(".")[0])
            yield Fault(
                kind=self.name,
                setting=Setting(name, train=self.train),
                site=site,
                member=self.member,
                where=self.where,
                what=self.what,
                value=value,
                phases=self.phases or PHASES.get(self.where.partition(".")[0], FORWARD),
            )


@dataclass(frozen=True)
class Fault:
    """One planted fault and what is right to say of it.

    Attributes:
        kind: its class.
        site: the layer that has it, "loss" or "optimizer".
        phases: those in which it shows first.
        paths: parts of the paths that may be named where that is not the site; ("",) is any.
    """

    kind: str
    setting: Setting
    site: str
    member: str
    where: str
    what: str
    value: Any
    phases: tuple[str, ...]
    paths: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        how = " ".join(str(word) for word in (self.where, self.what, self.value) if word not in ("", None))
        place = ":".join(word for word in (self.setting.subject, self.site) if word)
        optimizer = f", {self.setting.optimizer}" if self.setting.optimizer else ""
        return f"{self.kind}: {place}.{self.member} {how}{optimizer}"

    @property
    def is_glue(self) -> bool:
        """Whether it lies between the calls that a layer's own code makes."""
        return self.site in ("", *SUBJECTS[self.setting.subject].callers)

    def planted(self) -> dict[str, Any]:
        """Returns the arguments of `plant`."""
        return {name: getattr(self, name) for name in ("site", "member", "where", "what", "value")}


def _set(name: str, role: str, member: str, value: Any, count: int = 2, **more: Any) -> Kind:
    return Kind(name, role, "setting", value=value, member=member, count=count, **more)


EVAL_NORMS = ("resnet50", "detector")
TRAIN_NORMS = ("cnn", "mobilenet")
_SHIFTED = ("top-k", "argmax of tokens", "rounding", "experts", "suppression")
_TURNED = ("top-k", "argmax of tokens", "max-pool", "experts", "suppression")
KINDS = (
    _set("epsilon", "batch_norm", "_epsilon", 2e-5, 4),
    _set("epsilon", "batch_norm", "_epsilon", 1e-3, 3),
    _set("epsilon", "layer_norm", "_epsilon", 2e-5),
    _set("epsilon", "group_norm", "_epsilon", 2e-5, 1),
    _set("epsilon", "rms_norm", "epsilon", 2e-5, 1),
    _set("epsilon", "rms_norm", "epsilon", 1e-6, 1),
    Kind("scale", "linear", "result", "scale", 1.0001, 2),
    Kind("scale", "conv", "result", "scale", 1.0001, 2),
    Kind("scale", "conv", "result", "scale", 1.05, 2),
    Kind("scale", "relu", "result", "scale", 1.001, 1),
    Kind("scale", "embedding", "result", "scale", 1.01, 1),
    Kind("sign", "linear", "result", "scale", -1.0, 1),
    Kind("sign", "conv", "result", "scale", -1.0, 2),
    Kind("offset", "biased", "weight.bias", "zero", None, 3),
    Kind("offset", "conv", "result", "offset", 1e-3, 2),
    Kind("offset", "linear", "result", "offset", 1e-4, 1),
    Kind("one channel", "conv", "result", "channel", 1.01, 3),
    Kind("one channel", "linear", "result", "channel", 0.0, 1),
    Kind("few elements", "conv", "result", "element", 0.01, 2),
    Kind("few elements", "linear", "result", "elements", 0.01, 2),
    Kind("one weight", "conv", "weight.weight", "element", 0.05, 3),
    Kind("one weight", "linear", "weight.weight", "element", 0.01, 2),
    Kind("one weight", "embedding", "weight.weight", "elements", 0.05, 1),
    Kind("permuted", "conv", "weight.weight", "roll", 0, 2),
    Kind("permuted", "conv", "result", "roll", 1, 2),
    Kind("permuted", "conv", "weight.weight", "flip", [2, 3], 1),
    Kind("permuted", "linear", "result", "roll", -1, 1),
    Kind("permuted", "recurrent", "result", "flip", [-1], 1),
    Kind("transposed", "square", "weight.weight", "transpose", None, 3),
    Kind("swapped weights", "twins", "weight.weight", "other", "{parent}.conv2.weight", 1, subjects=("cnn",)),
    Kind(
        "swapped weights",
        "twins",
        "weight.weight",
        "other",
        "{parent}.value.weight",
        1,
        subjects=("decoder",),
    ),
    Kind(
        "swapped weights", "twins", "weight.weight", "other", "{parent}.key.weight", 1, subjects=("encoder",)
    ),
    Kind("stale weights", "linear", "weight.weight", "stale", None, 1),
    Kind("stale weights", "conv", "weight.weight", "stale", None, 1),
    Kind("stale weights", "cell", "weight.weight_hh", "stale", None, 1),
    Kind("rounded", "conv", "result", "rounded", "bfloat16", 2),
    Kind("rounded", "linear", "result", "rounded", "float16", 2),
    Kind("rounded", "linear", "weight.weight", "rounded", "bfloat16", 1),
    _set("gelu", "gelu", "_approximate", True, 3),
    _set("activation", "leaky", "_negative_slope", 0.011, 1),
    Kind("activation", "leaky", "instead", "activated", "relu", 1),
    Kind("activation", "silu", "instead", "activated", "gelu", 2),
    Kind("activation", "relu", "instead", "activated", "softplus", 1),
    Kind("activation", "activates", "instead", "activated", "relu6", 1, "activate", subjects=("cnn",)),
    Kind("activation", "activates", "instead", "first", None, 1, "activate", subjects=("encoder",)),
    _set("dropout", "dropout", "p", 0.2, 2),
    _set("dropout", "dropout", "mode", "downscale_in_infer", 1),
    Kind("dropout", "linear", "result", "dropped", 0.1, 2, subjects=("decoder", "vit")),
    _set("train or eval", "batch_norm", "_use_global_stats", True, 2, subjects=TRAIN_NORMS),
    _set("train or eval", "batch_norm", "_use_global_stats", False, 2, subjects=EVAL_NORMS),
    _set("pooling", "average_pool", "exclusive", False, 1),
    _set("pooling", "max_pool", "ceil_mode", True, 1, subjects=("cnn",)),
    Kind("pooling", "max_pool", "instead", "average_pool", [3, 2, 1], 1, subjects=("resnet50",)),
    Kind("pooling", "max_pool", "instead", "average_pool", [2], 1, subjects=("unet",)),
    Kind("padding", "padded", "instead", "replicated", 1, 2, subjects=("unet", "detector", "cnn")),
    _set("interpolation", "enlarges", "align_corners", True, 1),
    _set("interpolation", "enlarges", "mode", "nearest", 1),
    Kind("interpolation", "interpolates", "instead", "interpolated", {"mode": "bilinear"}, 1, "enlarged"),
    Kind("axis", "attends", "instead", "softmax", -2, 2, "weights"),
    Kind("axis", "attends_to_steps", "instead", "softmax", 2, 1, "weights"),
    Kind("layout", "flat", "argument", "scrambled", [0, 2, 3, 1], 1, "flat"),
    Kind("layout", "attends", "argument", "scrambled", [0, 2, 1, 3], 2, "merge"),
    Kind("layout", "patches", "argument", "scrambled", [0, 1, 3, 2], 1, "sequence"),
    Kind("layout", "caches", "instead", "tiled", None, 1, "repeat"),
    Kind("layout", "packs", "instead", "unpacked", None, 1, "unpacked"),
    Kind("layout", "packs", "instead", "reordered", [1, 0, 2], 1, "unpacked"),
    Kind("mask", "masks", "instead", "added", 1e4, 1, "masked"),
    Kind("mask", "masks", "instead", "added", -5.0, 1, "masked"),
    Kind("mask", "masks", "second", "roll", -1, 1, "masked"),
    Kind("mask", "caches", "instead", "seen", 1, 1, "seen"),
    Kind("mask", "caches", "instead", "seen", -1, 1, "seen"),
    Kind("attention scale", "attends", "result", "scale", 1.0001, 2, "scores"),
    Kind("attention scale", "attends", "instead", "scores", 32**-0.5, 2, "scores"),
    Kind("residual", "adds", "instead", "weighed_add", 0.5, 2, "add"),
    Kind("residual", "adds", "instead", "weighed_add", 1.001, 2, "add"),
    Kind("residual", "adds", "instead", "first", None, 1, "add"),
    Kind("residual", "adds", "instead", "second", None, 2, "add"),
    Kind("position", "places", "result", "offset", 1, 1, "places"),
    Kind("position", "caches", "second", "offset", 1, 1, "rotated"),
    _set("position", "caches", "base", 10001.0, 1),
    Kind("cache", "caches", "instead", "forgetful", None, 1, "extend"),
    Kind("cache", "caches", "instead", "swapped_join", 2, 1, "extend"),
    Kind("joined order", "joins", "instead", "swapped_join", 1, 1, "join"),
    Kind("joined order", "patches", "instead", "swapped_join", 1, 1, "joined"),
    Kind("pooled place", "pooled", "instead", "mean", None, 1, "pooled", subjects=("encoder",)),
    Kind("pooled place", "pooled", "instead", "last", None, 1, "pooled", subjects=("vit",)),
    Kind("formula", "gates", "result", "scale", 1.0001, 1, "gated"),
    Kind("formula", "decodes", "result", "scale", 1.001, 1, "sizes"),
    Kind("formula", "decodes", "result", "offset", 0.5, 1, "centres"),
    Kind("not finite", "conv", "result", "tainted", "nan", 2),
    Kind("not finite", "linear", "result", "tainted", "inf", 1),
    Kind("dtype", "linear", "result", "cast", "float64", 1, subjects=("resnet50",)),
    Kind("gradient scale", "conv", "gradient", "scale", 3.0, 3),
    Kind("gradient scale", "linear", "gradient", "scale", 1.001, 2),
    Kind("gradient scale", "batch_norm", "gradient", "scale", 1.001, 2),
    Kind("gradient scale", "relu", "gradient", "scale", 3.0, 2),
    Kind("gradient scale", "attends", "gradient", "scale", 1.01, 1, "weights"),
    Kind("gradient scale", "attends", "gradient", "scale", 3.0, 1, "merge"),
    Kind("gradient sign", "linear", "gradient", "scale", -1.0, 1),
    Kind("gradient sign", "conv", "gradient", "scale", -1.0, 1),
    Kind("gradient lost", "adds", "instead", "detached_add", None, 3, "add", phases=BACKWARD),
    Kind("gradient lost", "gelu", "result", "detached", None, 1, phases=BACKWARD),
    Kind("gradient lost", "linear", "gradient", "channel", 0.0, 2),
    Kind("gradient clipped", "conv", "gradient", "clipped", 0.5, 1),
    Kind("gradient clipped", "linear", "gradient", "clipped", 0.5, 1),
    Kind("gradient rounded", "conv", "gradient", "rounded", "bfloat16", 1),
    Kind("gradient rounded", "linear", "gradient", "rounded", "bfloat16", 1),
    Kind("gradient elements", "conv", "gradient", "element", 0.05, 1),
    Kind("weight gradient", "linear", "weight_gradient.weight", "scale", 2.0, 2),
    Kind("weight gradient", "conv", "weight_gradient.weight", "scale", 1.001, 2),
    Kind("weight gradient", "conv", "weight_gradient.weight", "zero", None, 1),
    Kind("weight gradient", "linear", "weight.weight", "detached", None, 1, phases=("gradients",)),
    Kind("weight gradient", "biased", "weight_gradient.bias", "scale", 2.0, 2),
    Kind("weight gradient", "embedding", "weight_gradient.weight", "elements", 0.01, 1),
    Kind("weight gradient", "linear", "weight_gradient.weight", "transpose", None, 1, subjects=("encoder",)),
    *(
        _set(
            "running statistics",
            "batch_norm",
            "_momentum",
            value,
            1,
            phases=("weights",),
            subjects=TRAIN_NORMS,
        )
        for value in (0.1, 0.99, 0.901)
    ),
    *(
        Kind("running statistics", "batch_norm", f"buffer.{name}", what, value, 1, subjects=TRAIN_NORMS)
        for name in ("_mean", "_variance")
        for what, value in (("stale", None), ("scale", 1.001))
    ),
    Kind("carried over", "adds", "result", "counting", 1e-3, 1, "add"),
    # Beside ties that come out otherwise.
    _set("decision", "decides", "shift", 1, 5, subjects=each("ties, {}", *_SHIFTED)),
    _set("decision", "decides", "turned", True, 5, subjects=each("ties, {}", *_TURNED)),
    _set("scale", "decides", "factor", 1.00001, 6, subjects=each("ties, {}", *DECISIONS)),
)


def _of_loss(
    subject: str, member: str, where: str, what: str, value: Any, phases: tuple[str, ...] = ("loss",)
) -> Fault:
    return Fault("loss", Setting(subject), "loss", member, where, what, value, phases, ("",))


def _of_optimizer(
    kind: str, subject: str, optimizer: str, member: str, value: Any, *paths: str, own_step: bool = False
) -> Fault:
    return Fault(
        kind=kind,
        setting=Setting(subject, train=True, optimizer=optimizer, steps=3, own_step=own_step),
        site="optimizer",
        member=member,
        where="setting",
        what="",
        value=value,
        phases=("gradients", *OPTIMIZED) if kind in ("carried over", "trained") else OPTIMIZED,
        paths=paths or ("",),
    )


OF_TRAINING = (
    _of_loss("cnn", "smoothing", "setting", "", 0.01),
    _of_loss("vit", "reduction", "setting", "", "sum"),
    _of_loss("encoder", "ignored", "setting", "", 5),
    _of_loss("decoder", "logits", "result", "scale", 1.0001),
    _of_loss("lstm", "logits", "result", "softmax", None),
    _of_loss("resnet50", "classify", "result", "scale", 1.0001),
    _of_loss("unet", "smooth", "setting", "", 0.99),
    _of_loss("unet", "overlap", "second", "scale", 0.999),
    _of_loss("detector", "gamma", "setting", "", 2.001),
    _of_loss("detector", "alpha", "setting", "", 0.26),
    _of_loss("detector", "beta", "setting", "", 0.9),
    _of_loss("detector", "box_weight", "setting", "", 0.051),
    _of_loss("vit", "classify", "gradient", "scale", 2.0, BACKWARD),
    _of_loss("decoder", "logits", "gradient", "scale", 1.001, BACKWARD),
    _of_optimizer("rate", "cnn", "adamw", "rate", 1.001e-3),
    _of_optimizer("rate", "vit", "adamw", "rate", 1.02e-3),
    _of_optimizer("rate", "unet", "momentum", "momentum_rate", 0.01001),
    _of_optimizer("rate", "encoder", "adagrad", "adagrad_rate", 0.02),
    _of_optimizer("rate", "encoder", "adamw", "slow", "bias", "blocks", "head", "pooler", "norm"),
    _of_optimizer("betas", "cnn", "adamw", "beta1", 0.91),
    _of_optimizer("betas", "vit", "adamw", "beta2", 0.9991),
    _of_optimizer("betas", "decoder", "adam", "beta2", 0.99),
    _of_optimizer("betas", "unet", "momentum", "momentum", 0.91),
    _of_optimizer("betas", "cnn", "momentum", "momentum", 0.9001),
    _of_optimizer("optimizer epsilon", "vit", "adamw", "epsilon", 1e-7),
    _of_optimizer("optimizer epsilon", "unet", "adam", "epsilon", 1e-6),
    _of_optimizer("optimizer epsilon", "decoder", "adagrad", "adagrad_epsilon", 1e-3),
    _of_optimizer("decay", "cnn", "adamw", "decay", 0.011),
    _of_optimizer("decay", "vit", "adamw", "decay", 0.02),
    _of_optimizer("decay", "unet", "momentum", "l2", 2e-4),
    _of_optimizer("decay", "encoder", "adamw", "undecayed", "norm", "norm"),
    _of_optimizer("decay", "decoder", "adamw", "is_coupled", True),
    _of_optimizer("optimizer formula", "vit", "adamw", "clip", 0.1),
    _of_optimizer("optimizer formula", "cnn", "momentum", "nesterov", False),
    _of_optimizer("optimizer formula", "decoder", "adagrad", "accumulated", 0.0),
    _of_optimizer("optimizer formula", "unet", "momentum", "clip", 0.1),
    _of_optimizer("trained", "vit", "adamw", "left_out", "norm1", "norm1"),
    _of_optimizer("trained", "unet", "momentum", "left_out", "last", "last"),
    _of_optimizer("schedule", "cnn", "decaying", "factor", 0.51),
    _of_optimizer("schedule", "vit", "decaying", "waits", 1),
    _of_optimizer("schedule", "unet", "decaying", "factor", 1.0),
    _of_optimizer("carried over", "vit", "adamw", "clears", False, own_step=True),
    _of_optimizer("carried over", "cnn", "momentum", "clears", False, own_step=True),
)
FAULTS: tuple[Fault, ...] = (*(fault for kind in KINDS for fault in kind.faults()), *OF_TRAINING)
