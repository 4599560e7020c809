"""The contract's enums as lists of words, written by `make proto` from proto/padiff_rpc/v1; do not edit."""

from padiff_rpc.records import Word


class Side(Word):
    """`Side` of reasons.proto."""

    REFERENCE = "reference"
    CANDIDATE = "candidate"


class Cause(Word):
    """Why a row has its verdict, a pair of layers its confidence, a weight its fate, a random decision
    no partner, a step no backward, or what else is to be said of it. Each says what its reason
    carries; clients make the sentences.

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
            because: why.
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
        PACKED_SEQUENCES: The side keeps the sequences packed; what lies behind the end of each
            on the other side was not compared.
        SAME_ORDER: Of pairs of layers. Their order and kind agree, their kind and place, and
            their paths do not; only some of their weights agree in shape, or none.
        OTHER_CLASS: Their classes are of no known kind and differ: all shapes of their weights
            agree, or most.
        OTHER_KIND: Their kinds differ. names: the classes of the reference's, the candidate's.
        DOUBTED: Another pairing fits as well.
        OTHER_ORDER: They are executed in another order, and agree in all else; what names or
            surroundings say tells them apart as well; of several alike these tell them, in order;
            these contradict the order.
        ORDERS_DIFFER: Beside each other, and one side executes them in another order than it
            defines them; no name tells.
        SAME_CONTENT: Each holds the other's partners; most of them.
        ONE_UNIT: Compared as one unit: their insides hold the same weights in other layers.
        CALLED_AGAIN: One of the two is called again where the other side has a layer for each
            call.
        IGNORED: Not compared, or not by itself: the layer map ignores it (names: the fields
            that say so); it lies in a pair of the layer map, or in another one, that is compared as
            one unit.
        NO_LAYER: side: the one that has no layer for it.
        NO_CALL: Of calls without a partner. side: the other one, which made no such call, or
            whose call did not end.
        WEIGHTS_ELSEWHERE: The other side has the weights in other layers, where what comes of
            them is compared.
        NO_WEIGHT: Of weights. side: the one whose layer has no weight for it. names: that
            layer, what kind of weight.
        COMPUTED_HERE: The side computes another weight of it, and the other's layer has no such
            weight. names: the computed weight; how; that layer.
        COMPUTED_FROM: The reference computes a weight of it that the candidate holds itself.
            names: that weight.
        OWN_TABLE: The side makes its own and leaves it out of state files.
        LAYER_ALONE: Its layer has no partner; is ignored; runs behind the place where a model
            raised.
        UNUSED_PARTS: The candidate has nothing for some of its equal parts. numbers: how many
            there are; which, from 1.
        NEAREST: The nearest weight without a partner of the other side. names: its name, its
            spec. because: what would make the one fit the other.
        MISFIT: They do not fit. names: the specs of the reference's under the rule, of the
            candidate's. because: as above.
        FITS_TRANSPOSED: What makes it fit: its transpose; another order of axes (numbers). The
            imaginary part is missing; has no place.
        SEVERAL_DTYPES: Weights of several dtypes do not make one. names: the dtypes.
        TIED_ALONE: Tied on the candidate's side alone. names: the reference's weight that fills
            it.
        UNTRIED: Several orders of its axes fit: the first of them is taken; they were tried on
            the first batch; they were compared with the candidate's own values.
        MADE_OF: Why the gradient of a weight of the candidate is not the reference's element by
            element. The reference computes the weight of others (names).
        FUNCTION_REPEATS: names: the user's function. It repeats elements; makes another weight
            of the same elements; may do so; computes this weight; makes nothing of it.
        SWITCHED_OFF: Of random decisions that are not shared: switched off; left to the
            frameworks; none of the operations that can be; beside others that cannot be (names).
        UNEVEN: The sides decide unequally often. names: the layer; where they are asked for,
            the operations. numbers: the call, the reference's decisions, the candidate's.
        NOTHING_TRAINED: Why a side made no backward. Nothing requires a gradient; the loss
            depends on nothing that does; the model returns no floating tensor; the train step
            called no backward.
        NO_BACKWARD_IN_EVAL: The framework has none in eval mode. names: the framework, a class
            of layers, their paths.
        NO_SUCH_TENSOR: Why a place kept its own tensor: the reference has no such tensor; no
            such gradient; one of another shape or dtype. names: the reference's, the candidate's.
        WITHIN_OWN_ERROR: The difference as a multiple (numbers) of how far the reference is
            from its own float64 run on the same values: no more than rounding makes; more than
            that.
        VARIANCE_CONVENTION: A running variance, of which one side takes up sums divided by n
            (numbers) and the other by n - 1: compared as the candidate has it.
        STEP_CONVENTION: What an optimizer's step left, where the sides step by two formulas:
            the side's, by the other's formula. names: the conventions in which they differ.
        TIE: Elements differ that a decision between values equal but for rounding has moved.
            numbers: how many, of how many.
        OWN_TRAIN_STEP: Why no pass is in lockstep: a train step of the user's own, a worker
            (side) that cannot put a state back.
        SCRIPTS_OWN_STEPS: Both workers watch scripts, which make their own steps.
        CANDIDATE_IS_RECORDED: Nothing can be put in the place of what a recorded candidate
            computed.
        STATISTICS_ONLY: The side's recording holds sketches in place of large tensors, which no
            call can be made on.
        SUSPECTED: Sketches alone were compared, and are further apart than is allowed. numbers:
            the relative L2, estimated.
        CARRIED_OVER: Of a row of the free run, where outputs or loss drift further than the
            reference's own free run does, and no call of the step differs on the reference's own
            values.
        FUNCTIONS_CUT_SHORT: More calls of functions were made in a layer's call than are
            recorded. numbers: how many are.
        BY_OWN_BOUNDS: The pair agrees under the user's own bounds alone: without them it would
            differ. numbers: the difference as a multiple of what rounding makes; none where only
            the table tells.
        WITHIN_NOISE: As the two of the own error, where the reference does not run in float64:
            as a multiple of what noise of half a spacing does to its calls in its own dtypes.
        INCONCLUSIVE: Of values that halves computed: their own rounding reaches that share
            (numbers) of them, so that what is no more than a few times as far off may be anything.
        INCONCLUSIVE_LOCALLY: Of a row of the free run: in lockstep its place is inconclusive.
        NOT_KEPT: A kept run was judged again under other bounds: the pair's tensors were not
            kept, and its figures do not tell.
        NO_LOCKSTEP_ASKED: Why nothing could be held against a run in float64: passes in
            lockstep were not asked for; the side's worker, of an older version, runs none.
        WORKER_SEES_NO_FUNCTIONS: Why the functions between layers were not looked into. The
            side's worker does not record them.
        TOO_FEW_BITS: Rounding to 16 bits leaves too little by which to know a tensor. names:
            the dtype.
        CHANCE_IS_NOT_SHARED: Random decisions that the sides do not share would make all behind
            them unlike.
        RUNS_UNSEEN: Compiled, exported or scripted. names: the layer's path.
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
    PACKED_SEQUENCES = "packed_sequences"
    SAME_ORDER = "same_order"
    SAME_PLACE = "same_place"
    SOME_SHAPES = "some_shapes"
    OTHER_SHAPES = "other_shapes"
    OTHER_CLASS = "other_class"
    OTHER_CLASS_MOST_SHAPES = "other_class_most_shapes"
    OTHER_KIND = "other_kind"
    DOUBTED = "doubted"
    OTHER_ORDER = "other_order"
    OTHER_ORDER_BY_NAMES = "other_order_by_names"
    BY_NAMES = "by_names"
    NAMES_AGAINST_ORDER = "names_against_order"
    ORDERS_DIFFER = "orders_differ"
    SAME_CONTENT = "same_content"
    MOST_CONTENT = "most_content"
    ONE_UNIT = "one_unit"
    CALLED_AGAIN = "called_again"
    IGNORED = "ignored"
    INSIDE_PINNED = "inside_pinned"
    INSIDE_UNIT = "inside_unit"
    NO_LAYER = "no_layer"
    NO_CALL = "no_call"
    CALL_NOT_ENDED = "call_not_ended"
    WEIGHTS_ELSEWHERE = "weights_elsewhere"
    NO_WEIGHT = "no_weight"
    COMPUTED_HERE = "computed_here"
    COMPUTED_FROM = "computed_from"
    OWN_TABLE = "own_table"
    LAYER_ALONE = "layer_alone"
    LAYER_IGNORED = "layer_ignored"
    BEHIND_FAILURE = "behind_failure"
    UNUSED_PARTS = "unused_parts"
    NEAREST = "nearest"
    MISFIT = "misfit"
    FITS_TRANSPOSED = "fits_transposed"
    FITS_TURNED = "fits_turned"
    NO_IMAGINARY_PART = "no_imaginary_part"
    IMAGINARY_PART_UNUSED = "imaginary_part_unused"
    SEVERAL_DTYPES = "several_dtypes"
    TIED_ALONE = "tied_alone"
    UNTRIED = "untried"
    TRIED = "tried"
    COMPARED_IN_ALL_ORDERS = "compared_in_all_orders"
    MADE_OF = "made_of"
    FUNCTION_REPEATS = "function_repeats"
    FUNCTION_SHARES = "function_shares"
    FUNCTION_MAY_SHARE = "function_may_share"
    FUNCTION_COMPUTES = "function_computes"
    FUNCTION_LEAVES_OUT = "function_leaves_out"
    SWITCHED_OFF = "switched_off"
    LEFT_TO_FRAMEWORKS = "left_to_frameworks"
    NOT_SHAREABLE = "not_shareable"
    NOT_SHARED_BESIDE = "not_shared_beside"
    UNEVEN = "uneven"
    NOTHING_TRAINED = "nothing_trained"
    LOSS_OF_NOTHING_TRAINED = "loss_of_nothing_trained"
    NO_FLOATING_OUTPUT = "no_floating_output"
    NO_BACKWARD_CALLED = "no_backward_called"
    NO_BACKWARD_IN_EVAL = "no_backward_in_eval"
    NO_SUCH_TENSOR = "no_such_tensor"
    NO_SUCH_GRADIENT = "no_such_gradient"
    OVERRIDE_OF_OTHER_SHAPE = "override_of_other_shape"
    OVERRIDE_OF_OTHER_DTYPE = "override_of_other_dtype"
    WITHIN_OWN_ERROR = "within_own_error"
    BEYOND_OWN_ERROR = "beyond_own_error"
    VARIANCE_CONVENTION = "variance_convention"
    STEP_CONVENTION = "step_convention"
    TIE = "tie"
    OWN_TRAIN_STEP = "own_train_step"
    WORKER_KEEPS_NO_STATE = "worker_keeps_no_state"
    SCRIPTS_OWN_STEPS = "scripts_own_steps"
    CANDIDATE_IS_RECORDED = "candidate_is_recorded"
    STATISTICS_ONLY = "statistics_only"
    SUSPECTED = "suspected"
    CARRIED_OVER = "carried_over"
    FUNCTIONS_CUT_SHORT = "functions_cut_short"
    BY_OWN_BOUNDS = "by_own_bounds"
    WITHIN_NOISE = "within_noise"
    BEYOND_NOISE = "beyond_noise"
    INCONCLUSIVE = "inconclusive"
    INCONCLUSIVE_LOCALLY = "inconclusive_locally"
    NOT_KEPT = "not_kept"
    NO_LOCKSTEP_ASKED = "no_lockstep_asked"
    WORKER_HAS_NO_FLOAT64 = "worker_has_no_float64"
    WORKER_SEES_NO_FUNCTIONS = "worker_sees_no_functions"
    TOO_FEW_BITS = "too_few_bits"
    CHANCE_IS_NOT_SHARED = "chance_is_not_shared"
    RUNS_UNSEEN = "runs_unseen"


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


class LayoutChange(Word):
    """A change of a tensor's layout.

    Attributes:
        TRANSPOSE: The axes of a matrix are exchanged.
        AXES: The n-th axis is the one that the n-th of the numbers names.
        PART: One of equal parts along the first axis. numbers: which, from 0; how many there
            are.
        STACK: Several tensors become one, along their first axis.
        RESHAPE: numbers: the shape. Elements keep their order; those along an axis of one
            element are repeated.
        SUM: Elements are summed, and the axes kept as 1. numbers: the axes.
        AS_REAL: Real and imaginary part become a last axis of 2, and that a complex number.
        ACTIVATION: name: the activation that is applied.
        FUNCTION: name: the user's function.
        BEGINNINGS: numbers: so many elements along the second axis stay of each item of the
            first; all become one row.
        LENGTH: The second axis gets so many elements (numbers): zeros behind its own, or its
            own without the last.
    """

    TRANSPOSE = "transpose"
    AXES = "axes"
    PART = "part"
    STACK = "stack"
    RESHAPE = "reshape"
    REPEAT = "repeat"
    SUM = "sum"
    AS_REAL = "as_real"
    AS_COMPLEX = "as_complex"
    ACTIVATION = "activation"
    FUNCTION = "function"
    BEGINNINGS = "beginnings"
    LENGTH = "length"


class TensorCoding(Word):
    """How a chunk's bytes are written where they are not simply there.

    Attributes:
        ZSTD: A frame of Zstandard (RFC 8878), without dictionary, over byte planes: the first
            byte of each element, then the second of each, and so on.
    """

    ZSTD = "zstd"


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


class VarianceDivisor(Word):
    """What the mean square deviation of n values is that a running variance takes up.

    Attributes:
        COUNT: The sum divided by n.
        COUNT_LESS_ONE: The sum divided by n - 1.
    """

    COUNT = "count"
    COUNT_LESS_ONE = "count_less_one"


class CallMoment(Word):
    """`CallMoment` of models.proto.

    Attributes:
        ENTRY: The inputs as they are at entry.
        EXIT: The outputs as they are at exit.
    """

    ENTRY = "entry"
    EXIT = "exit"


class Transport(Word):
    """How tensors get from a worker to the coordinator and back.

    Attributes:
        AUTO: Through shared memory where worker and coordinator have it, else over the
            connection.
        SHM: Through shared memory; an error where it cannot be had.
        GRPC: Over the connection.
    """

    AUTO = "auto"
    SHM = "shm"
    GRPC = "grpc"


class TensorKind(Word):
    """Tensors of two kinds are never the same one, whatever their values."""

    BOOL = "bool"
    INTEGER = "integer"
    FLOAT = "float"
    COMPLEX = "complex"


class HintKind(Word):
    """What a pair of tensors that differ probably is. Each says what its hint carries; axes and
    indices count from 0.

    Attributes:
        UNKNOWN: The pair was looked at, and nothing fits.
        TRANSPOSED: The same numbers in other places: the candidate's last two axes are
            exchanged (names: those of the weight that its layer takes); its axes are in another
            order (numbers: the reference's axis at each place); it has the same elements in order,
            and another shape.
        PERMUTED: The indices of an axis are in another order. numbers: the axis; how many
            indices moved, of how many.
        PARTS: Equal parts of an axis are, as query, key and value may be, or heads. numbers:
            the axis; the order of the parts.
        INTERLEAVED: An axis that holds two, one inside the other, holds them the other way
            round. numbers: the axis; the sizes of the outer and the inner one in the reference.
        FLIPPED: An axis is reversed; moved, and its end comes in at its beginning; moved, and
            something else comes in. numbers: the axis; by how much.
        SWAPPED: The candidate has what the reference has elsewhere, or its layer takes that
            weight. names: the reference's weight; the one in whose place it is taken.
        SIGN: The same places, numbers that a formula makes of the reference's: the sign; a
            factor (numbers); a constant added (numbers).
        OFFSET_EACH: Something added, a factor, or both, for each index of an axis. numbers: the
            axis.
        MISSING_BIAS: What is added is the layer's bias. side: the one that lacks it.
        EPSILON: A norm adds another epsilon. numbers: the reference's, the candidate's.
        STATISTICS: A norm takes the batch's statistics on the one side (side), and the kept
            ones on the other.
        MOMENTUM: A running statistic takes the one side's share of the new value for the old
            one's. numbers: the reference's share, the candidate's.
        UNBIASED: A variance is divided by n on the one side and by n - 1 on the other. side:
            the one with n - 1. numbers: n.
        GELU: A GELU by tanh on the one side (side), by erf on the other.
        ACTIVATION: An activation that the side applies. names: its kind; that of the one in
            whose place it is.
        ROUNDED: The side's numbers are rounded to a coarser dtype. names: the dtype; the weight
            of which that is true.
        DROPOUT: The side drops elements and scales the others. numbers: the share that it
            drops, the factor.
        WRONG_AXIS: A softmax, or a norm, is along another axis. numbers: the reference's, the
            candidate's.
        MASK_INVERTED: A mask holds where the other does not; is moved. numbers: the axis; by
            how much.
        FEW_INDICES: Few places differ: few indices of an axis (numbers: the axis; how many, of
            how many; the first); few elements (numbers: how many, of how many); the border of the
            axes of an image alone (numbers: how wide).
        MORE_AT_BORDER: The shapes differ by a border, and the rest agrees. numbers: the axis;
            how much more the candidate has.
        STALE: The candidate has what the reference had before this step's update, or its layer
            takes that weight (names).
        ACCUMULATED: The candidate has the reference's gradient, and its own of the step before.
        SETTING: The layers differ in a setting. names: the word; the reference's value; the
            candidate's; the reference's layer.
        OTHER_KIND: The layers are of different kinds. names: the reference's, the candidate's.
        OPTIMIZER_SETTING: The optimizers differ in a setting. names: the word; the reference's
            value; the candidate's.
        TRAIN_MODE: One side (side) is in train mode, and the other is not.
    """

    UNKNOWN = "unknown"
    TRANSPOSED = "transposed"
    AXES = "axes"
    RESHAPED = "reshaped"
    PERMUTED = "permuted"
    PARTS = "parts"
    INTERLEAVED = "interleaved"
    FLIPPED = "flipped"
    ROLLED = "rolled"
    SHIFTED = "shifted"
    SWAPPED = "swapped"
    SIGN = "sign"
    SCALED = "scaled"
    OFFSET = "offset"
    OFFSET_EACH = "offset_each"
    SCALED_EACH = "scaled_each"
    AFFINE_EACH = "affine_each"
    MISSING_BIAS = "missing_bias"
    EPSILON = "epsilon"
    STATISTICS = "statistics"
    MOMENTUM = "momentum"
    UNBIASED = "unbiased"
    GELU = "gelu"
    ACTIVATION = "activation"
    ROUNDED = "rounded"
    DROPOUT = "dropout"
    WRONG_AXIS = "wrong_axis"
    MASK_INVERTED = "mask_inverted"
    MASK_SHIFTED = "mask_shifted"
    FEW_INDICES = "few_indices"
    FEW_ELEMENTS = "few_elements"
    BORDER = "border"
    MORE_AT_BORDER = "more_at_border"
    STALE = "stale"
    ACCUMULATED = "accumulated"
    SETTING = "setting"
    OTHER_KIND = "other_kind"
    OPTIMIZER_SETTING = "optimizer_setting"
    TRAIN_MODE = "train_mode"


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


class NoteKind(Word):
    """What a note says, and what it carries for that; clients make the sentences.

    Attributes:
        MESSAGE: names: a text from elsewhere.
        LOCKSTEP_TAKES_NO_OPTIMIZER: Of settings. single_step takes no optimizer, and makes one
            step; as many were asked for (numbers).
        FORWARD_NOT_COUNTED: diff_phase: backward. The forward pass is in lockstep and does not
            count; nothing is in lockstep, so both phases were compared.
        FORWARD_TAKES_NO_OPTIMIZER: diff_phase: forward takes no optimizer, computes no loss,
            makes one step; as many were asked for (numbers).
        GRADIENTS_NOT_USED: The gradients of the last steps were not used. numbers: steps,
            accumulate, how many of the last.
        NOTHING_ACCUMULATED: What was asked for had no effect: accumulate and clip_norm without
            an optimizer, loss_scale without a backward.
        UNKNOWN_CLASS: Of the plan. No layer is of a class that the layer map names. names: the
            field, the class, the nearest ones.
        OPAQUE: Layers of the side are compiled, exported or scripted. names: their paths.
        LOW_CONFIDENCE: The plan has pairs of low confidence; the first divergence lies in one;
            all differences do.
        PAIRED_OTHERWISE: The first step's calls pair layers otherwise than the definition order
            that weights were placed by.
        PARTLY_TAKEN: Of weights. names: the function, the reference's weight. numbers: how many
            of its elements, of how many, it takes.
        GRADIENTS_PRESENT: Gradients are not compared, only that they are there. names: the
            weights. reasons: why.
        TIED_ALONE: One tensor of the side is several of the other. names: the one, the others.
        UNSAVED_BUFFERS: Buffers differ before any copy: state files leave them out; the copy
            hides it. names: the candidate's. numbers: the largest differences, NaN for one in its
            shape.
        NEUTRAL_NORMS: Norms of the side hold 1 or 0, and the other's are made without. names:
            the weights. numbers: how many of them are trained.
        ORDERS_UNTRIED: Several orders of axes fit weights of users' own classes, and none was
            tried. names: the weights.
        ORDER_TAKEN: Which was taken. names: the first weight. rule: the order. numbers: how
            many weights; how many orders fit; how many were tried; the relative L2 of the one
            taken; of the next best, if any; 1 if the two cannot be told apart.
        ORDERS_LEFT: Not all were tried. names: the layer. numbers: how many, of how many.
        UNEVEN: Of random decisions. The sides decide unequally often: where that is judged;
            where nothing is compared. reasons: where.
        RECOMPUTED: Decisions that are not shared are made once more by recomputation.
        RANDOM_WITHOUT_TRACE: The first step served as the trace: its decisions could be neither
            shared nor kept apart.
        RANDOM_UNFORESEEN: The trace did not have them. names: operation and layer of each.
            numbers: the call of each.
        OPTIMIZERS_UNSEEN: Of optimizers that cannot be looked into: both sides'; the side's
            alone.
        STATE_UNKNOWN: The side's optimizer keeps what the other's does not. names: the other's
            class, the states.
        STATE_NOT_TAKEN: The candidate's optimizer cannot take a state over. names: the state.
        TRACE_RAISED: Of the steps. The side raised while it was traced. names: the exception,
            its text.
        VALUES_KEPT: Places kept their own values, or gradients. pass_kind: in lockstep, or
            behind random decisions. names: path, moment and slot of each. numbers: the call of
            each. reasons: why.
        FORWARD_AND_LOSS_ONLY: The side was compared in forward and loss alone, since its
            framework has no backward; in forward alone; in gradients at the parameters alone.
            reasons: why.
        BROKE_OFF: numbers: the step. pass_kind: the pass of it.
        STOPPED_WITHOUT_BACKWARD: numbers: the last step, and how many more were asked for. Both
            sides have no backward; it differs.
        LEAP: A place is far off in the free run alone, though nothing before it is.
        LOADERS_ENDED: Both loaders ended. numbers: after how many batches, and how many were
            asked for.
        FIRST_STEP_FREE: Lockstep was asked for, and the first step was judged freely: its calls
            serve as the trace.
        HINTS_LIMITED: Of a phase no more pairs that differ were looked at for hints. numbers:
            how many were.
        NO_GOLD: The reference was asked to run in float64, and did not. reasons: why.
        GOLD: It did. numbers: the step, and how many rows that decided.
        KEPT_FLOORS: What an earlier comparison measured on the same values of the reference was
            used in a step (numbers).
        KEPT_TRACE: A side was not traced: an earlier comparison had traced the same code on the
            same batch. side.
        OTHER_CALLS: Its calls in the first step were others, so that trace is dropped. side.
        RECORDED_FLOORS: What was recorded of the reference's rounding was used in a step
            (numbers).
        SHOWN: A side shows what was recorded of it. side; names: when it was made.
        WEIGHTS_AS_RECORDED: Nothing is copied into a recording: both sides' weights are
            compared as they are.
        LEFT_OUT_OF_RECORDING: Layers that were left out of a recording are not compared. side,
            numbers: how many.
        RECORDED_FORWARD: A side was recorded without backward, so that there is none. side.
        RECORDING_CUT_SHORT: A recording ended before all of its steps. side, numbers: how many
            it has.
        OTHER_BATCH: A recorded side had another batch than the other side, in a step (numbers).
            side.
        TIES: Decisions between values that are equal but for rounding came out otherwise.
            numbers: the step, and in how many rows.
        OPTIMIZER_STEPS_FREELY: An optimizer is a function, whose step nothing undoes: it was
            left out of the pass in lockstep.
        JUDGED_FREELY: No pass ran in lockstep, though nobody asked for that. reasons: why.
        NO_NOISE: The reference did not run once more on values with noise either. reasons: why.
        NO_ORACLE: The option `oracle` shows nothing. reasons: why.
        NO_FUNCTIONS: The functions between the layers were not looked into. reasons: why.
        FUNCTIONS_IN_PART: Some of them were not. reasons: why.
        MARKED_ALONE: One side alone marks a tensor so. side, names: the mark.
        PARTED_BY_CONVENTION: In a free run the optimizers, which compute by two formulas, drive
            the weights apart: it has no veto.
        REJUDGED: A kept run was judged again under other bounds. numbers: rows by their
            tensors, by their figures, and those that cannot be judged again.
        SKETCHED: Level stats: a step was judged by sketches. numbers: the step; how many rows
            were judged by sketches alone; how many by elements that were fetched for it; bytes of
            captures that travelled; and what all elements would be.
        NOT_SKETCHED: Level stats: a step's captures travelled whole. numbers: the step.
            reasons: why.
        NOT_FETCHED: Level stats: elements could not be fetched where sketches differ. numbers:
            the step. reasons: why.
        NOT_PUT_BACK: A model could not be put back to where a step had begun, since parameters
            (names: some of them) changed in a pass without an optimizer although the trace had not
            changed them. What was to run from there did not. side, numbers: the step.
        LEFT_OUT: `include` or `exclude` leaves layers out, whose calls were not compared.
            numbers: how many of the reference, and of the candidate.
    """

    MESSAGE = "message"
    LOCKSTEP_TAKES_NO_OPTIMIZER = "lockstep_takes_no_optimizer"
    LOCKSTEP_MAKES_ONE_STEP = "lockstep_makes_one_step"
    FORWARD_NOT_COUNTED = "forward_not_counted"
    FORWARD_COUNTED = "forward_counted"
    FORWARD_TAKES_NO_OPTIMIZER = "forward_takes_no_optimizer"
    FORWARD_COMPUTES_NO_LOSS = "forward_computes_no_loss"
    FORWARD_MAKES_ONE_STEP = "forward_makes_one_step"
    GRADIENTS_NOT_USED = "gradients_not_used"
    NOTHING_ACCUMULATED = "nothing_accumulated"
    NOTHING_CLIPPED = "nothing_clipped"
    NOTHING_SCALED = "nothing_scaled"
    UNKNOWN_CLASS = "unknown_class"
    OPAQUE = "opaque"
    LOW_CONFIDENCE = "low_confidence"
    LOW_CONFIDENCE_DIVERGENCE = "low_confidence_divergence"
    LOW_CONFIDENCE_EVERYWHERE = "low_confidence_everywhere"
    PAIRED_OTHERWISE = "paired_otherwise"
    PARTLY_TAKEN = "partly_taken"
    GRADIENTS_PRESENT = "gradients_present"
    TIED_ALONE = "tied_alone"
    UNSAVED_BUFFERS = "unsaved_buffers"
    HIDDEN_BUFFERS = "hidden_buffers"
    NEUTRAL_NORMS = "neutral_norms"
    ORDERS_UNTRIED = "orders_untried"
    ORDERS_RAISED = "orders_raised"
    ORDER_TAKEN = "order_taken"
    ORDERS_LEFT = "orders_left"
    UNEVEN = "uneven"
    UNEVEN_UNSEEN = "uneven_unseen"
    RECOMPUTED = "recomputed"
    RANDOM_WITHOUT_TRACE = "random_without_trace"
    RANDOM_UNFORESEEN = "random_unforeseen"
    OPTIMIZERS_UNSEEN = "optimizers_unseen"
    OPTIMIZER_UNSEEN = "optimizer_unseen"
    STATE_UNKNOWN = "state_unknown"
    STATE_NOT_TAKEN = "state_not_taken"
    TRACE_RAISED = "trace_raised"
    VALUES_KEPT = "values_kept"
    GRADIENTS_KEPT = "gradients_kept"
    FORWARD_AND_LOSS_ONLY = "forward_and_loss_only"
    FORWARD_ONLY = "forward_only"
    PARAMETER_GRADIENTS_ONLY = "parameter_gradients_only"
    BROKE_OFF = "broke_off"
    STOPPED_WITHOUT_BACKWARD = "stopped_without_backward"
    STOPPED_AT_DIFFERENCE = "stopped_at_difference"
    LEAP = "leap"
    LOADERS_ENDED = "loaders_ended"
    FIRST_STEP_FREE = "first_step_free"
    HINTS_LIMITED = "hints_limited"
    NO_GOLD = "no_gold"
    GOLD = "gold"
    KEPT_FLOORS = "kept_floors"
    KEPT_TRACE = "kept_trace"
    OTHER_CALLS = "other_calls"
    RECORDED_FLOORS = "recorded_floors"
    SHOWN = "shown"
    WEIGHTS_AS_RECORDED = "weights_as_recorded"
    LEFT_OUT_OF_RECORDING = "left_out_of_recording"
    RECORDED_FORWARD = "recorded_forward"
    RECORDING_CUT_SHORT = "recording_cut_short"
    OTHER_BATCH = "other_batch"
    TIES = "ties"
    OPTIMIZER_STEPS_FREELY = "optimizer_steps_freely"
    JUDGED_FREELY = "judged_freely"
    NO_NOISE = "no_noise"
    NO_ORACLE = "no_oracle"
    NO_FUNCTIONS = "no_functions"
    FUNCTIONS_IN_PART = "functions_in_part"
    MARKED_ALONE = "marked_alone"
    PARTED_BY_CONVENTION = "parted_by_convention"
    REJUDGED = "rejudged"
    SKETCHED = "sketched"
    NOT_SKETCHED = "not_sketched"
    NOT_FETCHED = "not_fetched"
    NOT_PUT_BACK = "not_put_back"
    LEFT_OUT = "left_out"


class Verdict(Word):
    """`Verdict` of report.proto.

    Attributes:
        MATCH: Bitwise equal.
        UNMATCHED: No partner on the other side.
        NOT_COMPARED: See the row's reasons.
        INCONCLUSIVE: Compared, and no further apart than rounding; but rounding alone reaches
            percents of the values there.
    """

    MATCH = "match"
    WITHIN_TOLERANCE = "within_tolerance"
    MISMATCH = "mismatch"
    SHAPE_MISMATCH = "shape_mismatch"
    DTYPE_MISMATCH = "dtype_mismatch"
    NONFINITE = "nonfinite"
    UNMATCHED = "unmatched"
    NOT_COMPARED = "not_compared"
    INCONCLUSIVE = "inconclusive"


class ToleranceSource(Word):
    """Who set a tolerance."""

    DEFAULT = "default"
    USER = "user"


class Omission(Word):
    """Why a pair was not compared.

    Attributes:
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
        SUSPECTED: Level stats: the sketches are further apart than is allowed, and no elements
            were fetched, since a fault was found before. A sketch alone is no verdict.
    """

    RANDOM = "random"
    ONE_SIDED = "one_sided"
    NO_BACKWARD = "no_backward"
    COMPUTED = "computed"
    JUDGED_ELSEWHERE = "judged_elsewhere"
    FUSED = "fused"
    SUSPECTED = "suspected"


class DecidedBy(Word):
    """What decided whether a pair agrees.

    Attributes:
        EQUALITY: Equal bits, or shapes, dtypes, NaN, a side that has none: no bound was asked.
        TABLE: The table of tolerances.
        SUMS: What sums of such terms round by.
        GOLD: How far the reference is from its own float64 run.
        NOISE: What noise does to the reference, which does not run in float64.
        BOUNDS: The user's own atol and rtol.
    """

    EQUALITY = "equality"
    TABLE = "table"
    SUMS = "sums"
    GOLD = "gold"
    NOISE = "noise"
    BOUNDS = "bounds"


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


class FindingKind(Word):
    """How the functions of two sides part between layers.

    Attributes:
        FUNCTION: Two calls make different tensors of equal ones.
        MISSING: The candidate hands on what the reference has made more of.
        EXTRA: The candidate has made more of what the reference hands on.
        OTHER_TENSOR: The candidate takes the counterpart of another tensor.
        LAYOUT: The same elements in another order.
        REGION: The sides compute in different steps between equal tensors and those that
            differ.
    """

    FUNCTION = "function"
    MISSING = "missing"
    EXTRA = "extra"
    OTHER_TENSOR = "other_tensor"
    LAYOUT = "layout"
    REGION = "region"


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
        FIRST_STEP: The first step serves as the trace; it is aligned at its end. Only later
            steps can be in lockstep.
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


class Detail(Word):
    """How far the functions between the layers are looked into.

    Attributes:
        AUTO: In the first step whose forward pass differs: once more, inside the calls of
            layers that are at fault.
        LAYERS: Not at all.
        FUNCTIONS: Everywhere, in each such step and in the first: every function is a leaf
            under the call that made it.
    """

    AUTO = "auto"
    LAYERS = "layers"
    FUNCTIONS = "functions"


class Level(Word):
    """What travels of captured tensors.

    Attributes:
        FULL: All elements.
        STATS: Statistics and sketches of large tensors (see Sketching), by which a free run is
            judged; all elements of those around the first call that these make suspicious.
    """

    FULL = "full"
    STATS = "stats"


class Floor(Word):
    """How a comparison is run and judged; the defaults are the project's. What decides where the table
    of tolerances ends. Of lockstep passes; a user's own bounds decide alone.

    Attributes:
        AUTO: The table decides the easy majority; where anything exceeds it, the reference runs
            once more in float64, and its own error decides.
        TABLE: The table alone.
        MEASURED: The reference's own error alone.
    """

    AUTO = "auto"
    TABLE = "table"
    MEASURED = "measured"


class KeptTensors(Word):
    """Which tensors of a comparison its client gets, to keep them.

    Attributes:
        FAILING: Both of each place that fails, and of what its call was given.
    """

    NONE = "none"
    FAILING = "failing"
    ALL = "all"
