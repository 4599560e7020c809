"""The contract's messages as frozen records, written by `make proto` from proto/padiff_rpc/v1; do not edit."""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Literal, Optional, Union

from padiff_rpc.record_methods import (
    FiguresMethods,
    LayerMethods,
    LayoutRuleMethods,
    LayoutStepMethods,
    OptionsMethods,
    PlanPairMethods,
    RecordingMethods,
    SelectionMethods,
    SourceLineMethods,
    TensorSpecMethods,
    TlsMethods,
    WeightMethods,
    WorkerAddressMethods,
    WorkerInfoMethods,
)
from padiff_rpc.records import Tree, fields_checked, record
from padiff_rpc.v1.words import (
    BufferRole,
    CallMoment,
    CaptureKind,
    Cause,
    CompareMode,
    DType,
    DecidedBy,
    DefaultLoss,
    Detail,
    DiffPhase,
    Difference,
    Fate,
    FindingKind,
    Floor,
    HintKind,
    KeptTensors,
    LayoutChange,
    Level,
    LoneKind,
    NoteKind,
    Omission,
    OmittedKind,
    PairedBy,
    Pass,
    Phase,
    Randomness,
    Side,
    TensorCoding,
    TensorKind,
    ToleranceSource,
    TraceMode,
    Transport,
    VarianceDivisor,
    Verdict,
    WeightKind,
    WeightLayout,
    WorkerState,
)


@record
class Reason:
    """One thing to be said of a row, a pair of layers, a weight, a random decision.

    Attributes:
        because: What is to be said of the cause itself.
    """

    cause: Cause
    side: Optional[Side] = None
    numbers: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    because: tuple[Reason, ...] = ()


@record
class LayoutStep(LayoutStepMethods):
    """`LayoutStep` of tensors.proto."""

    change: LayoutChange
    numbers: tuple[int, ...] = ()
    name: str = ""


@record
class TensorSpec(TensorSpecMethods):
    """`TensorSpec` of tensors.proto.

    Attributes:
        shape: Empty means a scalar (0-d). A zero is allowed and means that no bytes follow.
    """

    dtype: DType
    shape: tuple[int, ...] = ()


@record
class ArenaPlace:
    """Where a tensor's bytes lie in an arena (OfferArena).

    Attributes:
        place: Which of its places it has until its reader is done with it.
        offset: In the file.
    """

    place: int = 0
    offset: int = 0
    bytes: int = 0


@record
class TensorChunk:
    """`TensorChunk` of tensors.proto.

    Attributes:
        offset: Bytes of this tensor that came before this chunk.
        content: At most 8 MiB; 1 MiB is usual. C order.
        coding: Unspecified: `content` is the tensor's bytes. Else to those alone who have said
            that they can read it (WorkerInfo.codings, LeaseRequest.codings), on the connection
            between a worker and its coordinator.
        plain_bytes: Where it is coded: how many of the tensor's bytes it holds, at most 8 MiB,
            and how many an element has.
    """

    tensor: int = 0
    offset: int = 0
    content: bytes = b""
    coding: Optional[TensorCoding] = None
    plain_bytes: int = 0
    element_bytes: int = 0


@record
class Model:
    """A model by name. Nothing is pickled: the worker resolves "package.module:factory" itself.

    Attributes:
        framework: "torch" or "paddle"; checked against the worker's own. Empty: whatever the
            worker has.
        model: "package.module:factory". Empty: the model that the worker was started with
            (serve).
        kwargs: Keyword arguments of the factory, a packed map without tensors; empty means
            none.
        weights: A file in the worker's file system, loaded into the model after it is built;
            empty means none.
        device: As the framework names it: "cpu", "cuda:0", "gpu:0".
        dtype: Floating parameters and buffers are cast to it; UNSPECIFIED leaves them as built.
        train: Train mode; false is eval mode.
        loss: "package.module:function" called with (output) or (output, target). Empty: the
            default loss.
        optimizer: "package.module:function" called with (model). Empty: no optimizer.
        loader: "package.module:function" called without arguments; returns an iterable of
            batches. Empty: the client sends the batches.
        train_step: "package.module:function" called with (model, batch, optimizer): the whole
            step. Empty: the built-in one.
        autocast: Forward and loss run under the framework's autocast to it; UNSPECIFIED: no
            autocast.
    """

    framework: str = ""
    model: str = ""
    kwargs: Tree = Tree(b"")
    weights: str = ""
    device: str = 'cpu'
    dtype: Optional[DType] = None
    train: bool = False
    seed: int = 0
    loss: str = ""
    optimizer: str = ""
    loader: str = ""
    train_step: str = ""
    autocast: Optional[DType] = None


@record
class SourceLine(SourceLineMethods):
    """`SourceLine` of models.proto.

    Attributes:
        line: From 1. Zero means unknown.
    """

    file: str = ""
    line: int = 0
    function: str = ""
    text: str = ""


@record
class HeldPieces:
    """A weight at or below a composite layer, and what it holds.

    Attributes:
        name: The weight's name from the composite layer on: "q_proj.weight".
        pieces: In the common vocabulary, in order along the first axis of [out, in]:
            "q.weight", "k.weight".
    """

    name: str
    pieces: tuple[str, ...] = ()


@record
class FunctionSelection:
    """A call of a layer whose inside is to be seen: the parent of its functions.

    Attributes:
        call: The n-th call of that layer in the step, from 0.
        into: Paths of layers below the parent whose insides are seen too: their functions stand
            among the parent's, with their `layer_path` and `layer_call`. A call of any other layer
            stands as one call, with `is_layer`.
    """

    path: str
    call: int
    into: tuple[str, ...] = ()


@record
class FunctionArgument:
    """An argument that is no tensor.

    Attributes:
        name: In one vocabulary for all frameworks: "axis", "epsilon", "keepdim", "other".
            Empty: nobody knows.
        text: As a reader would write it: "-2", "(1, 2)", "float32", "0:3". At most 80
            characters.
        value: A packed None, bool, number, string, or list of these. A dtype is its word:
            "float32". Empty: it has no such value.
        is_default: It equals the default, so that the user need not have given it.
    """

    text: str
    name: str = ""
    value: Tree = Tree(b"")
    is_default: bool = False


@record
class FunctionBoundary:
    """A tensor at an input or output of the parent, or of a layer in it.

    Attributes:
        slot: As in Slot.
        tensor: The side's own tensor, before any override.
        replaced_by: The tensor that takes its place from here on, where an override replaced
            it; else 0.
    """

    path: str
    call: int
    moment: CallMoment
    slot: str
    tensor: int
    replaced_by: int = 0


@record
class Hint:
    """A probable kind of mistake, with its evidence.

    Attributes:
        verified: The reference's tensor under the hint was computed, and agrees with the
            candidate's within a few roundings.
        before: How far (relative L2) the candidate is from the reference, and from the
            reference under the hint. Both 0: no value was computed.
    """

    kind: HintKind
    side: Optional[Side] = None
    numbers: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    verified: bool = False
    before: float = 0.0
    after: float = 0.0


@record
class RecordedSettings:
    """As the options of a comparison.

    Attributes:
        backward: Loss and backward too.
        optimize: Optimizer steps too.
        clip_norm: 0: gradients were not clipped.
        loss_slots: Of the default loss: see StepStart.
    """

    backward: bool
    optimize: bool
    mean_loss: bool = False
    accumulate: int = 1
    clip_norm: float = 0.0
    loss_scale: float = 1.0
    randomness: Randomness = Randomness.SHARED
    loss_slots: tuple[str, ...] = ()


@record
class LeaseRequest:
    """`LeaseRequest` of worker.proto.

    Attributes:
        protocol_version: The coordinator's protocol version; another one than ours gets
            FAILED_PRECONDITION.
        patience_seconds: A worker that says nothing for so long, while something is asked of
            it, has been given up by its coordinator. 0: never.
        codings: How chunks of tensors may be coded that the worker sends: "zstd". None where a
            unix socket joins them.
    """

    protocol_version: int = 0
    patience_seconds: float = 0.0
    codings: tuple[str, ...] = ()


@record
class LeaseResponse:
    """`LeaseResponse` of worker.proto."""

    lease: str = ""


@record
class OfferArenaRequest:
    """`OfferArenaRequest` of worker.proto.

    Attributes:
        to_worker: The caller lays tensors there, and the worker reads them; else the other way
            round.
    """

    lease: str = ""
    to_worker: bool = False


@record
class OfferArenaResponse:
    """Two arenas a lease: one for each direction. The file begins with the nonce. From byte 4096 on
    there is one byte for each of 8192 places: 1 while a tensor lies there, written by whoever laid
    it there; 0 once the other end is done with it, written by that one. Behind them lie the
    tensors.

    Attributes:
        name: The file's name in that folder.
        size: In bytes.
        refusal: Why there is none; all else is empty then.
    """

    name: str = ""
    size: int = 0
    nonce: bytes = b""
    refusal: str = ""


