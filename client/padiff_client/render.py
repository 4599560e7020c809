"""A report as text for a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Optional

from padiff_client import (
    connection_sentences,
    function_sentences,
    hint_sentences,
    note_sentences,
    places,
    randomness,
    sentences,
    verdict_reasons,
    wording,
)
from padiff_client.run_state import RunState, state_of
from padiff_rpc.records import record
from padiff_rpc.v1.records import (
    Environment,
    HyperParameterDifference,
    OptimizerDifference,
    Row,
    Trouble,
)
from padiff_rpc.v1.words import CaptureKind, Cause, Pass, Phase, Side, Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHOWN = 8
_AGREEING = frozenset({Verdict.MATCH, Verdict.WITHIN_TOLERANCE})


def text(report: Report) -> str:
    """Returns the whole report; about ten lines for a pass."""
    return f"{headline(report).text}\n{body(report)}"


def body(report: Report) -> str:
    """Returns what stands below the headline, and does not say that again."""
    first = headline(report)
    lines = _block("because", list(report.reasons[first.reasons :]))
    lines += _block("settings", _settings(report))
    lines += _block("bounds", _bounds(report))
    lines += _block("untold", _untold(report))
    lines += _block("faults", _faults(report))
    lines += _block("errors", places.summary(report.places))
    for found in report.findings[:_SHOWN]:
        lines += _block("function", function_sentences.block(found))
    divergence = report.first_divergence
    if divergence is not None:
        is_said = first.says_divergence
        lines += ["", f"first divergence:\n{divergence.details}" if is_said else str(divergence), ""]
    if not report.summary.in_lockstep and not report.places:
        lines += _block("probably", hint_sentences.of_phases(report.faults))
    for failed in report.failures:
        lines += ["", f"  traceback of the {failed.side or 'model'}:"]
        lines += [f"    {wording.plain(line)}" for line in failed.traceback.splitlines()]
    for lost in report.troubles:
        lines += _stack(lost)
    lines += _block("compared", [coverage(report)])
    lines += _block("functions", function_sentences.paired(report.function_details))
    lines += _block("decided", _decided(report))
    lines += _block("oracle", _oracle(report))
    lines += _block("steps", steps(report))
    lines += _block("growth", _growth(report))
    lines += _block("largest", largest(report))
    lines += _block("unmatched", _unmatched(report))
    decisions = randomness.decisions(report.random_operations)
    lines += _block("random", [*decisions, *randomness.left_out(report.rows)])
    lines += _block("noise", randomness.noise(report.noise))
    lines += _block("notes", [wording.plain(note) for note in report.notes])
    for environment in report.environments:
        caps = connection_sentences.speeds(report.summary.sendings, environment.side)
        lines += _block(str(environment.side), [_environment(environment), *caps])
    if report.saved:
        lines += _block("saved", [wording.plain(report.saved)])
    lines += _block("time", [_time(report)])
    return "\n".join(lines)


@record
class Headline:
    """The verdict in one line, and what it says already.

    Attributes:
        reasons: how many of the report's reasons, from the first.
        says_divergence: whether it says the first divergence's summary.
    """

    text: str
    reasons: int = 0
    says_divergence: bool = False


def headline(report: Report) -> Headline:
    """Returns the verdict in one line, and what has to be known with it."""
    verdict, beside = _verdict(report), note_sentences.beside_verdict(report.summary)
    return dataclasses.replace(verdict, text=f"{verdict.text}; {beside}") if beside else verdict


def _verdict(report: Report) -> Headline:
    if state_of(report) is RunState.RUNNING:
        return _standing(report)
    if report:
        left_out, beyond = wording.omitted(report.omitted), wording.beyond_rounding(report.bounds)
        if beyond:
            return Headline(text="; ".join(filter(None, (f"PASS under {beyond}", left_out))))
        return Headline(text=f"PASS, but {left_out}" if left_out else f"PASS: the {_subject(report)} agree")
    if report.troubles or report.failures:
        return Headline(text=f"FAIL: cut short: {report.reasons[0]}", reasons=1)
    divergence = report.first_divergence
    if divergence is None and report.inconclusive is not None and len(report.reasons) == 1:
        texts = filter(None, (report.reasons[0], wording.omitted(report.omitted)))
        return Headline(text=f"INCONCLUSIVE: {'; '.join(texts)}", reasons=1)
    if divergence is not None:
        return Headline(text=f"FAIL: {divergence.summary}{_but_in_the_end(report)}", says_divergence=True)
    return Headline(text=f"FAIL: {report.reasons[0]}", reasons=1)


def _standing(report: Report) -> Headline:
    """Returns where a comparison is that goes on, and what it has found."""
    at, divergence = report.troubles[-1], report.first_divergence
    if not report.all_rows:
        return Headline(text="RUNNING: nothing has been compared yet", reasons=1)
    compared = wording.count(report.coverage.tensors_compared, "tensor")
    found = f"first divergence: {divergence.summary}" if divergence is not None else "no difference yet"
    text = f"RUNNING: {wording.moment(at.phase, at.step)}, {compared} compared so far; {found}"
    return Headline(text=text, reasons=1, says_divergence=divergence is not None)


def _but_in_the_end(report: Report) -> str:
    """Returns that outputs and losses agree where each side ran on its own values, if they do."""
    free = [row for row in report.all_rows if row.pass_kind is Pass.FREE]
    outputs = [row for row in free if _is_output(row)]
    ends = outputs + [row for row in free if row.kind is CaptureKind.LOSS]
    if not outputs or any(row.verdict not in _AGREEING for row in ends):
        return ""
    what = "outputs and loss" if len(ends) > len(outputs) else "outputs"
    return f"; the model's {what} agree"


def _is_output(row: Row) -> bool:
    place = row.reference or row.candidate
    return row.kind is CaptureKind.OUTPUT and place is not None and not place.path


def _subject(report: Report) -> str:
    if report.rows and all(row.phase is Phase.INITIAL_WEIGHTS for row in report.rows):
        return "weights"
    if report.rows and all(wording.is_of_loaders(row) for row in report.rows):
        return f"loaders' batches (0 to {report.rows[-1].step})"
    return "models"


def _block(name: str, texts: list[str]) -> list[str]:
    return [f"  {name if i == 0 else '':<10} {text}" for i, text in enumerate(texts)]


def _stack(lost: Trouble) -> list[str]:
    """Returns where the thread of a model was that hangs."""
    if lost.activity is None or not lost.activity.stack:
        return []
    lines = [f"    {one.file}:{one.line} in {one.function}" for one in lost.activity.stack]
    return ["", f"  stack of the {lost.side or 'model'}, innermost last:", *map(wording.plain, lines)]


def _settings(report: Report) -> list[str]:
    layers = _shortened(settings(report.hyper_parameters), "report.hyper_parameters")
    return layers + _shortened(settings((), report.optimizer), "report.optimizer")


def settings(
    layers: Sequence[HyperParameterDifference],
    optimizer: Sequence[OptimizerDifference] = (),
    first: Collection[str] = (),
) -> list[str]:
    """Returns a sentence for each setting that differs; of layers those of the reference's paths `first`."""
    lines = []
    for one in sorted(layers, key=lambda one: one.reference_path not in first):
        path = one.reference_path
        if one.candidate_path != path:
            path += f" / {one.candidate_path}"
        values = f"{one.reference} in the reference, {one.candidate} in the candidate"
        lines.append(wording.plain(f"{path or 'the root'}: {one.name} is {values}"))
    return lines + [f"optimizer: {wording.optimizer_difference(one)}" for one in optimizer]


