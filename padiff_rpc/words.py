"""The fixed lists of the contract: its enums, under their lower-case words."""

from __future__ import annotations

import enum


class Word(str, enum.Enum):
    """A value from a fixed list; equal to, and printed as, its lower-case word."""

    def __str__(self) -> str:
        return str(self.value)


class DType(Word):
    """The element type of a tensor."""

    BOOL = "bool"
    UINT8 = "uint8"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    COMPLEX64 = "complex64"
    COMPLEX128 = "complex128"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"


class Side(Word):
    """The role of a model in a comparison."""

    REFERENCE = "reference"
    CANDIDATE = "candidate"


class Phase(Word):
    """The parts of a comparison in the order in which they are judged."""

    CONNECT = "connect"
    LOAD = "load"
    TRACE = "trace"
    INPUTS = "inputs"
    INITIAL_WEIGHTS = "initial_weights"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer"
    WEIGHTS = "weights"


class Verdict(Word):
    """What the comparison of one pair of tensors came to."""

    MATCH = "match"
    WITHIN_TOLERANCE = "within_tolerance"
    MISMATCH = "mismatch"
    SHAPE_MISMATCH = "shape_mismatch"
    DTYPE_MISMATCH = "dtype_mismatch"
    NONFINITE = "nonfinite"
    UNMATCHED = "unmatched"
    NOT_COMPARED = "not_compared"


class Omission(Word):
    """Why a pair was not compared."""

    BELOW_ROUNDING = "below_rounding"
    MADE_OF_ROUNDING = "made_of_rounding"
    RANDOM = "random"
    ONE_SIDED = "one_sided"
    NO_BACKWARD = "no_backward"
    COMPUTED = "computed"
    JUDGED_ELSEWHERE = "judged_elsewhere"
    FUSED = "fused"


class CaptureKind(Word):
    """What a compared tensor is to its layer."""

    INPUT = "input"
    OUTPUT = "output"
    INPUT_GRADIENT = "input_gradient"
    OUTPUT_GRADIENT = "output_gradient"
    PARAMETER_GRADIENT = "parameter_gradient"
    LOSS = "loss"
    PARAMETER = "parameter"
    BUFFER = "buffer"
    OPTIMIZER_STATE = "optimizer_state"
    TARGET = "target"


class WeightKind(Word):
    """Parameters are trained; buffers are state that travels with the model."""

    PARAMETER = "parameter"
    BUFFER = "buffer"


class CallMoment(Word):
    """The two moments of a call that hooks see."""

    ENTRY = "entry"
    EXIT = "exit"


class Pass(Word):
    """Which pass of a step a capture belongs to."""

    FREE = "free"
    LOCKSTEP = "lockstep"


class Randomness(Word):
    """What becomes of random decisions."""

    SHARED = "shared"
    OFF = "off"
    REPORT = "report"


class DiffPhase(Word):
    """How far a step goes."""

    BOTH = "both"
    FORWARD = "forward"
    BACKWARD = "backward"


class CompareMode(Word):
    """Elementwise bounds, or the older tool's bound on the difference of means."""

    STRICT = "strict"
    MEAN = "mean"


class TraceMode(Word):
    """Where the call trace comes from."""

    BEFORE = "before"
    FIRST_STEP = "first_step"


class DefaultLoss(Word):
    """The loss where the user gives none."""

    PROJECTION = "projection"
    MEAN = "mean"


class WorkerState(Word):
    """Whether a worker can be leased."""

    FREE = "free"
    BUSY = "busy"
    DRAINING = "draining"
    NOT_READY = "not_ready"
    UNREACHABLE = "unreachable"
