"""Sentences for a report's notes; the contract says what each kind of note carries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from padiff_client import sentences, wording
from padiff_rpc.v1.records import Note, PlanPair, ReportSummary, Row
from padiff_rpc.v1.words import CaptureKind, Cause, LayoutChange, NoteKind, Pass, Verdict

# Said of its rows, and once of the whole.
_LAYOUTS = (Cause.AXES, Cause.RESHAPED, Cause.REPEATED)
_PLACES_SHOWN = 4
_BUFFERS_SHOWN = 5

# What was asked for and not done, by what the verdict was made, and of which process an end cut it short: the
# first screen says these too.
_SAID_FIRST = frozenset(
    {
        NoteKind.MESSAGE,
        NoteKind.REJUDGED,
        NoteKind.SKETCHED,
        NoteKind.NOT_SKETCHED,
        NoteKind.NOT_FETCHED,
        NoteKind.NOT_PUT_BACK,
        NoteKind.LEFT_OUT,
        NoteKind.UNKNOWN_CLASS,
        NoteKind.LOCKSTEP_TAKES_NO_OPTIMIZER,
        NoteKind.LOCKSTEP_MAKES_ONE_STEP,
        NoteKind.FORWARD_TAKES_NO_OPTIMIZER,
        NoteKind.FORWARD_COMPUTES_NO_LOSS,
        NoteKind.FORWARD_MAKES_ONE_STEP,
        NoteKind.NOTHING_ACCUMULATED,
        NoteKind.NOTHING_CLIPPED,
        NoteKind.NOTHING_SCALED,
    }
)
# `{side}` and `{other}`: the side that the note names, and the other; `{n}`, `{m}`: its first two numbers as
# whole ones; `{name}`, `{second}`: its first two names; `{some}`: the first of all, quoted; `{because}`: its
# reasons.
_TEMPLATES: Mapping[NoteKind, str] = {
    NoteKind.MESSAGE: "{name}",
    NoteKind.LOCKSTEP_TAKES_NO_OPTIMIZER: "single_step takes no optimizer, so none was used",
    NoteKind.LOCKSTEP_MAKES_ONE_STEP: "single_step makes one step, so 1 was made in place of {n}",
    NoteKind.LEFT_OUT: (
        "include and exclude left out {n} layers of the reference and {m} of the candidate: of these, "
        "weights alone were compared"
    ),
    NoteKind.FORWARD_NOT_COUNTED: (
        "diff_phase: the forward pass was synchronised and its values do not count"
    ),
    NoteKind.FORWARD_COUNTED: (
        "diff_phase: backward alone needs a pass in lockstep, so both phases were compared"
    ),
    NoteKind.FORWARD_TAKES_NO_OPTIMIZER: "diff_phase: forward takes no optimizer, so none was used",
    NoteKind.FORWARD_COMPUTES_NO_LOSS: (
        "diff_phase: forward computes no loss, so the given one was not used"
    ),
    NoteKind.FORWARD_MAKES_ONE_STEP: "diff_phase: forward makes one step, so 1 was made in place of {n}",
    NoteKind.NOTHING_ACCUMULATED: "accumulate: no optimizer stepped, so no gradients were added up",
    NoteKind.NOTHING_CLIPPED: "clip_norm: no optimizer stepped, so nothing was clipped",
    NoteKind.NOTHING_SCALED: "loss_scale: there was no backward, so nothing was scaled",
    NoteKind.LOW_CONFIDENCE_DIVERGENCE: (
        "the first divergence lies in a low-confidence pair: its two layers may not belong together"
    ),
    NoteKind.LOW_CONFIDENCE_EVERYWHERE: "every difference lies in low-confidence pairs",
    NoteKind.PAIRED_OTHERWISE: (
        "trace: weights were placed by definition order, and the first step's calls pair some layers "
        "differently; trace='before' places them by calls"
    ),
    NoteKind.PARTLY_TAKEN: "{name} takes {n} of {m} elements of {second!r}; nothing is said of the others",
    NoteKind.ORDERS_UNTRIED: (
        "orientation: {some}: a class of your own holds it, and its axes fit in several orders; the first "
        "was taken. A comparison tries all of them; layer_map.special_init says which"
    ),
    NoteKind.ORDERS_RAISED: "orientation: the models raised when several orders were to be tried",
    NoteKind.ORDERS_LEFT: (
        "orientation: tried {n} of {m} orders for the weights of {name!r}; say the right one by "
        "layer_map.special_init"
    ),
    NoteKind.RECOMPUTED: (
        "random decisions that are not shared are made once more by recomputation, each side its own, so "
        "that gradients in what is recomputed may differ; randomness='shared' or 'off' compares them"
    ),
    NoteKind.RANDOM_WITHOUT_TRACE: (
        "random decisions of step 0 were the frameworks' own, so everything behind them differs: without a "
        "trace they cannot be shared or kept apart; trace='before' makes one, randomness='off' needs none"
    ),
    NoteKind.OPTIMIZERS_UNSEEN: (
        "neither side's optimizer can be read (a function, or a train step's own): what they keep is "
        "not compared, only what they make of the weights"
    ),
    NoteKind.OPTIMIZER_UNSEEN: (
        "the {side}'s optimizer is a function and the {other}'s is not: what they keep is not compared, only "
        "what they make of the weights"
    ),
    NoteKind.OPTIMIZER_STEPS_FREELY: (
        "an optimizer is a function, and what it keeps cannot be put back: the candidate's stepped in the "
        "free run alone, and the weights behind it were judged there"
    ),
    NoteKind.STATE_NOT_TAKEN: "the candidate's optimizer cannot take {name} over: its own stayed",
    NoteKind.TRACE_RAISED: (
        "the {side} raised {name} while it was traced, so the first step served as the trace: {second}"
    ),
    NoteKind.FORWARD_AND_LOSS_ONLY: "forward and loss alone were compared: on the {side} {because}",
    NoteKind.FORWARD_ONLY: "the {side} was compared forward only: {because}",
    NoteKind.PARAMETER_GRADIENTS_ONLY: (
        "the {side}'s gradients were compared at the parameters only: {because}"
    ),
    NoteKind.STOPPED_WITHOUT_BACKWARD: (
        "stopped after step {n}, without a backward on both sides; {m} more were asked for"
    ),
    NoteKind.STOPPED_AT_DIFFERENCE: "stopped after step {n}, the first that differs; {m} more were asked for",
    NoteKind.HINTS_LIMITED: (
        "hints: of each phase {n} pairs that differ were looked at, no more; the others have none"
    ),
    NoteKind.GOLD: (
        "floor: in step {n} the reference ran once more in float64; its own rounding decided {m} rows"
    ),
    NoteKind.KEPT_FLOORS: (
        "floor: step {n} used what an earlier comparison measured on the same values of the reference"
    ),
    NoteKind.KEPT_TRACE: "the {side} was not traced: an earlier comparison had, of the same code and batch",
    NoteKind.OTHER_CALLS: (
        "the {side} made other calls than an earlier comparison had traced; this is forgotten: compare again"
    ),
    NoteKind.RECORDED_FLOORS: ("floor: step {n} used what was measured when the reference was recorded"),
    NoteKind.SHOWN: "recording: the {side} did not run; it was recorded at {name}",
    NoteKind.WEIGHTS_AS_RECORDED: (
        "weights: a recording is not written to, so nothing was copied and both sides' are compared"
    ),
    NoteKind.LEFT_OUT_OF_RECORDING: (
        "recording: {n} layers of the {side} were left out of it, and are not compared"
    ),
    NoteKind.RECORDING_CUT_SHORT: (
        "recording: that of the {side} was cut short, and has {n} of the steps that were asked for"
    ),
    NoteKind.OTHER_BATCH: (
        "recording: in step {n} the {side} was recorded on another batch than the other side has"
    ),
    NoteKind.RECORDED_FORWARD: (
        "recording: the {side} was recorded without backward, so no gradient is compared"
    ),
    NoteKind.TIES: (
        "ties: in step {n} the sides chose differently in {m} rows, between values that are equal up to "
        "rounding; what depends on it was given the reference's choice"
    ),
    NoteKind.NOT_SKETCHED: "level stats: in step {n} all tensors travelled whole: {because}",
    NoteKind.NOT_FETCHED: (
        "level stats: in step {n} the whole tensors could not be fetched where sketches differ: {because}"
    ),
    NoteKind.NOT_PUT_BACK: (
        "state: the {side} could not be put back to where step {n} began, and was not run again from there: "
        "{some} changed though no optimizer stepped and the trace had shown no such change; what was judged "
        "before stands"
    ),
    NoteKind.NO_GOLD: (
        "floor: the reference did not run in float64, so its rounding was estimated by noise in the last "
        "digit: {because}"
    ),
    NoteKind.NO_NOISE: (
        "floor: it did not run with such noise either, so the table of tolerances decided alone: {because}"
    ),
    NoteKind.NO_FUNCTIONS: "functions: those between the layers were not looked into: {because}",
    NoteKind.FUNCTIONS_IN_PART: "functions: some between the layers were not looked into: {because}",
    NoteKind.MARKED_ALONE: "marks: only the {side} marks {some}; nothing is compared with it",
    NoteKind.NO_ORACLE: "oracle: no side could be compared with float64: {because}",
    NoteKind.JUDGED_FREELY: (
        "lockstep: the candidate was never given the reference's own values, so its errors add up along the "
        "model: {because}"
    ),
    NoteKind.PARTED_BY_CONVENTION: (
        "the two optimizers use different formulas, so the weights drift apart when each side runs by "
        "itself: that drift does not count, and in lockstep each step is judged by one formula"
    ),
    NoteKind.LEAP: (
        "a place agrees given the reference's own values, but differs where each side runs by itself, though "
        "nothing before it differs: the model may keep state that is not put back between runs, or rounding "
        "may have tipped a decision"
    ),
}


def notes(summary: ReportSummary, rows: Iterable[Row]) -> tuple[str, ...]:
    """Returns a report's notes, a sentence each."""
    return (*(_sentence(one, summary) for one in summary.notes), *_of_rows(rows))


