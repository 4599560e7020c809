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


class WeightLayout(Word):
    """How the axes of a matrix are stored that frameworks store in two ways."""

    OUT_IN = "out_in"
    IN_OUT = "in_out"


class BufferRole(Word):
    """What a buffer is for that its model did not make as a table (an index, a mask, a window).

    Attributes:
        STATISTIC: Gathered from the values that pass: running means, the vectors of a spectral
            norm.
        BOOKKEEPING: Counts or caches for its framework.
        COMPUTED: Made anew in each call, of the weights whose `part_of` names it.
    """

    STATISTIC = "statistic"
    BOOKKEEPING = "bookkeeping"
    COMPUTED = "computed"


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
        NOT_COMPARED: See the row's reasons.
    """

    MATCH = "match"
    WITHIN_TOLERANCE = "within_tolerance"
    MISMATCH = "mismatch"
    SHAPE_MISMATCH = "shape_mismatch"
    DTYPE_MISMATCH = "dtype_mismatch"
    NONFINITE = "nonfinite"
    UNMATCHED = "unmatched"
    NOT_COMPARED = "not_compared"


class ToleranceSource(Word):
    """Who set a tolerance."""

    DEFAULT = "default"
    USER = "user"


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


class Cause(Word):
    """What is to be said of a row besides its figures: why it has its verdict, or what a reader should
    know of it. Each says what its reason carries; clients make the sentences.

    Attributes:
        MESSAGE: names: a text from elsewhere, as an exception's.
        SHAPE: The specs of the two places tell.
        NONFINITE: The row's figures and its tolerance tell.
        MEANS: In mean mode: the means differ. numbers: by how much they may.
        ELEMENTS: In mean mode, where they decide nothing: elements lie outside the tolerance.
        OFFSET: The candidate is the reference plus a number, or times a number, throughout.
            numbers: that number.
        ROUNDING: The difference may be rounding of what the tensors are made of. numbers: the
            distance, and how large rounding may be.
        BELOW_ROUNDING: Both sides hold nothing but rounding. numbers: the reference's root mean
            square, and how large rounding may be.
        MEAN_OF_SPREAD: A running mean is no further off than rounding of the values that it is
            made of. numbers: their spread.
        MOVED_BIAS: No further apart than a bias that gradients below rounding have moved.
            numbers: how far.
        WITHOUT_MOVED_BIAS: Elements of a bias that gradients below rounding have moved are
            taken off. numbers: how many, of how many.
        ELEMENTS_LEFT_OUT: Elements are left out: their gradients were below rounding. numbers:
            how many, of how many.
        GRADIENT_BELOW_ROUNDING: The gradients that an optimizer made the weight of were below
            rounding.
        RANDOM: Random operations that the sides do not share decide the tensor; in the same
            code, they may have a part in it. names: the operations.
        SHOWN_BEFORE: In lockstep: judged at another place, where it first shows; one tensor of
            one side is two of the other, and its whole gradient is judged at another place. names:
            "entry" or "exit", and the call.
        ACCUMULATION: Of the free run, where the place agrees on the reference's own values:
            smaller differences before have grown; nothing before is off. Where it does not: the
            other row counts.
        ONE_SIDED: side: the one that has it.
        NO_GRADIENT: side: the one without a gradient, where the other's is not zero; where it
            is only zeros; where the parameter is frozen.
        PACKED_WITHOUT_GRADIENT: No gradient of a reference's weight, only of what it is packed
            with. names: these weights.
        PRESENCE_ONLY: It is only known that both sides have a gradient.
        NO_TENSOR: An output holds no tensor that can be seen.
        ACTIVATION_NOT_SHOWN: A layer of one side applies an activation itself; the other side,
            which shows that elsewhere in other steps, did not in this one.
        SHOWN_ELSEWHERE: The side shows the values at another place; its layer's values are
            compared behind an activation. names: the place; the activation.
        AXES: The candidate holds the values with its axes in another order, and in another
            shape. numbers: the axes.
        OFF_PLAN: The trace of the side did not have the call; its tensor was let go before such
            a call asked for it.
        DID_NOT_COME: The side's tensor did not come.
        NO_VALUES: The values did not arrive.
        STOPPED: The comparison stopped before the pair was measured.
        LOW_CONFIDENCE: The pair of layers may not belong together. numbers: the confidence.
            names: why.
        NORM_WITHOUT: A norm's weight that the side's norm is made without. Then what it is.
            numbers: what changes nothing.
        TRAINED_ALONE: An optimizer has changed it; the side alone trains it.
        NOT_RETURNED: The user's function returned no such weight. names: the function, the
            weight.
        MORE_PARAMETERS: The row stands for more parameters. numbers: how many more.
        ZERO_STATE: The side's optimizer keeps no such state: the other's are zeros; it has not
            stepped the parameter; it was not given it. names: the state.
        PLAIN_VALUES: Plain values of two batches. names: the reference's, the candidate's.
        LOADER_ENDED: The side's loader ended. numbers: after how many batches.
        TABLE_ROW: A row of an embedding table's gradient differs, where the whole agrees. The
            figures' worst row tells.
        REPEATED: The side repeats the values along axes that the other side has once or not at
            all. numbers: these axes.
    """

    MESSAGE = "message"
    SHAPE = "shape"
    DTYPE = "dtype"
    NONFINITE = "nonfinite"
    VALUES = "values"
    MEANS = "means"
    ELEMENTS = "elements"
    OFFSET = "offset"
    FACTOR = "factor"
    ROUNDING = "rounding"
    BELOW_ROUNDING = "below_rounding"
    MEAN_OF_SPREAD = "mean_of_spread"
    MOVED_BIAS = "moved_bias"
    WITHOUT_MOVED_BIAS = "without_moved_bias"
    ELEMENTS_LEFT_OUT = "elements_left_out"
    GRADIENT_BELOW_ROUNDING = "gradient_below_rounding"
    RANDOM = "random"
    RANDOM_NEARBY = "random_nearby"
    SHOWN_BEFORE = "shown_before"
    SHARED_TENSOR = "shared_tensor"
    ACCUMULATION = "accumulation"
    LEAP = "leap"
    LOCAL_FAULT = "local_fault"
    ONE_SIDED = "one_sided"
    NO_GRADIENT = "no_gradient"
    ZERO_GRADIENT = "zero_gradient"
    FROZEN = "frozen"
    PACKED_WITHOUT_GRADIENT = "packed_without_gradient"
    PRESENCE_ONLY = "presence_only"
    NO_TENSOR = "no_tensor"
    ACTIVATION_NOT_SHOWN = "activation_not_shown"
    SHOWN_ELSEWHERE = "shown_elsewhere"
    BEHIND_ACTIVATION = "behind_activation"
    AXES = "axes"
    RESHAPED = "reshaped"
    OFF_PLAN = "off_plan"
    LET_GO = "let_go"
    DID_NOT_COME = "did_not_come"
    NO_VALUES = "no_values"
    STOPPED = "stopped"
    LOW_CONFIDENCE = "low_confidence"
    NORM_WITHOUT = "norm_without"
    NEUTRAL = "neutral"
    NOT_NEUTRAL = "not_neutral"
    TRAINED_ALONE = "trained_alone"
    NOT_RETURNED = "not_returned"
    MORE_PARAMETERS = "more_parameters"
    ZERO_STATE = "zero_state"
    NOT_STEPPED = "not_stepped"
    NOT_GIVEN = "not_given"
    PLAIN_VALUES = "plain_values"
    LOADER_ENDED = "loader_ended"
    TABLE_ROW = "table_row"
    REPEATED = "repeated"


class LoneKind(Word):
    """What has no partner."""

    CALL = "call"
    PARAMETER = "parameter"
    BUFFER = "buffer"


class PairedBy(Word):
    """How a layer of the plan came to stand where it does.

    Attributes:
        PINNED: The layer map says so.
        CONTENT: Each holds the other's partners.
        CALLS: One layer is called again and again where the other side has a layer for each
            call.
        UNIT: They hold the same weights in other layers, and are compared as one unit.
        IGNORED: Not compared: the layer map ignores it.
        INSIDE_PINNED: Not compared by itself: it lies in a pair of the layer map, or in another
            one, that is compared as one unit.
        UNMATCHED: Without a partner.
    """

    ROOT = "root"
    PINNED = "pinned"
    SAME_PATH = "same_path"
    ORDER_AND_TYPE = "order_and_type"
    CONTENT = "content"
    CALLS = "calls"
    UNIT = "unit"
    IGNORED = "ignored"
    INSIDE_PINNED = "inside_pinned"
    INSIDE_UNIT = "inside_unit"
    UNMATCHED = "unmatched"


class Fate(Word):
    """`Fate` of report.proto.

    Attributes:
        AMBIGUOUS: Placed in an orientation that was found out by trial.
    """

    PLACED = "placed"
    TIED = "tied"
    ONLY_HERE = "only_here"
    AMBIGUOUS = "ambiguous"
    BOOKKEEPING = "bookkeeping"


class OmittedKind(Word):
    """What kind of places a pass says nothing of."""

    VALUE = "value"
    GRADIENT = "gradient"
    WEIGHT = "weight"
    OPTIMIZER_STATE = "optimizer_state"


class Difference(Word):
    """In what the first divergence lies.

    Attributes:
        STRUCTURE: A slot that one side alone has.
        MISSING: Something else that one side alone has, or that had to be compared and was not.
    """

    VALUE = "value"
    SHAPE = "shape"
    DTYPE = "dtype"
    NONFINITE = "nonfinite"
    STRUCTURE = "structure"
    MISSING = "missing"


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