def _shortened(lines: list[str], whole: str) -> list[str]:
    """Returns the first lines, and where all are."""
    return [*lines[:_SHOWN], f"... {len(lines) - _SHOWN} more ({whole})"] if len(lines) > _SHOWN else lines


def _bounds(report: Report) -> list[str]:
    """Returns which bounds of the user's own decided, and what agrees by them alone."""
    if report.bounds is None:
        return []
    lines = [
        f"{wording.moment_of(row)}: {wording.place_of(row)}: {sentences.sentence(one, row)}"
        for row in report.rows
        for one in row.reasons
        if one.cause is Cause.BY_OWN_BOUNDS
    ]
    return [wording.bounds(report.bounds), *_shortened(lines, "report.rows")]


def _untold(report: Report) -> list[str]:
    """Returns the places of which nothing can be told, and how far everything could be."""
    if report.inconclusive is None:
        return []
    lines = [
        f"{wording.moment_of(row)}: {wording.place_of(row)}: {sentences.reason(row)}"
        for row in report.rows
        if row.verdict is Verdict.INCONCLUSIVE
    ]
    deepest = report.inconclusive.deepest_told
    told = f"{wording.moment_of(deepest)}: {wording.place_of(deepest)}" if deepest else "none"
    return [f"the last place before them that could be judged: {told}", *_shortened(lines, "report.rows")]