def of_first_screen(summary: ReportSummary) -> list[str]:
    """Returns the notes that a reader has to know with the verdict."""
    return [wording.plain(_sentence(one, summary)) for one in summary.notes if one.kind in _SAID_FIRST]


def beside_verdict(summary: ReportSummary) -> str:
    """Returns what a report's first line says beside its verdict; "" for nothing.

    How calls were judged matters to a verdict, and is none where a comparison was cut short.
    """
    if summary.failures or summary.troubles:
        return ""
    kinds = {one.kind for one in summary.notes}
    if NoteKind.JUDGED_FREELY in kinds:
        return "judged freely"
    if NoteKind.SKETCHED in kinds:
        return "judged freely, by sketches"
    if NoteKind.FIRST_STEP_FREE not in kinds:
        return ""
    free = "step 0 was judged freely"
    return free if _has_lockstep(summary) else f"{free}, and nothing ran in lockstep"


def _sentence(one: Note, summary: ReportSummary) -> str:
    if one.kind is NoteKind.LOW_CONFIDENCE:
        return _low_confidence(summary.plan)
    if one.kind is NoteKind.FIRST_STEP_FREE:
        return _first_step_free(summary)
    written = _WRITTEN.get(one.kind)
    if written is not None:
        return written(one)
    return _TEMPLATES[one.kind].format(
        side=one.side,
        other=wording.other(one.side),
        n=int(one.numbers[0]) if one.numbers else 0,
        m=int(one.numbers[1]) if len(one.numbers) > 1 else 0,
        name=one.names[0] if one.names else "",
        second=one.names[1] if len(one.names) > 1 else "",
        some=_quoted(one.names),
        because=sentences.joined(one.reasons),
    )


