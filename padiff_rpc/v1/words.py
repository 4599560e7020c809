"""The contract's enums as lists of words, written by `make proto` from proto/padiff_rpc/v1; do not edit."""

from padiff_rpc.word import Word


class DType(Word):
    """The element type of a tensor. Bytes are little-endian; bool is one byte, 0 or 1."""

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
    """`Side` of models.proto."""

    REFERENCE = "reference"
    CANDIDATE = "candidate"


class Phase(Word):
    """The parts of a comparison in the order in which they are judged.

    Attributes:
        WEIGHTS: Parameters and buffers at the end of a step.
    """

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


class WeightKind(Word):
    """`WeightKind` of models.proto."""

    PARAMETER = "parameter"
    BUFFER = "buffer"


class CallMoment(Word):
    """`CallMoment` of models.proto.

    Attributes:
        ENTRY: The inputs as they are at entry.
        EXIT: The outputs as they are at exit.
    """

    ENTRY = "entry"
    EXIT = "exit"


class WorkerState(Word):
    """`WorkerState` of worker.proto.

    Attributes:
        BUSY: Leased to a comparison.
        DRAINING: Told to stop: takes no new lease.
        NOT_READY: Its framework's device is not usable, or not tried yet.
        UNREACHABLE: Said by the coordinator of a worker that does not answer.
    """

    FREE = "free"
    BUSY = "busy"
    DRAINING = "draining"
    NOT_READY = "not_ready"
    UNREACHABLE = "unreachable"


class Randomness(Word):
    """What becomes of random decisions (dropout and the like).

    Attributes:
        SHARED: Both sides draw the same decisions from one counter-based generator.
        OFF: Dropout in all its forms does nothing.
        REPORT: As the framework draws them; they are named.
    """

    SHARED = "shared"
    OFF = "off"
    REPORT = "report"


class Pass(Word):
    """Which pass of a step this is.

    Attributes:
        FREE: Each side runs on its own values.
        LOCKSTEP: The candidate's own values are captured and then replaced by the reference's.
    """

    FREE = "free"
    LOCKSTEP = "lockstep"


class CaptureKind(Word):
    """`CaptureKind` of worker.proto.

    Attributes:
        TARGET: What the loss compares the output with; from a loader in the worker.
    """

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


class Verdict(Word):
    """`Verdict` of report.proto.

    Attributes:
        MATCH: Bitwise equal.
        UNMATCHED: No partner on the other side.
        NOT_COMPARED: See the row's reason.
    """

    MATCH = "match"
    WITHIN_TOLERANCE = "within_tolerance"
    MISMATCH = "mismatch"
    SHAPE_MISMATCH = "shape_mismatch"
    DTYPE_MISMATCH = "dtype_mismatch"
    NONFINITE = "nonfinite"
    UNMATCHED = "unmatched"
    NOT_COMPARED = "not_compared"


class Omission(Word):
    """Why a pair was not compared.

    Attributes:
        BELOW_ROUNDING: Nothing but rounding is left of a gradient whose terms cancel, or of a
            gradient made of such gradients. So it may be with a value: it is then known to be that
            on both sides, and its row agrees.
        MADE_OF_ROUNDING: An optimizer made a weight, or its own state, of such gradients.
        RANDOM: Random decisions that the sides do not share have a part in it.
        ONE_SIDED: Of a gradient: one side has none, though nothing says that it has to.
        NO_BACKWARD: A backward was asked for: a side's framework has none for what the model
            does, or neither side made one.
        COMPUTED: The user's own rule for weights computes, so that no gradient is another's
            element by element; that both sides have one was judged.
        JUDGED_ELSEWHERE: In lockstep: another place of the same tensor was judged instead.
            Nothing is missing.
        FUSED: A layer of one side applies more than its partner, and the other side does not
            show what that makes.
    """

    BELOW_ROUNDING = "below_rounding"
    MADE_OF_ROUNDING = "made_of_rounding"
    RANDOM = "random"
    ONE_SIDED = "one_sided"
    NO_BACKWARD = "no_backward"
    COMPUTED = "computed"
    JUDGED_ELSEWHERE = "judged_elsewhere"
    FUSED = "fused"


class DiffPhase(Word):
    """`DiffPhase` of coordinator.proto."""

    BOTH = "both"
    FORWARD = "forward"
    BACKWARD = "backward"


class CompareMode(Word):
    """`CompareMode` of coordinator.proto."""

    STRICT = "strict"
    MEAN = "mean"


class TraceMode(Word):
    """`TraceMode` of coordinator.proto.

    Attributes:
        BEFORE: An extra forward pass before the first step.
        FIRST_STEP: The first step serves as the trace; it is aligned at its end.
    """

    BEFORE = "before"
    FIRST_STEP = "first_step"


class DefaultLoss(Word):
    """`DefaultLoss` of coordinator.proto.

    Attributes:
        PROJECTION: Inner product with a seeded pseudo-random tensor, scaled by 1/sqrt(n).
        MEAN: Mean of the float32 means of all outputs.
    """

    PROJECTION = "projection"
    MEAN = "mean"
