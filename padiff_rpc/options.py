"""What a user may set: options of a comparison and the layer map. Validated once, here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, Optional, TypeVar

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import fields_checked, known_names, shown
from padiff_rpc.records import record
from padiff_rpc.words import CompareMode, DefaultLoss, DiffPhase, Randomness, TraceMode, Word

W = TypeVar("W", bound=Word)


def word(kind: type[W], value: Any, *, field: str) -> W:
    """Returns `value` (a word or its text) as a `kind`; InvalidRequestError lists the allowed ones."""
    try:
        return kind(value)
    except ValueError:
        raise InvalidRequestError(
            f"{shown(value)} is not allowed; {known_names(value, map(str, kind))}", field=field
        ) from None


def _bound(value: Any, *, field: str) -> Optional[float]:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise InvalidRequestError(
            f"{shown(value)} is not allowed; allowed: a number of at least 0, or None", field=field
        )
    return float(value)


def _flag(value: Any, *, field: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{shown(value)} is not allowed; allowed: true, false", field=field)
    return value


def _count(value: Any, *, field: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidRequestError(
            f"{shown(value)} is not allowed; allowed: a whole number of at least {least}", field=field
        )
    return int(value)


def _clip_norm(value: Any) -> Optional[float]:
    checked = _bound(value, field="options.clip_norm")
    return checked or None  # a message says 0 for None


def _loss_scale(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Dividing by a power of two is exact, so that gradients compare as if they had not been scaled.
    if not is_number or not value > 0 or math.frexp(value)[0] != 0.5:
        raise InvalidRequestError(
            f"{shown(value)} is not allowed; allowed: a power of two, as 1024", field="options.loss_scale"
        )
    return float(value)


_FLAGS = (
    "single_step",
    "backward_overrides",
    "check_dtype",
    "deterministic",
    "local_error",
    "preflight",
    "keep_going",
)


@fields_checked("Options")
@record
class Options:
    """How a comparison is run and judged; the defaults are the project's.

    Attributes:
        atol, rtol: bounds as NumPy means them, |candidate - reference| <= atol + rtol * |reference|;
            None takes the table of defaults (dtype by phase).
        diff_phase: "both" or "forward"; "backward" needs single_step. None is both, but forward alone where a
            framework has no backward in the mode that a layer is in, which "both" takes for an error.
        compare_mode: "strict" (elementwise) or "mean" (difference of the two means).
        single_step: lockstep: every tensor of the candidate is judged, then replaced by the reference's,
            so that each call is tested on the reference's inputs. One step, without an optimizer.
        backward_overrides: with single_step, the same for gradients; False is a plain backward on the
            synchronised forward.
        trace: "before" runs one extra forward pass to align on; "first_step" aligns at the end of
            the first step instead.
        loss: the loss where none is given: "projection" or the older tool's "mean".
        check_dtype: a dtype difference is a mismatch; False compares the values and notes it.
        deterministic: ask the frameworks for deterministic kernels.
        threads: compute threads of each worker; 0 leaves them as they are.
        local_error: two passes of the candidate a step: in lockstep, from the reference's state, and freely
            from its own; so each call has a local and an accumulated error.
        randomness: "shared" gives both sides the same random decisions, "off" disables dropout in all its
            forms, "report" leaves and names them.
        preflight: each side is traced twice, and its own run-to-run noise reported.
        keep_going: go on behind a step that differs, to see how the difference grows.
        accumulate: the optimizer steps once in so many steps, on the mean of their gradients.
        clip_norm: gradients are scaled down to this total L2 norm before the optimizer's step; None: not.
        loss_scale: the loss is multiplied by it (a power of two) before backward; gradients are compared,
            clipped and used without it.
    """

    atol: Optional[float] = None
    rtol: Optional[float] = None
    diff_phase: Optional[DiffPhase] = None
    compare_mode: CompareMode = CompareMode.STRICT
    single_step: bool = False
    backward_overrides: bool = True
    trace: TraceMode = TraceMode.BEFORE
    loss: DefaultLoss = DefaultLoss.PROJECTION
    check_dtype: bool = True
    deterministic: bool = True
    threads: int = 0
    local_error: bool = False
    randomness: Randomness = Randomness.SHARED
    preflight: bool = True
    keep_going: bool = False
    accumulate: int = 1
    clip_norm: Optional[float] = None
    loss_scale: float = 1.0

    def __post_init__(self) -> None:
        checked = {
            "atol": _bound(self.atol, field="options.atol"),
            "rtol": _bound(self.rtol, field="options.rtol"),
            "diff_phase": None
            if self.diff_phase is None
            else word(DiffPhase, self.diff_phase, field="options.diff_phase"),
            "compare_mode": word(CompareMode, self.compare_mode, field="options.compare_mode"),
            "trace": word(TraceMode, self.trace, field="options.trace"),
            "loss": word(DefaultLoss, self.loss, field="options.loss"),
            "randomness": word(Randomness, self.randomness, field="options.randomness"),
        }
        for name in _FLAGS:
            checked[name] = _flag(getattr(self, name), field=f"options.{name}")
        checked["threads"] = _count(self.threads, field="options.threads", least=0)
        checked["accumulate"] = _count(self.accumulate, field="options.accumulate", least=1)
        checked["clip_norm"] = _clip_norm(self.clip_norm)
        checked["loss_scale"] = _loss_scale(self.loss_scale)
        if checked["local_error"] and checked["single_step"]:
            raise InvalidRequestError(
                "it makes a lockstep pass of its own; leave single_step out", field="options.local_error"
            )
        if checked["local_error"] and checked["trace"] is TraceMode.FIRST_STEP:
            raise InvalidRequestError(
                "'first_step' leaves local_error no trace to run in lockstep by; use 'before'",
                field="options.trace",
            )
        if self.single_step and checked["trace"] is TraceMode.FIRST_STEP:
            raise InvalidRequestError(
                "'first_step' leaves single_step no trace to run in lockstep by; use 'before'",
                field="options.trace",
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Options:
        """Returns the options named in `values`; an unknown name is an InvalidRequestError."""
        allowed = [field.name for field in fields(cls)]
        for name in values:
            if name not in allowed:
                raise InvalidRequestError(
                    f"unknown option; {known_names(name, allowed)}", field=f"options.{name}"
                )
        return cls(**values)


@record
class LayerPair:
    reference: str
    candidate: str
    special_init: str = ""
    compare_inside: bool = False


@record
class IgnoredLayers:
    reference: tuple[str, ...] = ()
    candidate: tuple[str, ...] = ()


@record
class LayerMap:
    pairs: tuple[LayerPair, ...] = ()
    ignored: IgnoredLayers = IgnoredLayers()
    ignored_recursively: IgnoredLayers = IgnoredLayers()
    ignored_classes: IgnoredLayers = IgnoredLayers()
    unpaired: IgnoredLayers = IgnoredLayers()