@record
class SettleArenaRequest:
    """`SettleArenaRequest` of worker.proto.

    Attributes:
        mapped: The caller has found the file, with the nonce, and mapped it.
        to_worker: Which of the two.
    """

    lease: str = ""
    mapped: bool = False
    to_worker: bool = False


@record
class DescribeRequest:
    """`DescribeRequest` of worker.proto."""

    lease: str = ""


@record
class PackedBatch:
    """Arguments of the model, and the loss's target. Tensors in the trees are numbers of tensors whose
    frames follow on the stream.

    Attributes:
        args: A packed array.
        kwargs: A packed map.
        target: Empty bytes: the batch has none.
        args_name: What its user calls the positional arguments and the keyword ones, each
            followed by a position or a name: "example_inp[0].args", "inputs.table". Empty: the
            batch is a loader's.
    """

    args: Tree
    kwargs: Tree
    target: Tree = Tree(b"")
    args_name: str = ""
    kwargs_name: str = ""


@record
class RunToRunNoise:
    """How far two runs of one model from one state differ.

    Attributes:
        side: Filled in by the coordinator.
        relative_l2: The largest relative L2 over the root's outputs; 0: bitwise equal.
        path: The first call whose output differs in any bit; empty and 0 where none does.
        differs: Whether any output differs in any bit.
    """

    side: Optional[Side] = None
    relative_l2: float = 0.0
    path: str = ""
    call: int = 0
    differs: bool = False


@record
class KeepStateRequest:
    """`KeepStateRequest` of worker.proto.

    Attributes:
        optimizer: The optimizer's own state too. INVALID_ARGUMENT where the optimizer is a
            plain function, which shows none.
        before_step: A recording is, from here on, as it was before this step. A model stays as
            it is.
        spares_parameters: No optimizer steps before the state is put back, and no parameters
            change but `changing_parameters`, as far as a trace tells. The values of others need not
            be remembered; where one changes all the same, RestoreState says so, and RunStep is
            FAILED_PRECONDITION where a step is to run again.
    """

    lease: str = ""
    optimizer: bool = False
    before_step: Optional[int] = None
    spares_parameters: bool = False
    changing_parameters: tuple[str, ...] = ()


@record
class RestoreStateRequest:
    """`RestoreStateRequest` of worker.proto."""

    lease: str = ""


@record
class RestoreStateResponse:
    """`RestoreStateResponse` of worker.proto.

    Attributes:
        lost_parameters: The parameters that are not as they were: they changed, and their
            values had not been remembered. From then on the worker remembers them.
    """

    lost_parameters: tuple[str, ...] = ()


@record
class DescribeOptimizerRequest:
    """`DescribeOptimizerRequest` of worker.proto."""

    lease: str = ""


@record
class OptimizerGroup:
    """One group of parameters that share their settings.

    Attributes:
        parameters: Full names, in the group's order.
        settings: A packed map, in one vocabulary for both frameworks: "learning_rate",
            "weight_decay", "beta1", ...
    """

    parameters: tuple[str, ...]
    settings: Tree


@record
class OptimizerEntry:
    """The state of one parameter under one name of the common vocabulary: "first_moment",
    "second_moment", "momentum", "step", ... In a stream its tensor's frames follow.

    Attributes:
        parameter: The parameter's full name.
    """

    parameter: str
    state: str


@record
class WriteOptimizerStateResponse:
    """What an optimizer of this class does not keep is passed over."""

    written: int = 0


@record
class ReadFloorsRequest:
    """`ReadFloorsRequest` of worker.proto."""

    lease: str = ""
    step: int = 0


@record
class ReadFloorsResponse:
    """`ReadFloorsResponse` of worker.proto.

    Attributes:
        content: In order; together what RecordedPart.floors holds. Nothing: none were recorded.
    """

    content: bytes = b""


@record
class ReadBatchRequest:
    """`ReadBatchRequest` of worker.proto.

    Attributes:
        keep_there: Only whether there is such a batch: it stays in the worker, and an empty one
            is answered.
    """

    lease: str = ""
    index: int = 0
    keep_there: bool = False


@record
class ReadWeightsRequest:
    """`ReadWeightsRequest` of worker.proto.

    Attributes:
        names: Full names; they are streamed in this order. An unknown one is NOT_FOUND.
        checksums_only: Checksums in place of values, of workers with the capability
            "weight_checksums".
        digests_only: Digests in place of values, of workers with the capability
            "weight_digests".
    """

    lease: str = ""
    names: tuple[str, ...] = ()
    checksums_only: bool = False
    digests_only: bool = False


@record
class WriteWeightsResponse:
    """`WriteWeightsResponse` of worker.proto."""

    written: int = 0


@record
class SaveWeightsRequest:
    """`SaveWeightsRequest` of worker.proto.

    Attributes:
        path: In the worker's file system, under its save root; ends in .pdparams, .pt or
            .safetensors.
    """

    lease: str = ""
    path: str = ""


@record
class SaveWeightsResponse:
    """`SaveWeightsResponse` of worker.proto."""

    path: str = ""
    bytes: int = 0


@record
class ApplyRuleStart:
    """`ApplyRuleStart` of worker.proto.

    Attributes:
        rule: "package.module:function", called with a dict of name -> ndarray; returns one
            likewise.
    """

    lease: str = ""
    rule: str = ""


@record
class OverrideTicket:
    """One override: a place, and whether its value or its total gradient.

    Attributes:
        place: Index into StepStart.overrides.
    """

    place: int
    gradient: bool = False


@record
class OverridePlace:
    """Where a tensor of the reference belongs among the candidate's calls.

    Attributes:
        tensor: Equal for all places of one tensor of the reference; from 1.
        pushed: Sent without being asked for, as far as credits reach. Others are sent when
            wanted.
        keeps_value: The place keeps its own value, or its own gradient; it is listed for the
            sake of the other.
        own_gradient: An input of StepStart.own_gradients: its gradient is the call's own, and
            needed whatever value the tensor has already.
        parameter: No place of a call, but the gradient of the layer's parameter of that name,
            which an optimizer steps with.
        lengths: Of a batch of sequences that the reference keeps packed: how many elements each
            item has there. What lies behind them stays the candidate's own. Its items lie along its
            first axis, and its elements along its second; time_first: the other way round.
    """

    moment: CallMoment
    path: str
    call: int
    slot: str
    tensor: int
    pushed: bool = True
    keeps_value: bool = False
    keeps_gradient: bool = False
    own_gradient: bool = False
    parameter: bool = False
    lengths: tuple[int, ...] = ()
    time_first: bool = False


@record
class CallInput:
    """An input of a call."""

    path: str
    call: int
    slot: str


@record
class WeightNoise:
    """Normal noise of this root mean square, added to a parameter or buffer by its full name."""

    name: str
    rms: float


@record
class RandomPair:
    """A layer that shares its random decisions; those made inside it, outside any other listed layer,
    count from 0 in each call.
    """

    path: str
    pair: int


@record
class CaptureId:
    """Names one tensor that a hook saw, by the first place that saw it. The total gradient of an input
    and the one that its call alone sends back have the same name, and other numbers in
    CaptureHeader.gradient_of.

    Attributes:
        side: Filled in by the coordinator.
        slot: As in Slot; for a parameter's gradient the parameter's name within its layer.
    """

    step: int
    path: str
    call: int
    slot: str
    kind: CaptureKind
    side: Optional[Side] = None
    pass_kind: Pass = Pass.FREE


@record
class TensorStatistics:
    """Statistics of one tensor, of a complex one those of its real and imaginary parts together; of
    the finite ones, but for the counts of others.

    Attributes:
        minimum: 0 where nothing is finite.
    """

    minimum: float
    maximum: float
    mean: float
    nans: int = 0
    positive_infinities: int = 0
    negative_infinities: int = 0


@record
class Sending:
    """What tensors took that a worker and its coordinator sent each other, in one direction.

    Attributes:
        side: Filled in by the coordinator.
        to_worker: From the coordinator to the worker; else the other way.
        tensor_bytes: Bytes of tensors, and those that were sent for them.
        bytes_per_second: What the connection took when it was measured last. 0: too little was
            sent to tell.
        can_compress: Both ends can read and write what is compressed.
    """

    tensor_bytes: int
    sent_bytes: int
    side: Optional[Side] = None
    to_worker: bool = False
    bytes_per_second: float = 0.0
    can_compress: bool = False


@record
class PhaseSeconds:
    """`PhaseSeconds` of worker.proto."""

    phase: Phase
    seconds: float


@record
class UnloadRequest:
    """`UnloadRequest` of worker.proto."""

    lease: str = ""


@record
class GetActivityRequest:
    """`GetActivityRequest` of worker.proto."""

    lease: str = ""


@record
class LayerCall:
    """The n-th call of a layer."""

    path: str
    call: int


