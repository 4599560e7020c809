"""What a user may set: options of a comparison and the layer map. Validated once, here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Optional, TypeVar

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.words import CompareMode, DefaultLoss, DiffPhase, TraceMode, Word

W = TypeVar("W", bound=Word)


def word(kind: type[W], value: Any, *, field: str) -> W:
    """Returns `value` (a word or its text) as a `kind`; InvalidRequestError lists the allowed ones."""
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(str(known) for known in kind)
        raise InvalidRequestError(f"{field}: {value!r} is not allowed; allowed: {allowed}") from None


def _bound(value: Any, *, field: str) -> Optional[float]:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
    ):
        raise InvalidRequestError(
            f"{field}: {value!r} is not allowed; allowed: a number of at least 0, or None"
        )
    return float(value)


def _flag(value: Any, *, field: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{field}: {value!r} is not allowed; allowed: true, false")
    return value


@record
class Options:
    """How a comparison is run and judged; the defaults are the project's.

    Attributes:
        atol, rtol: bounds as NumPy means them, |candidate - reference| <= atol + rtol * |reference|;
            None takes the table of defaults (dtype by phase).
        diff_phase: "both" or "forward"; "backward" needs single_step.
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
    """

    atol: Optional[float] = None
    rtol: Optional[float] = None
    diff_phase: DiffPhase = DiffPhase.BOTH
    compare_mode: CompareMode = CompareMode.STRICT
    single_step: bool = False
    backward_overrides: bool = True
    trace: TraceMode = TraceMode.BEFORE
    loss: DefaultLoss = DefaultLoss.PROJECTION
    check_dtype: bool = True
    deterministic: bool = True
    threads: int = 0

    def __post_init__(self) -> None:
        checked = {
            "atol": _bound(self.atol, field="options.atol"),
            "rtol": _bound(self.rtol, field="options.rtol"),
            "diff_phase": word(DiffPhase, self.diff_phase, field="options.diff_phase"),
            "compare_mode": word(CompareMode, self.compare_mode, field="options.compare_mode"),
            "trace": word(TraceMode, self.trace, field="options.trace"),
            "loss": word(DefaultLoss, self.loss, field="options.loss"),
        }
        for name in ("single_step", "backward_overrides", "check_dtype", "deterministic"):
            checked[name] = _flag(getattr(self, name), field=f"options.{name}")
        if isinstance(self.threads, bool) or not isinstance(self.threads, int) or self.threads < 0:
            raise InvalidRequestError(
                f"options.threads: {self.threads!r} is not allowed; allowed: a whole number of at least 0"
            )
        if self.single_step and checked["trace"] is TraceMode.FIRST_STEP:
            raise InvalidRequestError(
                "options.trace: 'first_step' leaves single_step no trace to run in lockstep by; use 'before'"
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Options:
        """Returns the options named in `values`; an unknown name is an InvalidRequestError."""
        allowed = [field.name for field in fields(cls)]
        for name in values:
            if name not in allowed:
                raise InvalidRequestError(f"options.{name}: unknown option; allowed: {', '.join(allowed)}")
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
