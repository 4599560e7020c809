"""Methods of records: checks, short forms, other ways to make one.

A class `<Record>Methods` is the base of that generated record; the fields that it reads are annotated.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from numbers import Integral, Real
from typing import Any, Optional, TypeVar, Union

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import arguments_checked, known_names, not_allowed, reason
from padiff_rpc.paths import checked_path
from padiff_rpc.pem import check_tls
from padiff_rpc.records import packed, word
from padiff_rpc.v1.words import (
    CompareMode,
    DefaultLoss,
    Detail,
    DiffPhase,
    DType,
    Floor,
    LayoutChange,
    Level,
    Randomness,
    TraceMode,
    Transport,
)

T = TypeVar("T")


class TensorSpecMethods:
    """The short form of a spec: `float32[2, 3]`."""

    dtype: DType
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class LayoutStepMethods:
    """The short form of a step: `part(1 of 3)`."""

    change: LayoutChange
    numbers: tuple[int, ...]
    name: str

    def __str__(self) -> str:
        listed = ", ".join(map(str, self.numbers))
        if self.change is LayoutChange.PART:
            index, count = self.numbers
            return f"part({index + 1} of {count})"
        if self.change is LayoutChange.SUM:
            return f"sum over {'axis' if len(self.numbers) == 1 else 'axes'} {listed}"
        if self.change in (LayoutChange.ACTIVATION, LayoutChange.FUNCTION):
            return self.name
        word = str(self.change).replace("_", " ")
        return f"{word}({listed})" if self.change in _WITH_NUMBERS else word


_WITH_NUMBERS = frozenset({LayoutChange.AXES, LayoutChange.RESHAPE, LayoutChange.REPEAT, LayoutChange.LENGTH})


class LayoutRuleMethods:
    """The short form of a rule: `part(1 of 3) then transpose`."""

    steps: tuple[Any, ...]

    def __str__(self) -> str:
        return " then ".join(map(str, self.steps)) or "identity"


class SourceLineMethods:
    """The short form of a line: `model.py:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class LayerMethods:
    """The name of a layer's own class."""

    classes: tuple[str, ...]

    @property
    def class_name(self) -> str:
        """The bare name of the layer's own class."""
        return self.classes[0].rpartition(".")[2] if self.classes else ""


class WeightMethods:
    """The name of a weight in the common vocabulary."""

    name: str
    canonical_name: str

    @property
    def canonical(self) -> str:
        """The name that every framework has for such a weight; its own where it has no other."""
        return self.canonical_name or self.name


class PlanPairMethods:
    """The paths of a pair, and whether it is sure.

    Attributes:
        LOW_CONFIDENCE: a pair below it is marked, and the report says what its verdict rests on.
    """

    LOW_CONFIDENCE = 0.5

    reference: Optional[Any]
    candidate: Optional[Any]
    confidence: float

    @property
    def paths(self) -> tuple[str, ...]:
        """The layers' paths, the reference's first; of one layer where the other side has none."""
        return tuple(place.path for place in (self.reference, self.candidate) if place is not None)

    @property
    def is_doubtful(self) -> bool:
        """Whether two layers are paired that may not belong together."""
        return len(self.paths) == 2 and self.confidence < self.LOW_CONFIDENCE


class TlsMethods:
    """Keys and certificates: their checks, and those in files."""

    ca: bytes
    certificate: bytes
    key: bytes

    def __post_init__(self) -> None:
        for part in ("ca", "certificate", "key"):
            if not isinstance(getattr(self, part), bytes):
                raise not_allowed(getattr(self, part), "PEM text as bytes", field=f"tls.{part}")
        check_tls(self.ca, self.certificate, self.key)

    @classmethod
    @arguments_checked("Tls.from_files")
    def from_files(
        cls: type[T],
        ca: Optional[Union[str, os.PathLike[str]]] = None,
        certificate: Optional[Union[str, os.PathLike[str]]] = None,
        key: Optional[Union[str, os.PathLike[str]]] = None,
    ) -> T:
        """Returns what the PEM files hold. Raises InvalidRequestError for one that is not usable."""
        found = {}
        paths = {"ca": ca, "certificate": certificate, "key": key}
        for part, path in paths.items():
            if path is not None:
                checked_path(os.fspath(path), field=f"tls.{part}")
                try:
                    with open(os.path.expanduser(path), "rb") as file:
                        found[part] = file.read()
                except OSError as error:
                    raise InvalidRequestError(
                        f"{path} cannot be read: {reason(error)}", field=f"tls.{part}"
                    ) from None
        try:
            return cls(**found)
        except InvalidRequestError as error:
            path = paths.get(error.field.rpartition(".")[2])
            raise InvalidRequestError(
                f"{path}: {error.problem}" if path is not None else error.problem, field=error.field
            ) from None


class WorkerInfoMethods:
    """What a worker can do beyond its protocol version."""

    FLOAT64_STEPS = "float64_steps"
    KEPT_STATE = "kept_state"
    FUNCTION_TRACES = "function_traces"
    FUNCTION_GRADIENTS = "function_gradients"
    KEPT_FLOORS = "kept_floors"
    WEIGHT_CHECKSUMS = "weight_checksums"
    WEIGHT_DIGESTS = "weight_digests"
    ARENAS = "arenas"
    SKETCHES = "sketches"
    TENSOR_BUNDLES = "tensor_bundles"
    capabilities: tuple[str, ...]

    @property
    def has_float64_steps(self) -> bool:
        """Whether it runs steps in float64 when asked."""
        return self.FLOAT64_STEPS in self.capabilities

    @property
    def has_kept_state(self) -> bool:
        """Whether it remembers a model's state when asked, and puts it back."""
        return self.KEPT_STATE in self.capabilities

    @property
    def has_function_traces(self) -> bool:
        """Whether it records functions inside the calls of layers that a step names."""
        return self.FUNCTION_TRACES in self.capabilities

    @property
    def has_function_gradients(self) -> bool:
        """Whether it records the gradients of what these functions take and make, and hooks on them."""
        return self.FUNCTION_GRADIENTS in self.capabilities

    @property
    def has_kept_floors(self) -> bool:
        """Whether it is a recording that knows what rounding does in its steps."""
        return self.KEPT_FLOORS in self.capabilities

    @property
    def has_weight_checksums(self) -> bool:
        """Whether it says of weights, when asked, their checksums alone."""
        return self.WEIGHT_CHECKSUMS in self.capabilities

    @property
    def has_weight_digests(self) -> bool:
        """Whether it says of weights, when asked, their digests alone."""
        return self.WEIGHT_DIGESTS in self.capabilities

    @property
    def has_arenas(self) -> bool:
        """Whether it makes memory that a coordinator on its host can share, for each direction."""
        return self.ARENAS in self.capabilities

    @property
    def has_sketches(self) -> bool:
        """Whether it sends sketches in place of large tensors when a step asks for them."""
        return self.SKETCHES in self.capabilities

    @property
    def takes_bundles(self) -> bool:
        """Whether it takes several small tensors in one message, where they are written into its model."""
        return self.TENSOR_BUNDLES in self.capabilities


class WorkerAddressMethods:
    """The name of a worker in errors."""

    name: str
    address: str
    labels: tuple[Any, ...]

    def __str__(self) -> str:
        if self.name or self.address:
            return self.name or self.address
        return "{" + ", ".join(f"{label.name}: {label.value}" for label in self.labels) + "}"


def _bound(value: Any, *, field: str) -> Optional[float]:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise not_allowed(value, "a number of at least 0, or None", field=field)
    return float(value)


def _flag(value: Any, *, field: str) -> bool:
    if not isinstance(value, bool):
        raise not_allowed(value, "true, false", field=field)
    return value


def _count(value: Any, *, field: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise not_allowed(value, f"a whole number of at least {least}", field=field)
    return int(value)


def _paths(value: Any, *, field: str) -> tuple[str, ...]:
    is_list = isinstance(value, (list, tuple))
    if not is_list or not all(isinstance(path, str) for path in value):
        raise not_allowed(value, "a list of layers' paths", field=field)
    return tuple(value)


def _clip_norm(value: Any) -> Optional[float]:
    checked = _bound(value, field="options.clip_norm")
    return checked or None  # a message says 0 for None


def _loss_scale(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Dividing by a power of two is exact, so that gradients compare as if they had not been scaled.
    if not is_number or not value > 0 or math.frexp(value)[0] != 0.5:
        raise not_allowed(value, "a power of two, as 1024", field="options.loss_scale")
    return float(value)


_FLAGS = (
    "single_step",
    "check_dtype",
    "deterministic",
    "preflight",
    "keep_going",
)


class RecordingMethods:
    """The model that a recording stands for."""

    model: Any

    @property
    def shown_model(self) -> Any:
        """Returns the model as comparisons have it: without a loader, since its batches were recorded too."""
        return replace(self.model, loader="")


class SelectionMethods:
    """The checks of what is to be recorded, once, where it is made."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    max_depth: Optional[int]
    floors: bool
    functions: bool

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            object.__setattr__(self, name, _paths(getattr(self, name), field=f"selection.{name}"))
        for name in ("floors", "functions"):
            _flag(getattr(self, name), field=f"selection.{name}")
        if self.max_depth is not None:
            _count(self.max_depth, field="selection.max_depth", least=1)


class FiguresMethods:
    """Figures whose lists are packed: a report has as many figures as rows, and these are most of them."""

    worst: tuple[Any, ...]
    histogram: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "worst", packed(self.worst))
        object.__setattr__(self, "histogram", packed(self.histogram))


class OptionsMethods:
    """The checks of options, once, where they are made."""

    atol: Optional[float]
    rtol: Optional[float]
    diff_phase: Optional[DiffPhase]
    compare_mode: CompareMode
    single_step: bool
    local_error: Optional[bool]
    trace: TraceMode
    loss: DefaultLoss
    threads: int
    randomness: Randomness
    accumulate: int
    clip_norm: Optional[float]
    loss_scale: float
    floor: Floor
    level: Level
    detail: Detail
    timeout: Optional[float]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    transport: Transport

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "atol": _bound(self.atol, field="options.atol"),
            "rtol": _bound(self.rtol, field="options.rtol"),
            "diff_phase": None
            if self.diff_phase is None
            else word(DiffPhase, self.diff_phase, field="options.diff_phase"),
            "compare_mode": word(CompareMode, self.compare_mode, field="options.compare_mode"),
            "trace": word(TraceMode, self.trace, field="options.trace"),
            "loss": word(DefaultLoss, self.loss, field="options.loss"),
            "floor": word(Floor, self.floor, field="options.floor"),
            "level": word(Level, self.level, field="options.level"),
            "detail": word(Detail, self.detail, field="options.detail"),
            "randomness": word(Randomness, self.randomness, field="options.randomness"),
            "transport": word(Transport, self.transport, field="options.transport"),
        }
        for name in _FLAGS:
            checked[name] = _flag(getattr(self, name), field=f"options.{name}")
        if self.local_error is not None:
            checked["local_error"] = _flag(self.local_error, field="options.local_error")
        checked["threads"] = _count(self.threads, field="options.threads", least=0)
        checked["accumulate"] = _count(self.accumulate, field="options.accumulate", least=1)
        checked["clip_norm"] = _clip_norm(self.clip_norm)
        checked["loss_scale"] = _loss_scale(self.loss_scale)
        for name in ("include", "exclude"):
            checked[name] = _paths(getattr(self, name), field=f"options.{name}")
        checked["timeout"] = _bound(self.timeout, field="options.timeout")
        if self.local_error and checked["single_step"]:
            raise InvalidRequestError(
                "it makes a lockstep pass of its own; leave single_step out", field="options.local_error"
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
        """Returns the options named in `values`; an unknown name is an InvalidRequestError."""
        allowed = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in allowed:
                raise InvalidRequestError(
                    f"unknown option; {known_names(name, allowed)}", field=f"options.{name}"
                )
        return cls(**values)