def _quoted(names: Iterable[str]) -> str:
    return wording.some(list(map(repr, names)))


def _has_lockstep(summary: ReportSummary) -> bool:
    return summary.in_lockstep or summary.has_local_errors


def _first_step_free(summary: ReportSummary) -> str:
    text = "lockstep: step 0 was judged freely, since its calls served as the trace"
    if _has_lockstep(summary):
        return f"{text}; the steps behind it were in lockstep"
    return (
        f"{text}, and no step behind it ran: ask for more steps (with keep_going where step 0 differs), or "
        "for trace='before'"
    )


def _low_confidence(plan: Sequence[PlanPair]) -> str:
    pairs = {pair.paths: pair for pair in plan if pair.is_doubtful}
    named = [
        f"{' ~ '.join(path or '(root)' for path in paths)} ({pair.confidence:.2f}: {sentences.reason(pair)})"
        for paths, pair in pairs.items()
    ]
    count = wording.count(len(pairs), "low-confidence pair")
    return f"the verdict rests on {count}: {wording.some(named)}; pin what belongs together in the layer map"


def _of_rows(rows: Iterable[Row]) -> Iterator[str]:
    """Yields a note for each way in which values of the two sides are compared, said once of all its rows."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.kind not in (CaptureKind.INPUT, CaptureKind.OUTPUT):
            continue
        turned = [sentences.sentence(one, row) for one in row.reasons if one.cause in _LAYOUTS]
        if turned and row.verdict is not Verdict.MISMATCH:
            words = "axes: the candidate holds the same values in another layout, and is compared in it: "
            found.setdefault(words + ", ".join(turned), {})[wording.place_of(row)] = None
        for one in row.reasons:
            if one.cause is Cause.PACKED_SEQUENCES:
                words = f"sequences: {sentences.sentence(one, row)}"
                found.setdefault(words, {})[wording.place_of(row)] = None
    for words, named in found.items():
        yield f"{words}: {wording.some(list(named), _PLACES_SHOWN)}"


def _gradients_not_used(one: Note) -> str:
    steps, accumulate, left = map(int, one.numbers)
    whose = "the last step" if left == 1 else f"the last {left} steps"
    return (
        f"accumulate: {steps} steps are no multiple of {accumulate}, so the gradients of {whose} were "
        "compared and not used"
    )


def _unknown_class(one: Note) -> str:
    field, name, *nearest = one.names
    near = f"; nearest: {', '.join(nearest)}" if nearest else ""
    return f"{field}: no layer is a {name!r}{near}"


def _rejudged(one: Note) -> str:
    by_tensors, by_figures, untold = map(int, one.numbers)
    text = (
        f"judged again: {wording.count(by_tensors, 'row')} by the tensors that were kept, {by_figures} by "
        "figures"
    )
    return f"{text}; {wording.count(untold, 'row')} cannot be judged again" if untold else text


def _opaque(one: Note) -> str:
    paths = wording.some([path or "the whole model" for path in one.names])
    return (
        f"compiled, exported or scripted on the {one.side}: {paths}; compared as a unit, what runs inside is "
        "not seen"
    )


def _gradients_present(one: Note) -> str:
    return (
        f"the gradients of {wording.some(one.names)} are not compared, only that they are there: "
        f"{sentences.joined(one.reasons)}"
    )


def _tied_alone(one: Note) -> str:
    name, *others = one.names
    return (
        f"tied on the {one.side} alone: its {name!r} is {' and '.join(map(repr, others))} on the "
        f"{wording.other(one.side)}, which part in training"
    )


def _buffers(one: Note, why: str) -> str:
    named = [
        f"{name!r} ({'in its shape' if math.isnan(far) else f'by up to {wording.small(far)}'})"
        for name, far in zip(one.names, one.numbers)
    ]
    return f"buffer differs before any copy: {wording.some(named, _BUFFERS_SHOWN)}; {why}"


def _unsaved_buffers(one: Note) -> str:
    return _buffers(one, "state files leave it out, so each model has what it makes itself")


def _hidden_buffers(one: Note) -> str:
    return _buffers(
        one, "the reference's values are used now, so a fault in how the candidate makes it is hidden"
    )


def _neutral_norms(one: Note) -> str:
    trained = int(one.numbers[0])
    by = f"the {one.side} alone trains {'it' if trained == 1 else f'these {trained}'}"
    return (
        f"norms: {_quoted(one.names)} of the {one.side} hold 1 or 0, and the {wording.other(one.side)}'s "
        f"norms are made without them, which computes the same; {by if trained else 'frozen'}"
    )


def _order_taken(one: Note) -> str:
    steps = [step.change for step in one.rule.steps] if one.rule is not None else []
    weights, fitting, tried = map(int, one.numbers[:3])
    taken, *next_best = one.numbers[3:]
    more = f" and {weights - 1} more" if weights > 1 else ""
    chosen = "as it is" if not steps else "transposed" if steps == [LayoutChange.TRANSPOSE] else one.rule
    fit = "may be stored either way round; both" if fitting == 2 else f"fits in {fitting} orders; all"
    if tried < fitting:
        fit = f"fits in {fitting} orders; {tried} of {fitting}"
    text = (
        f"orientation: {one.names[0]!r}{more} {fit} were tried, and {chosen} is taken: relative L2 "
        f"{wording.small(taken)}"
    )
    if next_best:
        error, is_open = next_best
        text += f", {'the other way' if fitting == 2 else 'the next best'} {wording.small(error)}"
        text += "; they cannot be told apart, so say it by layer_map.special_init" if is_open else ""
    return text


def _uneven(one: Note, head: str) -> str:
    texts = list(map(sentences.sentence, one.reasons))
    more = f", and {len(texts) - 3} more" if len(texts) > 3 else ""
    return f"{head}: {'; '.join(texts[:3])}{more}"


def _uneven_judged(one: Note) -> str:
    return _uneven(one, "random decisions differ in number, which is judged like any difference")


def _uneven_unseen(one: Note) -> str:
    return _uneven(one, "random decisions differ in number where they are not compared")


def _random_unforeseen(one: Note) -> str:
    found = zip(one.names[::2], one.names[1::2], one.numbers)
    named = [f"{operation} in {wording.call(path, call)}" for operation, path, call in found]
    return f"random: {wording.some(named)}: not in the trace, so judged like all else"


def _state_unknown(one: Note) -> str:
    theirs, *states = one.names
    return f"not compared: the {one.side}'s optimizer keeps {' and '.join(states)}, no {theirs} does"


def _kept(one: Note, what: str) -> str:
    why = "lockstep" if one.pass_kind is Pass.LOCKSTEP else "behind random decisions"
    found = zip(one.names[::3], one.names[1::3], one.names[2::3], one.numbers)
    places = [f"{wording.call(path, call)} ({moment} {slot})" for path, moment, slot, call in found]
    return f"{why}: {what} not overridden at {wording.some(places)}: {sentences.joined(one.reasons)}"


def _values_kept(one: Note) -> str:
    return _kept(one, "values")


def _gradients_kept(one: Note) -> str:
    return _kept(one, "gradients")


def _broke_off(one: Note) -> str:
    name = "in lockstep" if one.pass_kind is Pass.LOCKSTEP else "on the candidate's own values"
    return f"step {one.numbers[0]:.0f} broke off in its pass {name}"


def _loaders_ended(one: Note) -> str:
    ended, asked = map(int, one.numbers)
    return f"both loaders ended after {wording.count(ended, 'batch', 'batches')}; {asked} were asked for"


def _sketched(one: Note) -> str:
    step, estimated, fetched, came, whole = (int(number) for number in one.numbers)
    elements = f", and {fetched:,} by elements that were fetched" if fetched else ""
    return (
        f"level stats: {wording.count(estimated, 'row')} of step {step} judged by sketches{elements}; "
        f"{wording.size(came)} of captures travelled in place of {wording.size(whole)}. Two tensors whose "
        "sketches agree differ by no more than is allowed on the whole; single elements may differ by more"
    )


_WRITTEN: Mapping[NoteKind, Callable[[Note], str]] = {
    NoteKind.GRADIENTS_NOT_USED: _gradients_not_used,
    NoteKind.UNKNOWN_CLASS: _unknown_class,
    NoteKind.OPAQUE: _opaque,
    NoteKind.REJUDGED: _rejudged,
    NoteKind.GRADIENTS_PRESENT: _gradients_present,
    NoteKind.TIED_ALONE: _tied_alone,
    NoteKind.UNSAVED_BUFFERS: _unsaved_buffers,
    NoteKind.HIDDEN_BUFFERS: _hidden_buffers,
    NoteKind.NEUTRAL_NORMS: _neutral_norms,
    NoteKind.ORDER_TAKEN: _order_taken,
    NoteKind.UNEVEN: _uneven_judged,
    NoteKind.UNEVEN_UNSEEN: _uneven_unseen,
    NoteKind.RANDOM_UNFORESEEN: _random_unforeseen,
    NoteKind.STATE_UNKNOWN: _state_unknown,
    NoteKind.VALUES_KEPT: _values_kept,
    NoteKind.GRADIENTS_KEPT: _gradients_kept,
    NoteKind.BROKE_OFF: _broke_off,
    NoteKind.LOADERS_ENDED: _loaders_ended,
    NoteKind.SKETCHED: _sketched,
}