def _faults(report: Report) -> list[str]:
    """Returns every fault that lockstep found; free-running, most would be consequences of the first."""
    if not report.summary.in_lockstep:
        return []
    lines = [
        f"{wording.moment_of(row)}: {wording.place_of(row)}"
        + (f", relative L2 {wording.small(row.figures.relative_l2)}" if row.figures is not None else "")
        + hint_sentences.likeliest(row)
        for row in report.faults
    ]
    return _shortened(lines, "report.faults")


def coverage(report: Report) -> str:
    """Returns how much was compared: "151 of 158 tensors (7 are on one side alone), 9 of 9 calls"."""
    covered = report.coverage
    parts = []
    for noun in ("tensors", "calls", "parameters", "buffers", "losses"):
        compared, total = getattr(covered, f"{noun}_compared"), getattr(covered, f"{noun}_total")
        if total:
            parts.append(f"{compared} of {total} {noun}")
    alone = covered.tensors_unmatched
    if alone:
        parts[0] += f" ({alone} {'is' if alone == 1 else 'are'} on one side alone)"
    return ", ".join(parts) or "nothing"


def _decided(report: Report) -> list[str]:
    """Returns by what rows were decided, and what the reference's further runs cost."""
    measurement, seconds = report.measurement, report.summary.seconds
    numbers = {
        "by equality": measurement.by_equality,
        "by the table": measurement.by_table,
        "by rounding of sums": measurement.by_sums,
        "by float64": measurement.by_gold,
        "by noise": measurement.by_noise,
        "by your bounds": measurement.by_bounds,
        "not compared": measurement.not_compared,
    }
    found = [f"{number} {how}" for how, number in numbers.items() if number]
    if not found:
        return []
    text = f"{wording.count(sum(numbers.values()), 'row')}: {', '.join(found)}"
    if measurement.gold_seconds and seconds:
        share = measurement.gold_seconds / seconds
        text += f"; running the reference again took {measurement.gold_seconds:.1f} s ({share:.0%})"
    peaks = [f"{one.bytes / 2**20:.0f} MiB in the {one.side}'s worker" for one in measurement.peaks]
    return [f"{text}; at most {', '.join(peaks)}" if peaks else text]


def _oracle(report: Report) -> list[str]:
    """Returns in how many places which side is off from float64, and where."""
    found = [(row, row.from_gold) for row in report.rows if row.from_gold is not None]
    if not found:
        return []
    off = [(row, one) for row, one in found if one.off is not None]
    counts = [
        f"the {side} is off in {number}"
        for side in Side
        for number in [sum(one.off is side for _, one in off)]
        if number
    ]
    equal = f"both sides are equally far from float64 in {len(found) - len(off)}"
    lines = [
        f"{wording.moment_of(row)}: {wording.place_of(row)}: {wording.from_gold(one)}" for row, one in off
    ]
    head = f"{wording.count(len(found), 'tensor')}: {', '.join([equal, *counts])}"
    return [head, *_shortened(lines, "report.rows")]