@record
class WorstElement:
    """`WorstElement` of report.proto.

    Attributes:
        reference: Of a complex element, the part (real or imaginary) that differs more.
        imaginary: Of a complex element: the numbers are its imaginary part.
    """

    index: tuple[int, ...]
    reference: float
    candidate: float
    abs_diff: float
    imaginary: bool = False


@record
class TableRow:
    """One row of an embedding table's gradient.

    Attributes:
        relative_l2: As those of the whole, of this row alone.
    """

    index: int
    relative_l2: float
    rmse: float
    rms_reference: float
    rms_candidate: float


@record
class Tolerance:
    """What was allowed. Zero relative_l2 means that the elementwise bound decided.

    Attributes:
        row_relative_l2: Of each row by itself. Zero: rows are not judged one by one.
        of_one: Beside relative_l2: how many times atol + rtol * |reference| any element may be
            off. Zero: any number.
    """

    atol: float
    rtol: float
    source: ToleranceSource
    relative_l2: float = 0.0
    row_relative_l2: float = 0.0
    of_one: float = 0.0


@record
class ShownBy:
    """A call of a layer."""

    path: str
    call: int


@record
class FromGold:
    """How far each side of a pair is from the reference's float64 run on the same values.

    Attributes:
        reference: Relative L2, of the reference's values.
        off: Which one is further off than rounding; absent: both are equally far.
    """

    reference: float
    candidate: float
    off: Optional[Side] = None


@record
class HyperParameterDifference:
    """A setting in which two paired layers differ, in one vocabulary with Torch's meaning (`epsilon`,
    `momentum` as the share of the new value, ...). Values as text.
    """

    reference_path: str
    candidate_path: str
    name: str
    reference: str
    candidate: str


@record
class Coverage:
    """`Coverage` of report.proto.

    Attributes:
        tensors_unmatched: Of the tensors that were not compared: those that one side alone has.
    """

    tensors_compared: int = 0
    tensors_total: int = 0
    calls_compared: int = 0
    calls_total: int = 0
    parameters_compared: int = 0
    parameters_total: int = 0
    buffers_compared: int = 0
    buffers_total: int = 0
    root_outputs_compared: int = 0
    root_outputs_total: int = 0
    losses_compared: int = 0
    losses_total: int = 0
    tensors_unmatched: int = 0


@record
class Omitted:
    """Places that a pass says nothing of, though they belong to what was asked for. Layers without
    weights and without a partner, and what the user ignored, are not among them.

    Attributes:
        places: Different ones, over all steps; 0 places: there was nothing of this kind to
            compare.
    """

    what: OmittedKind
    omission: Omission
    places: int = 0
    layers: int = 0


@record
class OwnBounds:
    """The user's own atol and rtol, which decided.

    Attributes:
        atol: As they were given. Absent: it was not, and so is 0.
        places: Different places that agree by them alone: where rounding makes less, or the
            table allows less.
    """

    atol: Optional[float] = None
    rtol: Optional[float] = None
    places: int = 0


@record
class PeakMemory:
    """The most host memory that a worker's process has had in use by the end of its last step;
    devices' memory is not in it.
    """

    side: Side
    bytes: int


@record
class ArgumentDifference:
    """`ArgumentDifference` of report.proto.

    Attributes:
        reference: As a reader would write it; empty: that side's call has no such argument.
    """

    name: str = ""
    reference: str = ""
    candidate: str = ""


@record
class StepResult:
    """`StepResult` of report.proto.

    Attributes:
        loss_reference: NaN where there was no loss.
        values_relative_l2: The largest relative L2 of any value that was compared, and of any
            weight after the step; how the difference grows over the steps.
    """

    step: int
    passed: bool
    loss_reference: float = math.nan
    loss_candidate: float = math.nan
    values_relative_l2: float = 0.0
    weights_relative_l2: float = 0.0


@record
class Timing:
    """`Timing` of report.proto."""

    step: int
    phase: Phase
    seconds: float
    side: Optional[Side] = None


@record
class Traffic:
    """`Traffic` of report.proto."""

    side: Side
    phase: Phase
    bytes: int


@record
class OptimizerDifference:
    """`OptimizerDifference` of report.proto.

    Attributes:
        name: "learning_rate", "epsilon", ...
        parameters: The group's parameters, full names on the reference; empty for what concerns
            the whole optimizer.
        convention: How the formula is computed, which no setting changes.
    """

    name: str
    reference: str
    candidate: str
    parameters: tuple[str, ...] = ()
    convention: bool = False


@record
class RecordedFloors:
    """How far a step is from the same in float64: packed by the coordinator for coordinators to come.
    Of several in one step the contents are joined.
    """

    content: bytes = b""


@record
class GetCoordinatorInfoResponse:
    """`GetCoordinatorInfoResponse` of coordinator.proto.

    Attributes:
        memory_limit_bytes: Captures held in memory before they spill to disk.
    """

    protocol_version: int = 0
    package_version: str = ""
    python_version: str = ""
    memory_limit_bytes: int = 0


@fields_checked("Tls")
@record
class Tls(TlsMethods):
    """PEM text; empty parts are left out."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)


@record
class Label:
    """`Label` of coordinator.proto."""

    name: str
    value: str


@fields_checked("Options")
@record
class Options(OptionsMethods):
    """`Options` of coordinator.proto.

    Attributes:
        atol: Bounds as NumPy means them, |candidate - reference| <= atol + rtol * |reference|.
            Absent: the table of defaults (dtype by phase).
        diff_phase: BACKWARD needs a pass in lockstep. Absent: both, but forward alone where a
            framework has no backward in the mode that a layer is in (see
            StepSummary.lacks_backward), which BOTH takes for an error.
        compare_mode: STRICT: elementwise. MEAN: the difference of the two means.
        single_step: Lockstep: every tensor of the candidate is judged, then replaced by the
            reference's, so that each call is tested on the reference's inputs. One step, without an
            optimizer.
        loss: The loss where the models name none.
        check_dtype: A dtype difference is a mismatch; false makes it a note and compares
            values.
        deterministic: Ask the frameworks for deterministic kernels.
        threads: Compute threads of each worker; 0 leaves them as they are.
        local_error: Each step of the candidate is run twice: in lockstep from the reference's
            state, and freely from its own; so each call has a local and an accumulated error.
            False: freely alone. Absent: twice, but freely alone where no lockstep is to be had (an
            optimizer that a train step alone knows), and once where single_step says so.
        randomness: SHARED gives both sides the same random decisions, OFF disables dropout in
            all its forms, REPORT leaves and names them.
        preflight: Report how far two runs of a side differ: where the comparison ends with a
            difference, and on any device but a CPU before the first step.
        keep_going: Go on behind a step that differs, to see how the difference grows.
        accumulate: The optimizer steps once in so many steps, on the mean of their gradients.
        clip_norm: Gradients are scaled down to this total L2 norm before the optimizer's step.
            Absent: they are not.
        loss_scale: The loss is multiplied by it (a power of two) before backward; gradients are
            compared, clipped and used without it.
        oracle: Of each tensor of a pass in lockstep, how far each side is from the reference's
            float64 run, which then runs in every step. It changes no verdict.
        timeout: For how many seconds a worker may say nothing while something is asked of it.
            0: without end. Absent: 900, or ten times the longest silence of that worker so far.
        include: Layers whose calls are captured and compared, with all that is in them, by
            paths of either side or patterns ("encoder.*.attention"); none: all layers. What the
            model takes and returns, losses and weights are compared always.
        exclude: Layers whose calls are not, with all that is in them; they go before `include`.
        transport: How tensors get from workers to the coordinator and back.
    """

    atol: Optional[float] = None
    rtol: Optional[float] = None
    diff_phase: Optional[DiffPhase] = None
    compare_mode: CompareMode = CompareMode.STRICT
    single_step: bool = False
    trace: TraceMode = TraceMode.BEFORE
    loss: DefaultLoss = DefaultLoss.PROJECTION
    check_dtype: bool = True
    deterministic: bool = True
    threads: int = 0
    local_error: Optional[bool] = None
    randomness: Randomness = Randomness.SHARED
    preflight: bool = True
    keep_going: bool = False
    accumulate: int = 1
    clip_norm: Optional[float] = None
    loss_scale: float = 1.0
    floor: Floor = Floor.AUTO
    oracle: bool = False
    detail: Detail = Detail.AUTO
    timeout: Optional[float] = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    transport: Transport = Transport.AUTO
    level: Level = Level.FULL

    if TYPE_CHECKING:
        def __init__(
            self,
            *,
            atol: Optional[float] = None,
            rtol: Optional[float] = None,
            diff_phase: Optional[Union[DiffPhase, Literal["both", "forward", "backward"]]] = None,
            compare_mode: Union[CompareMode, Literal["strict", "mean"]] = CompareMode.STRICT,
            single_step: bool = False,
            trace: Union[TraceMode, Literal["before", "first_step"]] = TraceMode.BEFORE,
            loss: Union[DefaultLoss, Literal["projection", "mean"]] = DefaultLoss.PROJECTION,
            check_dtype: bool = True,
            deterministic: bool = True,
            threads: int = 0,
            local_error: Optional[bool] = None,
            randomness: Union[Randomness, Literal["shared", "off", "report"]] = Randomness.SHARED,
            preflight: bool = True,
            keep_going: bool = False,
            accumulate: int = 1,
            clip_norm: Optional[float] = None,
            loss_scale: float = 1.0,
            floor: Union[Floor, Literal["auto", "table", "measured"]] = Floor.AUTO,
            oracle: bool = False,
            detail: Union[Detail, Literal["auto", "layers", "functions"]] = Detail.AUTO,
            timeout: Optional[float] = None,
            include: tuple[str, ...] = (),
            exclude: tuple[str, ...] = (),
            transport: Union[Transport, Literal["auto", "shm", "grpc"]] = Transport.AUTO,
            level: Union[Level, Literal["full", "stats"]] = Level.FULL,
        ) -> None: ...


@record
class LayerPair:
    """`LayerPair` of coordinator.proto.

    Attributes:
        special_init: "package.module:function" of the candidate worker; empty: the built-in
            rules.
        compare_inside: False: the pair is compared as one unit. True: what they hold is aligned
            and compared as well.
    """

    reference: str
    candidate: str
    special_init: str = ""
    compare_inside: bool = False


@record
class IgnoredLayers:
    """`IgnoredLayers` of coordinator.proto."""

    reference: tuple[str, ...] = ()
    candidate: tuple[str, ...] = ()


@record
class BatchFailure:
    """`BatchFailure` of coordinator.proto."""

    text: str = ""


@record
class SideProgress:
    """How far one side is in a pass.

    Attributes:
        calls_done: Calls of layers: entered, in forward; in backward those of which a gradient
            has come.
        calls_known: How many the pass makes, by the trace or by the pass before; 0: not known.
        bytes: Of tensors that this side has sent in the pass.
    """

    side: Side
    calls_done: int = 0
    calls_known: int = 0
    bytes: int = 0


@record
class KeptPair:
    """The two tensors of a row, the reference's as its layout rule made it.

    Attributes:
        row: Its number among the report's rows, from 0.
        reference: Numbers of tensors.
    """

    row: int
    reference: int
    candidate: int


@record
class BatchWanted:
    """`BatchWanted` of coordinator.proto."""

    step: int = 0


@fields_checked("Selection")
@record
class Selection(SelectionMethods):
    """What of a model's calls is recorded.

    Attributes:
        include: Layers by path or pattern ("encoder.*.attention"), with all that is in them;
            none: all layers. What the model takes and returns is recorded always.
        max_depth: Layers deeper than this are left out; the root's children are at 1. Absent:
            none are.
        floors: What rounding does in each step is measured by runs in float64, and recorded.
        functions: Functions between the layers are recorded.
        statistics_only: Of large tensors of calls, and of gradients, sketches are recorded and
            not the elements: see CaptureHeader.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_depth: Optional[int] = None
    floors: bool = True
    functions: bool = False
    statistics_only: bool = False