def steps(report: Report) -> list[str]:
    """Returns how many steps passed, and both losses of the last."""
    if not report.steps:
        return []
    passed = sum(step.passed for step in report.steps)
    last = report.steps[-1]
    text = f"{passed} of {len(report.steps)} passed"
    if last.loss_reference == last.loss_reference:
        text += (
            f"; loss of step {last.step}: reference {wording.exact(last.loss_reference)}, "
            f"candidate {wording.exact(last.loss_candidate)}"
        )
    return [text]


def _growth(report: Report) -> list[str]:
    """Returns how far apart the sides were at each step, where one of several differs."""
    if len(report.steps) < 2 or all(step.passed for step in report.steps):
        return []
    lines = [
        f"{one.step:<6} {wording.small(one.values_relative_l2):<10} "
        f"{wording.small(one.weights_relative_l2):<10} {'passed' if one.passed else 'differs'}"
        for one in report.steps
    ]
    if len(lines) > 2 * _SHOWN:
        left = f"... {len(lines) - 2 * _SHOWN} more (report.steps)"
        lines = [*lines[:_SHOWN], left, *lines[-_SHOWN:]]
    return ["step   values     weights    (largest relative L2)", *lines]


def largest(report: Report) -> list[str]:
    """Returns the furthest pair of each phase by relative L2; only where nothing diverged."""
    if report.first_divergence is not None or report.places:
        return []
    worst: dict[Phase, Row] = {}
    for row in report.rows:
        if row.figures is None or row.verdict is Verdict.NOT_COMPARED:
            continue
        known = worst.get(row.phase)
        if known is None or known.figures is None or row.figures.relative_l2 > known.figures.relative_l2:
            worst[row.phase] = row
    return [
        f"{wording.moment_of(row)}: relative L2 {wording.small(row.figures.relative_l2)} "
        f"({wording.place_of(row)})"
        for row in worst.values()
        if row.figures is not None and row.figures.relative_l2 > 0
    ]


def _unmatched(report: Report) -> list[str]:
    others = [one for one in report.unmatched if not one.counts]
    containers, rest = verdict_reasons.containers(others, report.plan)
    return _shortened([*containers, *map(verdict_reasons.unmatched, rest)], "report.unmatched")


def _environment(environment: Environment) -> str:
    worker = environment.worker
    parts = [
        f"{worker.framework} {worker.framework_version}",
        f"Python {worker.python_version}",
        environment.device,
        "train mode" if environment.train else "eval mode",
        # A script seeds itself.
        *([] if worker.watches_script else [f"seed {environment.seed}"]),
        *environment.flags,
    ]
    return ", ".join(wording.plain(part) for part in parts)


def _time(report: Report) -> str:
    moved = sum(one.bytes for one in report.traffic)
    text = f"{report.summary.seconds:.1f} s"
    if moved:
        text += f", {moved / 2**20:.1f} MiB moved"
    totals: dict[tuple[Phase, Optional[Side]], float] = {}
    for timing in report.timings:
        key = (timing.phase, timing.side)
        totals[key] = totals.get(key, 0.0) + timing.seconds
    # Both sides run at once: the slower one is what was waited for.
    waited: dict[Phase, float] = {}
    for (phase, _), seconds in totals.items():
        waited[phase] = max(waited.get(phase, 0.0), seconds)
    longest = sorted(waited.items(), key=lambda item: -item[1])[:3]
    if longest:
        parts = (f"{str(phase).replace('_', ' ')} {seconds:.1f} s" for phase, seconds in longest)
        text += f"; longest: {', '.join(parts)}"
    return text