@record
class GetReportRequest:
    """`GetReportRequest` of coordinator.proto."""

    session: str = ""


@record
class AttachRequest:
    """`AttachRequest` of coordinator.proto.

    Attributes:
        end: End the comparison first; its report says so.
    """

    session: str
    end: bool = False


@record
class LayoutRule(LayoutRuleMethods):
    """How tensors of the reference become one of the candidate: one step behind the other; none: it
    stays as it is.
    """

    steps: tuple[LayoutStep, ...] = ()


@record
class TensorHeader:
    """Announces a tensor. Its chunks follow on the same stream, in order and without a gap; other
    tensors' frames may lie between them. A tensor of no bytes has no chunks.

    Attributes:
        tensor: Unique within its stream. A tensor's number is never reused there.
        name: What the tensor is called where the stream carries named tensors (weights, rules);
            else empty.
        sum_squares: Of captures: sum of squares of the finite elements (of the absolute values
            of complex ones).
        arena: Where its bytes are, in C order; no chunks follow.
    """

    tensor: int = 0
    spec: Optional[TensorSpec] = None
    name: str = ""
    sum_squares: float = 0.0
    arena: Optional[ArenaPlace] = None


@record
class Weight(WeightMethods):
    """`Weight` of models.proto.

    Attributes:
        name: The name within its layer, as the framework has it: "weight", "_mean".
        tied_to: Full name ("encoder.fc.weight") of the first owner of the same tensor; empty:
            this is the first.
        unsaved: A buffer that state files leave out, since the model makes it anew when it is
            built.
        canonical_name: The name that such a layer's weight has in the common vocabulary:
            "running_mean". Empty: `name`.
        layout: UNSPECIFIED: as every framework stores it, or nobody knows.
        role: UNSPECIFIED: a parameter, or a table.
        part_of: The weight of the same layer that is computed of this one: "weight" for
            "weight_g". Empty: none.
        divisor: Of a running variance: UNSPECIFIED where nobody knows.
    """

    name: str
    kind: WeightKind
    spec: TensorSpec
    trainable: bool = True
    tied_to: str = ""
    unsaved: bool = False
    canonical_name: str = ""
    layout: Optional[WeightLayout] = None
    role: Optional[BufferRole] = None
    part_of: str = ""
    divisor: Optional[VarianceDivisor] = None


@record
class Slot:
    """One tensor among the inputs or outputs of a call.

    Attributes:
        name: Positions, keywords and keys from the outside in, joined by dots: "0", "mask",
            "0.hidden.1".
        takers: In a trace: how many operations of the framework's graph take the tensor; 0
            where that is not known.
        gradient: At an input of StepStart.own_gradients: the number under which the gradient
            that this call alone sends back travels; 0: the tensor's own, with its total gradient.
        lengths: Of a batch of sequences that the framework keeps packed: how many elements
            along its second axis each item of its first has. What lies behind them is zeros that
            the model does not have.
    """

    name: str
    tensor: int
    spec: TensorSpec
    takers: int = 0
    gradient: int = 0
    lengths: tuple[int, ...] = ()


@record
class RandomOperation:
    """A random decision that a model made, by the innermost call in which it was made.

    Attributes:
        side: Filled in by the coordinator.
        name: The operation as its framework names it: "dropout", "bernoulli", "multinomial".
        shared: Whether both sides can be given the same decisions; in a report, whether they
            were.
        reasons: In a report: why not.
    """

    path: str
    call: int
    name: str
    shared: bool
    side: Optional[Side] = None
    reasons: tuple[Reason, ...] = ()


@record
class ModelFailure:
    """The user's model, loss, optimizer or loader raised. A result, not an error of ours.

    Attributes:
        side: Filled in by the coordinator; a worker does not know its own.
        path: The innermost layer that was being called; "" is the root (or outside any layer).
        traceback: As Python prints it, of the user's own code: without the frames of workers
            and of frameworks' layers.
        source: The innermost line of the user's own code that it came through; absent where
            there is none.
    """

    phase: Phase
    side: Optional[Side] = None
    step: int = 0
    path: str = ""
    exception: str = ""
    text: str = ""
    traceback: str = ""
    source: Optional[SourceLine] = None


@record
class FunctionCall:
    """One call of a function, a method, an operator or a layer. A function that its framework builds
    from others stands as the call that the user's line made where the framework tells of it, else
    as those others, with one `group`.

    Attributes:
        number: From 1, in order.
        operation: What is computed, in one vocabulary for all frameworks where it has a word
            ("multiply", "matmul", "softmax", "concat", "get_item"), else as the framework names it.
            A layer's is its class's name.
        function: What the user's line called, as the framework names it:
            "scaled_dot_product_attention", "softmax"; an operator as Python's: "__mul__". Of a
            layer: its path.
        source: The user's line; absent where no frame is the user's, and for layers where it is
            not known.
        layer_path: The innermost call of a layer in which it was made: the parent's, or one of
            the selection's `into`. Of a call with `is_layer`, the layer's own.
        arguments: Arguments that are no tensors, in order.
        inputs: Numbers of tensors, in order of arguments, those in lists among them. One that
            is given twice stands twice. A hook that the user puts on a tensor's gradient is a call
            of "register_hook" that takes it and makes nothing.
        outputs: Of what it returned, in order; of what it wrote into, where `in_place`.
        in_place: It wrote into its first input or into what `out` named: the output is that
            tensor's next version.
        is_source: It takes no tensor: the output is made of arguments alone (arange, zeros, a
            random operation).
        is_layout: It only moves, repeats, drops or renames elements: reshape, transpose,
            expand, indexing, contiguous, clone.
        is_layer: A layer below the parent stands here as one call, with its slots' tensors as
            inputs and outputs.
        is_random: A random operation, with the same decisions on both sides where the
            comparison shares them.
        group: Calls that one call of the user's line made have one number here, from 1.
        has_own_backward: The user's own code is its backward: an autograd.Function, a PyLayer.
    """

    number: int
    operation: str
    function: str
    layer_path: str
    layer_call: int
    group: int
    source: Optional[SourceLine] = None
    arguments: tuple[FunctionArgument, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    in_place: bool = False
    is_source: bool = False
    is_layout: bool = False
    is_layer: bool = False
    is_random: bool = False
    has_own_backward: bool = False


@record
class FunctionTensor:
    """One tensor at one version: what is written into is another one afterwards.

    Attributes:
        number: From 1, in the order in which they were first seen.
        fingerprint: 44 float64, little-endian, as padiff_rpc/fingerprints.py lays them out.
            Empty: a parameter as the model holds it, which the plan pairs by name; buffers have
            one.
        producer: The call that made it; 0: it was there when the parent began, or it was made
            out of sight.
        parameter: The full name of the parameter or buffer that it is, as the step found it;
            else empty.
        mark: The name under which the user marked it; else empty.
        gradient_fingerprint: Of its total gradient, likewise 44 numbers. Empty: it had none, or
            the step made no backward.
        replaces: The tensor that it took the place of: the version before an in-place call
            wrote, or what an override replaced (its producer is 0 then); 0: none.
        needs_gradient: A gradient reaches what it is made of: it has a graph, or is a leaf that
            asks for one.
        hooked_gradient_fingerprint: Of the gradient as hooks of the user's own left it, where
            they were put on while the parent ran; else empty.
    """

    number: int
    kind: TensorKind
    spec: TensorSpec
    fingerprint: bytes = b""
    producer: int = 0
    parameter: str = ""
    mark: str = ""
    gradient_fingerprint: bytes = b""
    replaces: int = 0
    needs_gradient: bool = False
    hooked_gradient_fingerprint: bytes = b""


@record
class Recording(RecordingMethods):
    """A pass that was recorded: under which settings, and how much of it.

    Attributes:
        made_at: UTC, as ISO 8601.
        steps: Those that came whole.
        left_out: Layers whose calls were not captured.
        cut_short: It ended before all steps that were asked for.
        statistics_only: It holds sketches in place of large tensors.
    """

    made_at: str
    model: Model
    steps: int
    settings: RecordedSettings
    left_out: tuple[str, ...] = ()
    cut_short: bool = False
    statistics_only: bool = False


@record
class LoadRequest:
    """`LoadRequest` of worker.proto.

    Attributes:
        deterministic: Ask the framework for deterministic kernels.
        threads: Compute threads of the framework; 0 leaves them as they are.
    """

    lease: str = ""
    model: Optional[Model] = None
    deterministic: bool = False
    threads: int = 0


@record
class TraceStart:
    """`TraceStart` of worker.proto.

    Attributes:
        repeat: Run the pass twice from one state, and tell how far the two differ.
        batch_from_loader: The first batch of the model's loader; `batch` is empty then.
    """

    randomness: Randomness
    lease: str = ""
    batch: Optional[PackedBatch] = None
    repeat: bool = False
    batch_from_loader: bool = False


@record
class DescribeOptimizerResponse:
    """`DescribeOptimizerResponse` of worker.proto.

    Attributes:
        class_name: Qualified class name; empty: the model has none, or one that cannot be
            looked into.
        conventions: How this class computes where its name does not say it, a packed map:
            "epsilon": "added under the root".
        state: The state that there is now; before the first step there may be none.
    """

    class_name: str = ""
    groups: tuple[OptimizerGroup, ...] = ()
    conventions: Tree = Tree(b"")
    state: tuple[OptimizerEntry, ...] = ()


@record
class ReadOptimizerStateRequest:
    """`ReadOptimizerStateRequest` of worker.proto.

    Attributes:
        entries: They are streamed in this order. One that there is not is NOT_FOUND.
    """

    lease: str = ""
    entries: tuple[OptimizerEntry, ...] = ()


@record
class NotOverridden:
    """A place that kept its own tensor, and why."""

    ticket: OverrideTicket
    reason: Reason


@record
class StepNoise:
    """`StepNoise` of worker.proto.

    Attributes:
        relative: Of each floating value of the batch that is no whole number, and of each
            weight: the share that it is off by.
        weights: On top of that.
        draw: Which noise of that size.
    """

    relative: float = 0.0
    weights: tuple[WeightNoise, ...] = ()
    draw: int = 0


@record
class Sketching:
    """Which captures of a step travel as sketches: floating and complex tensors whose elements are
    more bytes than a sketch; not losses and targets, nor what may hold a mask's marks (a root mean
    square above 30, and an element of 1000 or more), beside which nothing else would count.

    Attributes:
        whole: Captures of which the elements travel all the same, whatever their step.
        transposed: Matrices that are sketched with their axes exchanged, as the other side has
            them.
    """

    whole: tuple[CaptureId, ...] = ()
    transposed: tuple[CaptureId, ...] = ()


@record
class Activity:
    """Where the model's thread is.

    Attributes:
        still_seconds: Since the thread last moved: began or ended what was asked of it, entered
            or left a layer, or sent a tensor.
        idle: All that was asked is done.
        call: The call of a layer that began last, or whose gradient came last. Absent: none
            yet.
        stack: Innermost last, without text; no values of variables. Empty: not known.
    """

    still_seconds: float
    idle: bool = False
    call: Optional[LayerCall] = None
    stack: tuple[SourceLine, ...] = ()


@record
class Figures(FiguresMethods):
    """Figures of one pair of tensors of equal shape. a is the candidate, b the reference.

    Attributes:
        elements: The parts of complex elements are counted one by one, here and below.
        nonfinite_mismatches: NaN on one side only, or infinities that differ.
        worst: Up to three, worst first.
        relative_l2: ||a-b|| / max(||a||, ||b||)
        scale: <a,b> / <b,b>
        bias: mean(a-b)
        mismatches: Elements outside atol + rtol * |reference|.
        histogram: 40 bins of log2(|a-b| / (eps * max(|b|, rms(b)))), from -8; the ends catch
            what lies outside.
        inf_reference: Infinities on either side.
        worst_row: Where rows are judged one by one: of those outside the bound of a row, the
            furthest apart.
        is_estimate: Sketches were measured, and no elements: see CaptureHeader.sketch_of. What
            counts or names elements is not known; `mean_abs` is the root mean square, and `max_abs`
            what the largest difference is at least, by that or by both sides' least and largest
            elements; `mismatches` is 1 where that is outside the bounds of an element.
    """

    elements: int
    bitwise_equal: bool
    nan_reference: int = 0
    nan_candidate: int = 0
    nonfinite_mismatches: int = 0
    first_nonfinite: tuple[int, ...] = ()
    max_abs: float = 0.0
    max_rel: float = 0.0
    worst: tuple[WorstElement, ...] = ()
    relative_l2: float = 0.0
    cosine: float = math.nan
    scale: float = math.nan
    bias: float = 0.0
    mean_reference: float = 0.0
    mean_candidate: float = 0.0
    mean_abs: float = 0.0
    rmse: float = 0.0
    rms_reference: float = 0.0
    mismatches: int = 0
    histogram: tuple[int, ...] = ()
    inf_reference: int = 0
    inf_candidate: int = 0
    worst_row: Optional[TableRow] = None
    is_estimate: bool = False


@record
class Place:
    """One side of a row.

    Attributes:
        shown_by: In lockstep, of a place that is charged to the layer around: the call inside
            it that showed it, when it was entered (in backward: left).
        behind: Of an input that code between the calls made (see Row.between): the line that
            made the call before it.
    """

    path: str
    class_name: str = ""
    call: int = 0
    slot: str = ""
    spec: Optional[TensorSpec] = None
    source: Optional[SourceLine] = None
    shown_by: Optional[ShownBy] = None
    behind: Optional[SourceLine] = None


@record
class Unmatched:
    """Something without a partner.

    Attributes:
        counts: Whether it makes the report fail.
        reasons: Why it has none, then what might be one.
    """

    side: Side
    what: LoneKind
    path: str
    class_name: str = ""
    name: str = ""
    call: int = 0
    counts: bool = False
    reasons: tuple[Reason, ...] = ()


@record
class Measurement:
    """How much of the verdict was measured, and what that cost.

    Attributes:
        by_equality: Rows that were judged, by what decided them; those of a free run only where
            none in lockstep stands for them.
        gold_seconds: How long the reference ran once more, in float64 or on noise, over all
            steps.
    """

    by_equality: int = 0
    by_table: int = 0
    by_sums: int = 0
    by_gold: int = 0
    by_noise: int = 0
    by_bounds: int = 0
    not_compared: int = 0
    gold_seconds: float = 0.0
    peaks: tuple[PeakMemory, ...] = ()


@record
class WorkerAddress(WorkerAddressMethods):
    """Which worker is meant: exactly one of address, name, labels. The coordinator knows names and
    labels from its configuration, and dials no address that is not in there, unless it was started
    to dial any.

    Attributes:
        address: "unix:/path" or "host:port".
        token: Credentials for `address`; empty: those of the configuration.
        name: A worker of the configuration.
        labels: Any worker of the configuration that has all of these, a free one first.
        insecure: Plain text, though the address is on another machine.
    """

    address: str = ""
    token: str = field(default="", repr=False)
    tls: Optional[Tls] = None
    name: str = ""
    labels: tuple[Label, ...] = ()
    insecure: bool = False


@record
class StatedPairing:
    """`StatedPairing` of coordinator.proto.

    Attributes:
        ignored: Not compared; their children are.
        ignored_recursively: Neither they nor anything below them.
        ignored_classes: Class names, bare ("Dropout") or qualified.
        unpaired: Have no counterpart, and are reported as such; their children may have one.
    """

    pairs: tuple[LayerPair, ...] = ()
    ignored: IgnoredLayers = IgnoredLayers()
    ignored_recursively: IgnoredLayers = IgnoredLayers()
    ignored_classes: IgnoredLayers = IgnoredLayers()
    unpaired: IgnoredLayers = IgnoredLayers()


@record
class SendBatch:
    """Both sides' batches may point at the same tensors, which are then sent once."""

    step: int
    candidate: PackedBatch
    reference: PackedBatch


@record
class Progress:
    """Where a comparison is. Sent when a phase begins, and at most some times a second while models
    run.

    Attributes:
        text: What runs beside a step's own pass, or what is waited for; empty for neither.
        steps: How many steps were asked for; 0: not known yet.
        sides: Of the pass that runs, from its first call on.
    """

    session: str
    phase: Phase
    step: int = 0
    text: str = ""
    steps: int = 0
    sides: tuple[SideProgress, ...] = ()


@record
class Layer(LayerMethods):
    """`Layer` of models.proto.

    Attributes:
        path: "" is the root. A layer held by several parents is listed once, under its first
            path.
        aliases: The other paths of the same layer.
        classes: Qualified class names, the layer's own class first, then its bases up to the
            framework's base.
        hyper_parameters: Settings in the common vocabulary, a packed map of None, bools,
            numbers, strings and flat tuples of these.
        weights: Held by this layer itself, not by its children; definition order.
        opaque: Compiled, exported or scripted: what runs inside is not seen, so that no layer
            below shows a call.
        kind: In the common vocabulary: "linear", "batch_norm", "relu". Empty: a user's own
            class.
        framework: The framework whose class gave the kind; empty likewise. Told apart, and not
            looked into.
        held: What the weights of a composite layer hold; empty for all others.
        training: In train mode, as the layer was when it was described.
        made: The line of the user's code that made it; absent where nobody saw that, as of a
            script's own model.
    """

    path: str
    aliases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    hyper_parameters: Tree = Tree(b"")
    weights: tuple[Weight, ...] = ()
    opaque: bool = False
    kind: str = ""
    framework: str = ""
    held: tuple[HeldPieces, ...] = ()
    training: bool = False
    made: Optional[SourceLine] = None


@record
class CallEvent:
    """A layer was entered or left. Events come in execution order.

    Attributes:
        call: The n-th call of this layer in this step, from 0.
        source: The line of user code that made the call; at entry only.
        replay: A call made again during backward by recomputation. Its slots are empty.
    """

    moment: CallMoment
    path: str
    call: int = 0
    slots: tuple[Slot, ...] = ()
    source: Optional[SourceLine] = None
    replay: bool = False


@record
class FunctionTrace:
    """What a selected call did. Sent at the end of its step, before the summary, in the order in which
    the calls began; one that was not made has none. A selection inside another one's parent has a
    trace of its own, and stands in the other's as one call.

    Attributes:
        calls: In the order in which they ended, which is an order of the data's flow. One that
            made nothing new, or no tensor, is left out.
        tensors: By their numbers, from 1 without a gap: `tensors[n - 1]` has number n.
        boundaries: Entries and exits of the parent and of the layers in it, in order of
            execution.
        cut_short: Why calls and tensors after these are missing; absent: none are.
        returned: The line on which the parent's own code returned; absent where nobody knows.
    """

    path: str
    call: int
    calls: tuple[FunctionCall, ...] = ()
    tensors: tuple[FunctionTensor, ...] = ()
    boundaries: tuple[FunctionBoundary, ...] = ()
    cut_short: Optional[Reason] = None
    returned: Optional[SourceLine] = None


@record
class WorkerInfo(WorkerInfoMethods):
    """What a report says of one side's environment.

    Attributes:
        devices: Devices usable by this worker, as the framework names them.
        served_model: The model given to serve(): its class. Empty: models are loaded by
            reference.
        process_per_lease: Each lease gets a process of its own, so that every comparison runs
            the code as it is on disk. False: a worker of one comparison, or a model given to
            serve(), whose code is not read again.
        serves_optimizer: What the model given to serve() has.
        capabilities: What the worker can do beyond its protocol version: "float64_steps",
            "kept_state", "function_traces", "function_gradients", "kept_floors",
            "weight_checksums", "weight_digests", "arenas", "sketches", "tensor_bundles".
        watches_script: The worker watches the script that it is in: its steps are the script's
            own, with the script's batches, loss and optimizer. RunStep waits for the next one and
            shows it as it comes; it takes no batch and no overrides. Trace, ReadBatch, KeepState
            and RestoreState are FAILED_PRECONDITION. All else is answered while the script waits at
            the beginning of its first step, or behind one. The script is watched for one lease.
        codings: How chunks of tensors may be coded that are sent to it, and may be that it
            sends: "zstd".
        recording: Set where no model runs, but one is shown that ran before. Such a worker
            answers with what was recorded, and is not written to.
    """

    protocol_version: int
    framework: str
    framework_version: str
    python_version: str
    numpy_version: str
    package_version: str
    host: str
    pid: int
    devices: tuple[str, ...] = ()
    served_model: str = ""
    executable: str = ""
    process_per_lease: bool = False
    serves_optimizer: bool = False
    serves_loss: bool = False
    capabilities: tuple[str, ...] = ()
    watches_script: bool = False
    codings: tuple[str, ...] = ()
    recording: Optional[Recording] = None


@record
class LoadResponse:
    """`LoadResponse` of worker.proto.

    Attributes:
        flags: What the framework was set to: "deterministic=on", "threads=1", ...
        failure: Set when the factory (or weights, or optimizer) raised; the model is then not
            loaded.
        device: Of a watched script's model, which is taken as it is: where it lies, and whether
            it is in train mode.
        code: What tells the code that built the model from other code: a digest of the files of
            all modules that were imported by then. Empty: nothing does (a model of a script's own,
            a recording).
        optimizer_made: The line of the user's code that made the optimizer; absent where there
            is none, or nobody saw that.
    """

    flags: tuple[str, ...] = ()
    failure: Optional[ModelFailure] = None
    device: str = ""
    train: bool = False
    code: str = ""
    optimizer_made: Optional[SourceLine] = None


@record
class OverrideBegins:
    """`OverrideBegins` of worker.proto.

    Attributes:
        header: Numbers count up from 1 within the stream's overrides.
    """

    ticket: Optional[OverrideTicket] = None
    header: Optional[TensorHeader] = None


@record
class StepStart:
    """`StepStart` of worker.proto.

    Attributes:
        backward: Loss and backward too.
        optimize: Optimizer step and clearing of gradients too.
        mean_loss: Use the mean of means in place of the seeded projection where the model names
            no loss.
        skip_paths: What to leave out: gradients and values of calls that will not be compared
            still travel unless their layer's path is listed here.
        overrides: The places to override, in the order in which the trace met them: all in
            lockstep; in a free pass those where random decisions are not shared.
        override_gradients: The total gradients of overridden tensors are replaced too.
        loss_slots: For the default loss: the root's output slots in the order in which they are
            projected. Those not listed follow, by name.
        random_seed: With RANDOMNESS_SHARED: decisions are keyed by this, the pair, the call and
            their number in the call.
        loss_divisor: The loss is divided by it before backward; 0 means 1. For gradients that
            add up over several steps.
        keep_gradients_before: Gradients of the step before are added to, and kept for the next
            one.
        loss_scale: The loss is multiplied by it before backward, and gradients are divided by
            it before they are captured, clipped or used; a power of two, 0 means 1.
        clip_norm: Gradients are scaled down to this total L2 norm before the optimizer's step;
            0: they are not.
        batch_from_loader: Batch number `step` of the model's loader; `batch` is empty then.
        own_gradients: Inputs of which the gradient is captured that the call sends back,
            besides the tensor's total.
        in_float64: The step runs in float64, from the state that KeepState remembered; behind
            it all is as it was. For workers with the capability "float64_steps".
        again: As `in_float64`, in the model's own dtypes. For workers with the capability
            "kept_state".
        noise: Where it runs once more: by how much what it begins with is off, so that it is
            measured what comes of that.
        functions: Calls of layers whose functions are recorded, for workers with the capability
            "function_traces"; of those with "function_gradients" a step with backward tells of
            gradients all that FunctionTensor has of them.
        only_captures: Only the bytes of these captures travel, whatever their step; none: of
            all. All calls are told of, and all places overridden.
        sketching: Sketches and statistics travel in place of large tensors; absent: all
            elements do. For workers with the capability "sketches".
        alone: No other worker of the comparison computes meanwhile: the framework may use the
            threads that this worker has for that, where it was given any.
    """

    lease: str
    step: int
    batch: PackedBatch
    backward: bool
    optimize: bool
    pass_kind: Pass = Pass.FREE
    mean_loss: bool = False
    skip_paths: tuple[str, ...] = ()
    overrides: tuple[OverridePlace, ...] = ()
    override_gradients: bool = False
    loss_slots: tuple[str, ...] = ()
    randomness: Randomness = Randomness.REPORT
    random_seed: int = 0
    random_pairs: tuple[RandomPair, ...] = ()
    loss_divisor: int = 1
    keep_gradients_before: bool = False
    keep_gradients_after: bool = False
    loss_scale: float = 1.0
    clip_norm: float = 0.0
    batch_from_loader: bool = False
    own_gradients: tuple[CallInput, ...] = ()
    in_float64: bool = False
    again: bool = False
    noise: Optional[StepNoise] = None
    functions: tuple[FunctionSelection, ...] = ()
    only_captures: tuple[CaptureId, ...] = ()
    sketching: Optional[Sketching] = None
    alone: bool = False


@record
class CaptureHeader:
    """`CaptureHeader` of worker.proto.

    Attributes:
        gradient_of: For a gradient: the number of the tensor that it is the total gradient of,
            or Slot.gradient.
        sketch_of: The tensor whose sketch travels in place of its elements; `header` has the
            sketch's dtype and shape (float64; 1,021 numbers in recordings, 251 where
            StepStart.sketching asks), and the tensor's sum of squares. A sketch sums the elements
            under fixed pseudo-random signs into buckets; the difference of two has the norm of the
            tensors' difference, with a relative standard deviation of 1 / sqrt(2 * numbers): 2% and
            4.5%.
        statistics: Of the tensor of `sketch_of`, where StepStart.sketching asks for it.
            Elements that are not finite are zeros in its sketch.
        is_transposed: `sketch_of` is the tensor with its axes exchanged: see
            Sketching.transposed.
    """

    id: Optional[CaptureId] = None
    header: Optional[TensorHeader] = None
    gradient_of: int = 0
    sketch_of: Optional[TensorSpec] = None
    statistics: Optional[TensorStatistics] = None
    is_transposed: bool = False


@record
class StepSummary:
    """`StepSummary` of worker.proto.

    Attributes:
        no_backward: Why there was no backward (a train step may get gradients without one).
        lacks_backward: The framework has no backward for what the loss was computed with, in
            the mode that its layers are in.
        peak_bytes: The most memory that the process has had in use so far; 0: not known.
        sending: All that the worker has sent since its lease began, where that named codings.
    """

    seconds: tuple[PhaseSeconds, ...] = ()
    calls: int = 0
    replays: int = 0
    has_gradients: bool = False
    no_backward: Optional[Reason] = None
    random_operations: tuple[RandomOperation, ...] = ()
    lacks_backward: bool = False
    peak_bytes: int = 0
    sending: Optional[Sending] = None


@record
class GetActivityResponse:
    """`GetActivityResponse` of worker.proto."""

    activity: Optional[Activity] = None


@record
class Note:
    """`Note` of notes.proto."""

    kind: NoteKind
    side: Optional[Side] = None
    numbers: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    pass_kind: Optional[Pass] = None
    rule: Optional[LayoutRule] = None


@record
class Row:
    """One compared (or not comparable) pair of tensors.

    Attributes:
        order: Position in execution order within (step, phase); backward counts from the loss.
        reference: Absent: that side has none.
        counts: Whether the report's verdict depends on this row.
        between: In lockstep, for what a layer's own code did wrong around the calls that it
            makes: "between call a#0 and call b#0". The row's places then name that layer, slots and
            specs those of the call that showed it. In a free run, of an input that differs and
            shows for the first time: "made by c, between call a#0 and call b#0"; the places stay
            those of the call that shows it.
        pass_kind: Which pass of its step the candidate's tensor is of: its own values, or those
            on the reference's.
        twin: Where a step has two passes: equal in the two rows of one place, and unique within
            the step otherwise (a row of lockstep may name the layer that is charged, its twin the
            call that showed it). 0: one pass.
        omission: Of a row that was not compared and does not fail for it; of one that agrees:
            some elements were not.
        reasons: In the order in which they are to be read.
        rule: Applied to the reference's value; absent: none.
        hints: Of a row that differs: what it probably is, the likeliest first. Empty: it was
            not looked at.
        decided_by: Absent: the pair was not compared.
        from_gold: With the option `oracle`, where the reference ran in float64.
    """

    step: int
    phase: Phase
    kind: CaptureKind
    order: int
    verdict: Verdict
    reference: Optional[Place] = None
    candidate: Optional[Place] = None
    figures: Optional[Figures] = None
    tolerance: Optional[Tolerance] = None
    counts: bool = True
    between: str = ""
    pass_kind: Pass = Pass.FREE
    twin: int = 0
    omission: Optional[Omission] = None
    reasons: tuple[Reason, ...] = ()
    rule: Optional[LayoutRule] = None
    hints: tuple[Hint, ...] = ()
    decided_by: Optional[DecidedBy] = None
    from_gold: Optional[FromGold] = None


@record
class PlanPair(PlanPairMethods):
    """In execution order; what only the candidate has stands behind what it runs after.

    Attributes:
        reference: Absent: a gap on that side. The spec is that of the first call's first
            output; the source is the line that made the layer.
        parameterised: Whether either layer holds parameters or buffers of its own.
        unit: Compared as one unit: what the two hold cannot pair.
        reasons: Why it is not compared, or why the confidence is below 1.
    """

    how: PairedBy
    reference: Optional[Place] = None
    candidate: Optional[Place] = None
    confidence: float = 1.0
    calls: int = 0
    parameterised: bool = False
    unit: bool = False
    reasons: tuple[Reason, ...] = ()


@record
class WeightFate:
    """What became of one parameter or buffer; every weight of both sides has exactly one fate.

    Attributes:
        partner: Full name on the other side, several joined by " + "; for a tied weight its
            first owner on this side.
        reasons: Why it is not placed, or what settled its rule.
        rule: Absent where nothing was placed.
    """

    side: Side
    path: str
    name: str
    fate: Fate
    partner: str = ""
    reasons: tuple[Reason, ...] = ()
    rule: Optional[LayoutRule] = None


@record
class FunctionFinding:
    """Where the functions between the layers part, inside one pair of calls of layers; it decides no
    verdict. In backward the calls get equal gradients from what takes their outputs, and send
    different ones on.

    Attributes:
        reference: The row's that led there: the layers inside whose calls it is, and the slot
            that showed it.
        reference_call: What made the tensors that differ; absent: that side has no such call,
            or it was made out of sight.
        reference_user: What takes them; absent: the slot.
        reference_lines: The lines between equal tensors and those that differ, in order.
        differing: Arguments in which the two calls differ: evidence, not the reason.
        without_gradient: In backward: the side that has no gradient there; absent: both have
            one.
        of_values: In backward: the calls make different values, which show in no output but
            decide where gradients go, as masks do.
        mark: The user's mark on the tensors that differ, or whose gradients do; empty: they
            have none.
    """

    kind: FindingKind
    step: int
    phase: Phase
    reference: Place
    candidate: Place
    reference_call: Optional[FunctionCall] = None
    candidate_call: Optional[FunctionCall] = None
    reference_user: Optional[FunctionCall] = None
    candidate_user: Optional[FunctionCall] = None
    reference_lines: tuple[SourceLine, ...] = ()
    candidate_lines: tuple[SourceLine, ...] = ()
    differing: tuple[ArgumentDifference, ...] = ()
    without_gradient: Optional[Side] = None
    of_values: bool = False
    mark: str = ""


@record
class FunctionLeaf:
    """A function, or a layer that stands as one, under the call of the layer in whose code it was
    called.

    Attributes:
        counterparts: The calls of the other side's layer, by their numbers, that made tensors
            of the same values.
    """

    call: FunctionCall
    counterparts: tuple[int, ...] = ()


@record
class Trouble:
    """What broke besides the user's model: a worker that died, a stream that stopped.

    Attributes:
        activity: Of a worker that said nothing for too long: where its model's thread is.
    """

    phase: Phase
    text: str
    side: Optional[Side] = None
    step: int = 0
    activity: Optional[Activity] = None


@record
class Party:
    """`Party` of coordinator.proto."""

    model: Model
    worker: WorkerAddress


@record
class GetInfoResponse:
    """`GetInfoResponse` of worker.proto.

    Attributes:
        broken_lease: The lease whose process ended without being asked to, just before this one
            took its place; empty: none.
        exit_status: How that process ended: its exit code, or minus the number of the signal
            that killed it.
        was_silent: Its supervisor has killed that process, since it answered nothing.
    """

    state: WorkerState
    worker: Optional[WorkerInfo] = None
    broken_lease: str = ""
    exit_status: int = 0
    was_silent: bool = False


@record
class DescribeResponse:
    """`DescribeResponse` of worker.proto.

    Attributes:
        layers: Definition order, parents before children.
    """

    layers: tuple[Layer, ...] = ()


@record
class TraceResponse:
    """`TraceResponse` of worker.proto.

    Attributes:
        random_operations: In order of execution.
        noise: Absent unless the pass was repeated.
        marks: The names under which the user marked tensors, in order; each is called as a
            layer without weights that hands its input on, at the path "mark NAME", here and in the
            steps behind it.
        changed_parameters: The parameters that the pass changed in place, by their full names;
            they are put back.
    """

    calls: tuple[CallEvent, ...] = ()
    failure: Optional[ModelFailure] = None
    random_operations: tuple[RandomOperation, ...] = ()
    noise: Optional[RunToRunNoise] = None
    marks: tuple[str, ...] = ()
    changed_parameters: tuple[str, ...] = ()


@record
class FirstDivergence:
    """`FirstDivergence` of report.proto.

    Attributes:
        position: Place among the compared tensors of its step, from 1, and how many there were.
    """

    row: Row
    cause: Difference
    position: int
    compared: int


@record
class Inconclusive:
    """Places of which nothing can be told. A report that has any, and no difference, neither passes
    nor names a fault.

    Attributes:
        places: Different ones, over all steps.
        rounding: Up to which share of the values rounding alone reaches there, at most.
        first: In execution order.
        deepest_told: The last place before it that could be told; absent: none.
    """

    places: int
    rounding: float
    first: Row
    deepest_told: Optional[Row] = None


@record
class FunctionLeaves:
    """The functions inside a pair of calls of layers, in order."""

    reference_path: str = ""
    reference_call: int = 0
    candidate_path: str = ""
    candidate_call: int = 0
    reference: tuple[FunctionLeaf, ...] = ()
    candidate: tuple[FunctionLeaf, ...] = ()


@record
class Environment:
    """`Environment` of report.proto.

    Attributes:
        transport: How its captured tensors came: SHM or GRPC.
        optimizer_made: The line of the user's code that made the optimizer; absent where there
            is none, or nobody saw that.
    """

    side: Side
    worker: WorkerInfo
    device: str
    train: bool
    seed: int
    flags: tuple[str, ...] = ()
    transport: Transport = Transport.GRPC
    optimizer_made: Optional[SourceLine] = None


@record
class RecordingBegins:
    """`RecordingBegins` of recording.proto.

    Attributes:
        recording: `steps` is how many were asked for.
    """

    recording: Recording
    worker: WorkerInfo
    loaded: LoadResponse


@record
class CompareStart:
    """`CompareStart` of coordinator.proto.

    Attributes:
        keep_mib: Of all of them together; those that come first are kept.
        tell_so_far: Whether to tell what the report has come to: ReportPart.so_far.
        detached: Go on when the client is gone, as far as that goes without batches of the
            client's; see Attach.
        recorded_batches: The batches are those of a recording, which one of the sides shows.
    """

    protocol_version: int
    candidate: Party
    reference: Party
    options: Options = Options()
    layer_map: StatedPairing = StatedPairing()
    steps: int = 1
    auto_weights: bool = True
    keep: KeptTensors = KeptTensors.NONE
    keep_mib: int = 256
    tell_so_far: bool = False
    detached: bool = False
    recorded_batches: bool = False


@record
class RowPage:
    """At most 256 rows."""

    rows: tuple[Row, ...] = ()


@record
class RecordStart:
    """`RecordStart` of coordinator.proto.

    Attributes:
        reference: Whom to record.
    """

    protocol_version: int
    reference: Party
    options: Options = Options()
    steps: int = 1
    selection: Selection = Selection()


@record
class AssignWeightsRequest:
    """`AssignWeightsRequest` of coordinator.proto.

    Attributes:
        save: In the candidate worker's file system; empty: not saved.
        options: Of these `timeout`, `deterministic` and `threads` matter. Absent: the defaults.
    """

    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: StatedPairing = StatedPairing()
    save: str = ""
    options: Optional[Options] = None


@record
class PlanStart:
    """`PlanStart` of coordinator.proto.

    Attributes:
        options: Of these `timeout`, `deterministic` and `threads` matter. Absent: the defaults.
        recorded_batches: As in CompareStart.
    """

    protocol_version: int
    candidate: Party
    reference: Party
    layer_map: StatedPairing = StatedPairing()
    options: Optional[Options] = None
    recorded_batches: bool = False


@record
class CheckInputsRequest:
    """`CheckInputsRequest` of coordinator.proto.

    Attributes:
        batches: How many, at most; at least 1.
    """

    protocol_version: int
    candidate: Party
    reference: Party
    batches: int
    options: Options = Options()


@record
class KnownWorker:
    """`KnownWorker` of coordinator.proto.

    Attributes:
        framework: As configured; empty: not stated.
        worker: What it says of itself; absent when it did not answer.
        problem: Why it is unreachable.
    """

    name: str
    address: str
    state: WorkerState
    framework: str = ""
    labels: tuple[Label, ...] = ()
    worker: Optional[WorkerInfo] = None
    problem: str = ""


@record
class FunctionDetail:
    """The functions of a step's whole forward pass; they decide no verdict.

    Attributes:
        tensors: How many tensors functions of the reference made whose values say which they
            are, and how many of these have a counterpart of the same values.
        left_out: How many leaves more there were than a report holds.
    """

    step: int
    tensors: int
    paired: int
    calls: tuple[FunctionLeaves, ...] = ()
    left_out: int = 0


@record
class ListWorkersResponse:
    """`ListWorkersResponse` of coordinator.proto."""

    workers: tuple[KnownWorker, ...] = ()


@record
class ReportSummary:
    """Everything but the rows, which come before it.

    Attributes:
        saved: Where assign_weight wrote the candidate's state; empty: nowhere.
        started_at: Seconds since the epoch, UTC.
        seconds: From the start of the command that compares, where one does; else of the
            session.
        hyper_parameters: In the plan's order. They do not decide the verdict.
        weights: The reference's first; definition order.
        in_lockstep: Every tensor was judged on the reference's values: each row that fails is a
            fault of its own.
        random_operations: What random decisions both models made in their traces.
        optimizer: Settings and conventions in which the two optimizers differ.
        has_local_errors: The values of each step were judged both on the candidate's own and on
            the reference's.
        omitted: What was not compared, by kind and cause, in the order of the rows.
        bounds: Absent: the user gave none.
        inconclusive: Absent: there are none.
        findings: In the order of the rows that led there.
        function_details: With `detail: functions`, of the steps that were looked into.
        sendings: What connections took, for each direction in which tensors were sent over one.
    """

    session: str
    passed: bool
    coverage: Coverage
    first_divergence: Optional[FirstDivergence] = None
    unmatched: tuple[Unmatched, ...] = ()
    steps: tuple[StepResult, ...] = ()
    plan: tuple[PlanPair, ...] = ()
    notes: tuple[Note, ...] = ()
    failures: tuple[ModelFailure, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    environments: tuple[Environment, ...] = ()
    timings: tuple[Timing, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    saved: str = ""
    started_at: float = 0.0
    seconds: float = 0.0
    hyper_parameters: tuple[HyperParameterDifference, ...] = ()
    weights: tuple[WeightFate, ...] = ()
    in_lockstep: bool = False
    random_operations: tuple[RandomOperation, ...] = ()
    noise: tuple[RunToRunNoise, ...] = ()
    optimizer: tuple[OptimizerDifference, ...] = ()
    has_local_errors: bool = False
    omitted: tuple[Omitted, ...] = ()
    bounds: Optional[OwnBounds] = None
    measurement: Measurement = Measurement()
    inconclusive: Optional[Inconclusive] = None
    findings: tuple[FunctionFinding, ...] = ()
    function_details: tuple[FunctionDetail, ...] = ()
    sendings: tuple[Sending, ...] = ()


@record
class ReportSoFar:
    """What a report has come to since it was last told of, without what follows from its rows.

    Attributes:
        summary: Of lists what joined them; all else as it is now.
        anew: Whole: what was told before is void.
    """

    summary: ReportSummary
    anew: bool = False
